"""The records of runs, which all packages share.

A *cell* is a task and a seed; a *run* is one configuration on one cell: `RunSpec` describes it, a
`Report` is a point of its learning curve, `Run` is the finished record. All are frozen and convert
to plain JSON and back without loss, for the study's database, the slots and the leaderboard.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from raysearch.errors import StoreError, quoted
from raysearch.names import path_part

__all__ = [
    "CHECKPOINT",
    "FORMER_CHECKPOINT",
    "FORMER_KEPT",
    "KEPT",
    "PROPOSED",
    "Cell",
    "MetricGoal",
    "Origin",
    "Report",
    "Run",
    "RunSpec",
    "RunState",
    "Scalar",
    "tasks_of",
]

CHECKPOINT = "checkpoint.safetensors"
"""File in a run's folder from which a running trial resumes."""
KEPT = "final.safetensors"
"""File in a run's folder with a finished trial's weights, when kept."""
FORMER_CHECKPOINT, FORMER_KEPT = "checkpoint.pt", "final.pt"
"""Name of the weights, in another format, in earlier versions."""

Scalar = str | int | float | bool | None


class RunState(StrEnum):
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
        # Runs, rows and studies from others reach this, and folders are named after cells.
        if not (isinstance(self.task, str) and isinstance(self.seed, int) and self.seed >= 0):
            raise StoreError(
                "a cell must have a text as its task and a whole number >= 0 as its seed, but got "
                f"{self.task!r} and {self.seed!r}"
            )

    @property
    def slug(self) -> str:
        """The cell as an injective part of a file name."""
        return f"{path_part(self.task)}-s{self.seed}"

    def id_of(self, number: int) -> str:
        """The id of a trial's run on this cell, by the trial's number."""
        return f"{number:05d}-{self.slug}"


def tasks_of(cells: Sequence[Cell]) -> tuple[str, ...]:
    """The tasks of cells, each once, in their order."""
    return tuple(dict.fromkeys(cell.task for cell in cells))


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One configuration to run on one cell; idempotent, with the location of its checkpoint.

    Attributes:
        sweep: Name of the sweep.
        number: The trial's number in the study, from 0.
        cell: Task and seed.
        method: A name in `raysearch.methods.METHODS`.
        config: Every setting of the method's config as JSON scalars or lists; already validated.
        folder: Folder or URI of this run's checkpoint and, when kept, its encoder.
        keep: Whether the final encoder stays in `folder` when the trial completes.
        origin: Who proposed the configuration (`raysearch.run`); empty if unknown.
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
        """The run as one JSON object."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> RunSpec:
        """Read what `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError, RecursionError, StoreError: The text is not a run
                of this version.
        """
        return cls(**_checked(json.loads(text), _OF_SPEC))


@dataclass(frozen=True, kw_only=True)
class Report:
    """One point of a learning curve.

    Attributes:
        rung: 1 for the first report of the trial, counting up without gaps; the resource of
            early stopping, the same in every trial of a sweep.
        step: Optimizer steps done in the trial so far.
        seconds: Training seconds so far, including earlier processes of the trial.
        metrics: Development metrics and means of the training terms since the last report.
    """

    rung: int
    step: int
    seconds: float
    metrics: Mapping[str, float]

    @classmethod
    def from_plain(cls, raw: Mapping[str, Any]) -> Report:
        """Read a report from JSON.

        Raises:
            ValueError, TypeError: It is malformed.
        """
        _check_fields(raw, _OF_REPORT)
        return cls(**raw)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The record of one configuration on one cell.

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
        seconds: Training and evaluation seconds, including earlier processes of the trial.
        device: Its device in the format of `raysearch.devices`: ``cpu (2 threads)`` or the name
            of a GPU; empty if it did not start.
        finished: UTC time of the end, ISO 8601 with seconds.
        provenance: Digests of data and encoder, versions, commit, dirty flag, host.
    """

    sweep: str
    number: int
    cell: Cell
    method: str
    state: RunState
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
        """The unique key of a row: sweep, number, task, seed."""
        return (self.sweep, self.number, self.cell.task, self.cell.seed)

    @property
    def id(self) -> str:
        """The id of its `RunSpec`."""
        return self.cell.id_of(self.number)

    def to_json(self) -> str:
        """The run as one JSON object; NaN and infinities are written as in JavaScript."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Run:
        """Read what `to_json` wrote.

        Raises:
            StoreError: The text is not a run of this version.
        """
        try:
            raw = _checked(json.loads(text), _OF_TRIAL)
            return cls(
                **{
                    **raw,
                    "state": RunState(raw["state"]),
                    "curve": tuple(Report.from_plain(report) for report in raw["curve"]),
                }
            )
        except RecursionError as error:
            raise StoreError(
                "a trial record must be one that this version wrote: it is nested too deeply"
            ) from error
        except (TypeError, ValueError, KeyError) as error:
            raise StoreError(
                f"a trial record must be one that this version wrote: {error}"
            ) from error


def _checked(raw: Mapping[str, Any], rules: _Rules) -> Mapping[str, Any]:
    """A record with its cell parsed; its id becomes a file name, so its number is checked, too.

    Raises:
        TypeError, KeyError: Number or cell are missing.
        ValueError: Another field has a value of the wrong type.
        StoreError: Number or cell are invalid.
    """
    if not isinstance(raw["number"], int) or raw["number"] < 0:
        raise StoreError(
            f"a trial's number must be a whole number >= 0, but got {quoted(raw['number'])}"
        )
    _check_fields(raw, rules)
    return {**raw, "cell": Cell(**raw["cell"])}


def _check_fields(raw: Mapping[str, Any], rules: _Rules) -> None:
    """Check the type of every field that is present; the record's class requires its fields.

    Raises:
        TypeError: It is not an object.
        ValueError: A field has a value of the wrong type.
    """
    if not isinstance(raw, dict):
        raise TypeError(f"it must be an object, but is {quoted(raw)}")
    for name, (rule, holds) in rules.items():
        if name in raw and not holds(raw[name]):
            raise ValueError(f"`{name}` must be {rule}, but is {quoted(raw[name])}")


def _is_text(value: object) -> bool:
    """Whether it is text that can be encoded as UTF-8; JSON may hold lone surrogates."""
    return isinstance(value, str) and (value.isascii() or not _HALF.search(value))


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (type(value) is int and abs(value) < _MOST)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, bool) or _is_number(value) or _is_text(value)


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value))


def _of(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, dict) and all(_is_text(k) and holds(v) for k, v in value.items())
    )


_HALF = re.compile("[\ud800-\udfff]")
_MOST = 2**63
"""Range of integers in a record, which become int64."""
_Rules = Mapping[str, tuple[str, Callable[[object], bool]]]
"""Field of a record to its rule, as text and as a test."""
_TEXT = ("a text", _is_text)
_COUNT = ("a whole number >= 0", _is_count)
_NUMBER = ("a number", _is_number)
_METRICS = ("names with numbers", _of(_is_number))
_COMMON: _Rules = {"sweep": _TEXT, "number": _COUNT, "method": _TEXT}
_OF_SPEC: _Rules = {
    **_COMMON,
    "config": ("settings", _is_object),
    "folder": _TEXT,
    "keep": ("true or false", lambda value: isinstance(value, bool)),
    "origin": _TEXT,
}
_OF_REPORT: _Rules = {
    "rung": _COUNT,
    "step": _COUNT,
    "seconds": _NUMBER,
    "metrics": _METRICS,
}
_OF_TRIAL: _Rules = {
    **_COMMON,
    "config": ("settings with scalars", _of(_is_scalar)),
    "metrics": _METRICS,
    "provenance": ("names with texts", _of(_is_text)),
    "curve": ("a list of reports", lambda value: isinstance(value, list)),
    "reason": _TEXT,
    "device": _TEXT,
    "finished": _TEXT,
    "steps": _COUNT,
    "seconds": _NUMBER,
}


PROPOSED = "proposed"
"""Key of the origin in a configuration's intent and in the provenance of its rows."""


class Origin(StrEnum):
    """Who proposed a configuration.

    PAPER is the paper's own setting, WARM_START one of the best of an earlier task. DRAWN is
    independent of the others' results: `random`, and the start-up of model-based samplers.
    LAID_OUT is a point of `grid` or `qmc`, MODELLED one that a model of the finished trials chose
    (for `cmaes` only its numbers; see `raysearch.search.suggest.samplers`). OTHER comes from a
    sampler of another package.
    """

    PAPER = "paper"
    WARM_START = "warm start"
    DRAWN = "drawn"
    LAID_OUT = "laid out"
    MODELLED = "modelled"
    OTHER = "other"
