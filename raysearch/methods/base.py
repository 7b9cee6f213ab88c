"""The interface of a method: stages, and updates that the loop performs.

A method yields updates and the loop performs them: for each `Update` it runs one backward
pass of `loss` and, unless `step` is False, averages the gradients over workers, clips, steps
the optimizer and zeroes it. A method's code after a ``yield`` runs once that is done: it may read
gradients (of an update with ``step=False``), clip weights, or update a momentum average. No
term can be back-propagated twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from raysearch.config import TrainingConfig
from raysearch.methods.stage import Stage
from raysearch.run import Cell

__all__ = ["Method", "MethodLoader", "Stage", "Update"]


@dataclass(frozen=True)
class Update:
    """One backward pass for the loop to perform.

    Attributes:
        optimizer: Key in the method's `optimizers`.
        loss: Scalar with a graph; already weighted.
        terms: Named scalars to be averaged into the next report; detached by the loop.
        step: False keeps the gradients for the next update of the same optimizer, so that
            several backward passes make one optimizer step.
        rate: Factor on the optimizer's peak learning rate in this step, for an optimizer with
            its own schedule; None for the loop's schedule.
    """

    optimizer: str
    loss: torch.Tensor
    terms: Mapping[str, torch.Tensor | float] = field(default_factory=dict)
    step: bool = True
    rate: float | None = None


class Method(Protocol):
    """One trial's method: built for a config and a cell, driven by `training.loop`.

    Guarantees: building and training use only the given seed and torch's generators; nothing is
    written to disk; data of roles that were not opened is not read; the same code runs in a single
    process and in a process group.
    """

    name: str
    optimizers: Mapping[str, torch.optim.Optimizer]
    """Key to optimizer; `training.optim` schedules their learning rates per stage."""
    provenance: Mapping[str, str]
    """At least ``encoder``, ``encoder_digest``, ``corpora``, ``data_digest``. Files that building
    reads by other means than `raysearch.corpora` and `raysearch.encoders` must be reported to
    `raysearch.sources.note_read`, so that a sweep notices when they change."""

    def stages(self) -> Sequence[Stage]:
        """The stages in order, parents before children; at least one."""
        ...

    def begin(self, stage: Stage, state: Mapping[str, Any] | None = None) -> None:
        """Prepare for the first step of a stage, or resume within it.

        Args:
            stage: The stage. The results of its parents have been accepted, unless it resumes.
            state: The result of `state_dict` in this stage when a trial is resumed in it; it
                replaces every result accepted before as well.
        """
        ...

    def batches(self, stage: Stage, epoch_seed: int) -> Iterator[Any]:
        """One epoch of batches of this worker, in an order that depends on `epoch_seed` only."""
        ...

    def updates(self, batch: Any, step: int) -> Iterator[Update]:
        """The updates of one step; `step` counts from 0 within the stage."""
        ...

    def finish(self, stage: Stage) -> dict[str, Any]:
        """The result of a stage after its steps: plain containers and tensors.

        Sufficient for the stages that name it as a parent and, for the last stage, to evaluate.
        A stage without steps computes it here.
        """
        ...

    def accept(self, stage: Stage, result: Mapping[str, Any]) -> None:
        """Take the result of `finish`, from this trial or another one that shares the stage.

        Called after every stage, run or taken over, so that both have the same path; not for
        stages that no later one needs.
        """
        ...

    def evaluate(self, role: str) -> dict[str, float]:
        """Metrics on ``dev`` or a later opened role, prefixed by it; only on worker 0."""
        ...

    def check_health(self, terms: Mapping[str, float], metrics: Mapping[str, float]) -> None:
        """Check the means of the terms and the new metrics.

        Called on worker 0: at every report, and without metrics at the end of a stage that has
        none.

        Raises:
            UnhealthyError: A failure signature of the method was measured.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that `begin` needs to resume within a stage, without optimizers."""
        ...

    def save_encoder(self, folder: str) -> None:
        """Write encoder and tokenizer so that ``AutoModel.from_pretrained(folder)`` opens them.

        A trial with several encoders writes a folder each in it.

        Includes the marks of all texts that it was trained on (`encoders.save`).

        Args:
            folder: Destination; it does not exist yet.
        """
        ...


class MethodLoader(Protocol):
    """An entry of `METHODS`: the config class and how to build the method.

    A loader may also state its metrics, notes on its settings and measures:
    `raysearch.methods.description`.
    """

    @property
    def config_type(self) -> type[TrainingConfig]:
        """The method's config class; does not import torch."""
        ...

    def build(
        self, config: Any, cell: Cell, *, device: torch.device, roles: Sequence[str], data_dir: str
    ) -> Method:
        """A new method: the same arguments produce the same bytes.

        Args:
            config: An instance of `config_type`.
            cell: Task and seed.
            device: Device of parameters and batches.
            roles: The roles that may be opened; search opens ``train`` and ``dev`` only.
            data_dir: Folder of the corpora.
        """
        ...

    def check(self, config: Any, *, data_dir: str) -> None:
        """Check that the data that a config names can be read; does not import torch.

        Raises:
            RaysearchError: No trial of this config could run, and why.
        """
        ...

    def tasks(self, config: Any) -> tuple[str, ...]:
        """Tasks that make cells; one unless a method runs over language pairs."""
        ...

    def outline(self, config: Any) -> tuple[Stage, ...]:
        """The stages of a config as far as they are known without data; does not import torch.

        Names, fields and parents are those of the trial; steps are its own or proportional.
        """
        ...
