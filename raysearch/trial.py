"""What is run and what happened: the only records that cross folders.

A *cell* is a task and a seed; a *lease* is one configuration to be run on one cell; a
*report* is a point of the learning curve; a *trial* is the finished record. All are frozen
and turn into plain JSON and back without loss, so that the study's database, the slots and
the leaderboard speak of the same thing.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from raysearch.errors import StoreError
from raysearch.names import path_part

__all__ = [
    "CHECKPOINT",
    "FORMER_CHECKPOINT",
    "FORMER_KEPT",
    "KEPT",
    "Cell",
    "Lease",
    "MetricGoal",
    "Report",
    "Scalar",
    "Trial",
    "TrialState",
]

CHECKPOINT = "checkpoint.safetensors"
"""Name of the file in a lease's folder that a running trial goes on from."""
KEPT = "final.safetensors"
"""Name of the file in a lease's folder that holds a finished trial's weights, when kept."""
FORMER_CHECKPOINT, FORMER_KEPT = "checkpoint.pt", "final.pt"
"""What they were called, and how they were written, by earlier versions."""

Scalar = str | int | float | bool | None


class TrialState(StrEnum):
    """How a trial ended. RUNNING appears in live views only, never in a stored row."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True)
class MetricGoal:
    """The metric that ranks trials, for example ``dev/va_pearson``, and its direction."""

    name: str
    direction: Literal["maximize", "minimize"] = "maximize"

    def better(self, first: float, second: float) -> bool:
        """Whether `first` is strictly better than `second`."""
        return first > second if self.direction == "maximize" else first < second


@dataclass(frozen=True, order=True)
class Cell:
    """One repetition of a configuration: a task (corpora or language pair) and a seed."""

    task: str
    seed: int

    def __post_init__(self) -> None:
        # Leases, rows and studies of others come here, and folders are named after cells.
        if not (isinstance(self.task, str) and isinstance(self.seed, int) and self.seed >= 0):
            raise StoreError(
                "a cell must have a text as its task and a whole number >= 0 as its seed, but got "
                f"{self.task!r} and {self.seed!r}"
            )

    @property
    def slug(self) -> str:
        """The cell as part of a file's name; other cells have other ones."""
        return f"{path_part(self.task)}-s{self.seed}"

    def id_of(self, number: int) -> str:
        """The id of a trial's lease and row of this cell, by the trial's number."""
        return f"{number:05d}-{self.slug}"


@dataclass(frozen=True, kw_only=True)
class Lease:
    """One configuration to be run on one cell; idempotent, and it knows where its checkpoint is.

    Attributes:
        sweep: Name of the sweep.
        number: The trial's number in the study, from 0.
        cell: Task and seed.
        method: A name in `raysearch.methods.METHODS`.
        config: Every setting of the method's config as JSON scalars or lists; already validated.
        folder: Folder or URI that holds this lease's checkpoint and, when kept, its encoder.
        keep: Whether the final encoder stays in `folder` when the trial completes.
        origin: Who proposed the configuration (`raysearch.search.origins`); empty where that is
            not recorded.
    """

    sweep: str
    number: int
    cell: Cell
    method: str
    config: Mapping[str, Any]
    folder: str
    keep: bool = False
    origin: str = ""

    @property
    def id(self) -> str:
        """Stable over restarts: number and cell, for example ``00012-sample-s0``."""
        return self.cell.id_of(self.number)

    def to_json(self) -> str:
        """The lease as one JSON object."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Lease:
        """Read what `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError, StoreError: The text is not a lease of this version.
        """
        return cls(**_checked(json.loads(text)))


@dataclass(frozen=True, kw_only=True)
class Report:
    """One point of a learning curve.

    Attributes:
        rung: 1 for the first report of the trial, counting up without gaps; the resource of
            early stopping, the same in every trial of a sweep.
        step: Optimizer steps done in the trial so far.
        seconds: Training seconds so far, over all lives of the trial.
        metrics: Development metrics and means of the training terms since the last report.
    """

    rung: int
    step: int
    seconds: float
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What happened to one configuration on one cell.

    Attributes:
        sweep: Name of the sweep.
        number: The trial's number in the study.
        cell: Task and seed.
        method: Name of the method.
        state: COMPLETE, PRUNED or FAILED.
        reason: Why it was pruned or failed; empty when complete.
        config: Every setting, flattened to scalars.
        metrics: Final metrics; of a pruned trial those of its last report.
        curve: The reports in order.
        steps: Optimizer steps done.
        seconds: Training and evaluation seconds, over all lives of the trial.
        device: What it ran on, as `raysearch.devices` reads it: ``cpu (2 threads)`` or the name
            of a GPU; empty where it began on none.
        finished: UTC time of the end, ISO 8601 with seconds.
        provenance: Digests of data and encoder, versions, commit, dirty flag, host.
    """

    sweep: str
    number: int
    cell: Cell
    method: str
    state: TrialState
    config: Mapping[str, Scalar]
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[Report, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    device: str = ""
    finished: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int, str, int]:
        """What makes a row unique: sweep, number, task, seed."""
        return (self.sweep, self.number, self.cell.task, self.cell.seed)

    @property
    def id(self) -> str:
        """The same id as that of its lease."""
        return self.cell.id_of(self.number)

    def to_json(self) -> str:
        """The trial as one JSON object; NaN and infinities are written as JavaScript names."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Trial:
        """Read what `to_json` wrote.

        Raises:
            StoreError: The text is not a trial of this version.
        """
        try:
            raw = _checked(json.loads(text))
            return cls(
                **{
                    **raw,
                    "state": TrialState(raw["state"]),
                    "curve": tuple(Report(**report) for report in raw["curve"]),
                }
            )
        except (TypeError, ValueError, KeyError) as error:
            raise StoreError(
                f"a trial record must be one that this version wrote: {error}"
            ) from error


def _checked(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record with its cell; its id becomes a file's name, so its number must be one.

    Raises:
        TypeError, KeyError: It has no number or no cell.
        StoreError: They are not such.
    """
    if not isinstance(raw["number"], int) or raw["number"] < 0:
        raise StoreError(f"a trial's number must be a whole number >= 0, but got {raw['number']!r}")
    return {**raw, "cell": Cell(**raw["cell"])}
