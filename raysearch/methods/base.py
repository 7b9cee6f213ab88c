"""What is a method to the loop: stages, and updates that the loop performs.

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
from raysearch.trial import Cell

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
    """

    optimizer: str
    loss: torch.Tensor
    terms: Mapping[str, torch.Tensor | float] = field(default_factory=dict)
    step: bool = True


@dataclass(frozen=True)
class Stage:
    """A part of a trial whose result depends on the named settings only.

    Attributes:
        name: For example ``pretrain``.
        fields: Names of the config fields that its result depends on, beside those of the
            stages before it; with data, encoder, seed and code version they make its key.
        steps: Optimizer steps; 0 for a stage that only evaluates.
    """

    name: str
    fields: tuple[str, ...]
    steps: int


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
    """At least ``encoder``, ``encoder_digest``, ``corpora``, ``data_digest``."""

    def stages(self) -> Sequence[Stage]:
        """The stages in order; at least one."""
        ...

    def begin(self, stage: Stage) -> None:
        """Called before the first step of a stage, and again when a trial is resumed in it."""
        ...

    def batches(self, stage: Stage, epoch_seed: int) -> Iterator[Any]:
        """One epoch of batches of this worker, in an order that depends on `epoch_seed` only."""
        ...

    def updates(self, batch: Any, step: int) -> Iterator[Update]:
        """The updates of one step; `step` counts from 0 within the stage."""
        ...

    def evaluate(self, role: str) -> dict[str, float]:
        """Metrics on ``dev`` or ``test``, prefixed by the role; worker 0 only."""
        ...

    def check_health(self, terms: Mapping[str, float], metrics: Mapping[str, float]) -> None:
        """Called at every report with the means of the terms and the fresh metrics.

        Raises:
            UnhealthyError: A failure signature of the method was measured.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that `load_state_dict` needs, optimizers and generators left out."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        ...

    def save_encoder(self, folder: str) -> None:
        """Write encoder and tokenizer so that ``AutoModel.from_pretrained(folder)`` opens them."""
        ...


class MethodLoader(Protocol):
    """What `METHODS` holds: the config class and how to build the method."""

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
