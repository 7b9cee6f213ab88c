"""What a method is to the loop: stages, and updates that the loop performs.

A method yields updates and the loop performs them: for each `Update` it runs one backward
pass of `loss` and, unless `step` is False, averages the gradients over workers, clips, steps
the optimizer and zeroes it. The lines of a method after a ``yield`` run once that is done:
they may read gradients (of an update with ``step=False``), clip weights, move a momentum
average. No term can be back-propagated twice.
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
    """One backward pass that the loop owes the method.

    Attributes:
        optimizer: Key in the method's `optimizers`.
        loss: Scalar with a graph; already weighted.
        terms: Named scalars to be averaged into the next report; detached by the loop.
        step: False keeps the gradients in place for the next update of the same optimizer,
            so that several backward passes make one optimizer step.
        rate: Factor on the optimizer's peak learning rate in this step, for an optimizer with
            a horizon of its own; None for the loop's schedule.
    """

    optimizer: str
    loss: torch.Tensor
    terms: Mapping[str, torch.Tensor | float] = field(default_factory=dict)
    step: bool = True
    rate: float | None = None


class Method(Protocol):
    """One trial's method: built for a config and a cell, driven by `training.loop`.

    Promises: building and training use only the seed given and torch's generators; nothing is
    written to disk; data of roles that were not opened is not read; in one process and in a
    process group the same code runs.
    """

    name: str
    optimizers: Mapping[str, torch.optim.Optimizer]
    """Key to optimizer; `training.optim` schedules their learning rates per stage."""
    provenance: Mapping[str, str]
    """At least ``encoder``, ``encoder_digest``, ``corpora``, ``data_digest``. Files that building
    reads by other ways than `raysearch.corpora` and `raysearch.encoders` are told to
    `raysearch.sources.note_read`, so that a sweep notices when they change."""

    def stages(self) -> Sequence[Stage]:
        """The stages in order, parents before children; at least one."""
        ...

    def begin(self, stage: Stage, state: Mapping[str, Any] | None = None) -> None:
        """Make ready for the first step of a stage, or go on within it.

        Args:
            stage: The stage. The results of its parents have been accepted, unless it goes on.
            state: What `state_dict` gave within this stage when a trial is resumed in it; it
                stands for every result accepted before as well.
        """
        ...

    def batches(self, stage: Stage, epoch_seed: int) -> Iterator[Any]:
        """One epoch of batches of this worker, in an order that depends on `epoch_seed` only."""
        ...

    def updates(self, batch: Any, step: int) -> Iterator[Update]:
        """The updates of one step; `step` counts from 0 within the stage."""
        ...

    def finish(self, stage: Stage) -> dict[str, Any]:
        """What a stage leaves behind once its steps are done: plain containers and tensors.

        Enough for the stages that name it as a parent and, of the last stage, to evaluate.
        A stage without steps computes it here.
        """
        ...

    def accept(self, stage: Stage, result: Mapping[str, Any]) -> None:
        """Take in what `finish` gave, here or in another trial that shares the stage.

        Called after every stage that was run or taken over, so that both ways are one way;
        not for stages that no later one needs.
        """
        ...

    def evaluate(self, role: str) -> dict[str, float]:
        """Metrics on ``dev`` or a later opened role, prefixed by it; worker 0 only."""
        ...

    def check_health(self, terms: Mapping[str, float], metrics: Mapping[str, float]) -> None:
        """Called at every report with the means of the terms and the fresh metrics.

        Raises:
            UnhealthyError: A failure signature of the method was measured.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that `begin` needs to go on within a stage, optimizers left out."""
        ...

    def save_encoder(self, folder: str) -> None:
        """Write encoder and tokenizer so that ``AutoModel.from_pretrained(folder)`` opens them.

        With them go the marks of all texts that it was trained on (`encoders.save`).

        Args:
            folder: Where to; nothing is there yet.
        """
        ...


class MethodLoader(Protocol):
    """What `METHODS` holds: the config class and how to build the method.

    A loader may also state its metrics, notes on its settings and measures:
    `raysearch.methods.description`.
    """

    @property
    def config_type(self) -> type[TrainingConfig]:
        """The method's config class; asking for it imports no torch."""
        ...

    def build(
        self, config: Any, cell: Cell, *, device: torch.device, roles: Sequence[str], data_dir: str
    ) -> Method:
        """A fresh method: the same arguments give the same bytes.

        Args:
            config: An instance of `config_type`.
            cell: Task and seed.
            device: Where parameters and batches live.
            roles: The roles that may be opened; search opens ``train`` and ``dev`` only.
            data_dir: Folder of the corpora.
        """
        ...

    def check(self, config: Any, *, data_dir: str) -> None:
        """Whether the data that a config names can be read; imports no torch.

        Raises:
            RaysearchError: No trial of this config could run, and why.
        """
        ...

    def tasks(self, config: Any) -> tuple[str, ...]:
        """Tasks that make cells; one unless a method runs over language pairs."""
        ...

    def outline(self, config: Any) -> tuple[Stage, ...]:
        """The stages of a config as far as they are known without data; imports no torch.

        Names, fields and parents are those of the trial; steps are its own or in proportion.
        """
        ...
