"""The attributes of a configuration in the study: writes them and reads them back.

Attributes of an Optuna trial::

    intent           what was asked, see `intent_of`
    judged/<rung>    [rung of the report, its objective, whether that ended cell 0]
    cell/<slug>      the cell's `Run` as JSON text
    reason           why the trial failed (`raysearch.search.study.database.REASON`)

A trial without ``intent`` was not asked for by a sweep and is ignored.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from raysearch.errors import StoreError, quoted, reason_of
from raysearch.objective import aggregate_value, is_over
from raysearch.run import PROPOSED, Cell, MetricGoal, Run, RunState
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.database import DamagedStudyError

__all__ = [
    "CELL",
    "INTENT",
    "VERDICT",
    "End",
    "Entry",
    "OpenTrial",
    "Outcome",
    "Verdict",
    "cells_of",
    "intent_in",
    "intent_of",
    "not_finite",
    "origin_in",
    "record_of",
    "records",
    "verdicts",
    "with_objective",
    "with_origin",
]

CELL = "cell/"
INTENT = "intent"
VERDICT = "judged/"


@dataclass(frozen=True)
class Outcome:
    """The part of a finished cell's record that the study keeps in memory.

    Attributes:
        state: How the cell ended.
        objective: Its objective; NaN unless it is complete.
        reason: Why it is not complete.
    """

    state: RunState
    objective: float
    reason: str

    @classmethod
    def of(cls, trial: Run, goal: MetricGoal) -> Outcome:
        """The outcome of a cell's record.

        Raises:
            StoreError: It is complete without an objective, which no sweep writes.
        """
        complete = trial.state is RunState.COMPLETE
        if complete and goal.name not in trial.metrics:
            raise StoreError(
                f"a complete trial must have the sweep's objective `{goal.name}`, but the record "
                f"of {trial.id} has none"
            )
        objective = trial.metrics[goal.name] if complete else math.nan
        return cls(trial.state, objective, trial.reason)


@dataclass(frozen=True)
class Verdict:
    """A decision of early stopping at a rung.

    Attributes:
        reported: Rung of the report that was compared; later than the decision's rung if
            that report was lost in a crash.
        value: Its objective.
        stops: Whether cell 0 ends there.
    """

    reported: int
    value: float
    stops: bool

    def plain(self) -> list[Any]:
        """The verdict as JSON; a value that is not finite is null."""
        return [self.reported, self.value if math.isfinite(self.value) else None, self.stops]

    @classmethod
    def from_plain(cls, plain: Sequence[Any]) -> Verdict:
        """Read the result of `plain`; null becomes NaN.

        Raises:
            ValueError, TypeError: It is anything else.
        """
        reported, value, stops = plain
        known = value is None or isinstance(value, int | float)
        if type(reported) is not int or not known or type(stops) is not bool:
            raise ValueError("it must be a rung, an objective and whether that ended the cell")
        return cls(reported, math.nan if value is None else value, stops)


@dataclass(frozen=True)
class End:
    """The end of a configuration, as Optuna stores it.

    Attributes:
        state: COMPLETE, PRUNED or FAIL.
        values: Its aggregate value (`objective.aggregate_value`), or the last report of a
            pruned one; None if there is none.
        reason: Why it failed; empty otherwise.
    """

    state: OptunaState
    values: list[float] | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class OpenTrial:
    """One configuration whose Optuna trial is still open.

    Attributes:
        number: The trial's number in the study, from 0.
        config: Every setting, as passed to a run.
        cells: All cells.
        staged: Whether cell 0 runs first and alone, since early stopping may end it, and the
            others follow if it survives; otherwise all may run at once.
        finished: The cells whose record is in the study.
        reports: Rung to objective of cell 0, as recorded.
        stopped_at: Rung of the report at which early stopping ended cell 0, or None.
        problem: Why the config cannot run, or empty; finish cell 0 as FAILED with it.
        origin: Who proposed it (`raysearch.run`); empty if unknown.
    """

    number: int
    config: Mapping[str, Any]
    cells: tuple[Cell, ...]
    staged: bool
    finished: tuple[Cell, ...]
    reports: Mapping[int, float]
    stopped_at: int | None
    problem: str
    origin: str

    @property
    def pending(self) -> tuple[Cell, ...]:
        """Cells without a record that may run now."""
        if self.staged and self.cells[0] not in self.finished:
            return self.cells[:1]
        return tuple(cell for cell in self.cells if cell not in self.finished)


@dataclass(kw_only=True)
class Entry:
    """An open configuration, as the ledger keeps it in memory.

    Attributes:
        space: What the sweep searches.
        number: The trial's number.
        trial_id: The database's id of the trial.
        config: Every setting.
        cells: All cells in order.
        problem: Why the config cannot run, or empty.
        origin: Where it came from (`raysearch.run`); empty if unknown.
        finished: Outcomes of the cells whose record is written.
        reports: Rung to objective of cell 0.
        decided: Rungs at which early stopping has decided.
        stopped_at: Rung of the report that ended cell 0, or None.
        ended: Whether Optuna has its end already, and it is open for the cells of further seeds
            (`raysearch.search.study.further_seeds`).
    """

    space: SearchSpace
    number: int
    trial_id: int
    config: Mapping[str, Any]
    cells: tuple[Cell, ...]
    problem: str
    origin: str
    finished: dict[Cell, Outcome] = field(default_factory=dict)
    reports: dict[int, float] = field(default_factory=dict)
    decided: set[int] = field(default_factory=set)
    stopped_at: int | None = None
    ended: bool = False

    @classmethod
    def read(cls, trial: FrozenTrial, trial_id: int, space: SearchSpace) -> Entry:
        """The configuration from the attributes of its trial."""
        intent = intent_in(trial)
        entry = cls(
            space=space,
            number=trial.number,
            trial_id=trial_id,
            config=intent["config"],
            cells=cells_of(trial),
            problem=intent["problem"],
            origin=origin_in(trial),
            reports=dict(trial.intermediate_values),
        )
        for record in records(trial):
            entry.finished[record.cell] = Outcome.of(record, space.goal)
        for rung, verdict in verdicts(trial).items():
            entry.note_verdict(rung, verdict)
        return entry

    @property
    def staged(self) -> bool:
        """Whether cell 0 runs first and alone."""
        return self.space.pruner != "none"

    def note_verdict(self, rung: int, verdict: Verdict) -> None:
        """Apply a decision of early stopping."""
        self.decided.add(rung)
        if verdict.stops:
            self.stopped_at = verdict.reported

    def configuration(self) -> OpenTrial:
        """A snapshot of the configuration."""
        return OpenTrial(
            number=self.number,
            config=self.config,
            cells=self.cells,
            staged=self.staged,
            finished=tuple(cell for cell in self.cells if cell in self.finished),
            reports=dict(self.reports),
            stopped_at=self.stopped_at,
            problem=self.problem,
            origin=self.origin,
        )

    def end(self) -> End | None:
        """How the configuration ends, or None while a cell is left to run.

        A cell that does not run to its end ends the configuration, which can no longer complete.
        """
        outcomes = {cell: self.finished[cell] for cell in self.cells if cell in self.finished}
        if not is_over([outcome.state for outcome in outcomes.values()], len(self.cells)):
            return None
        for outcome in outcomes.values():
            if outcome.state is RunState.PRUNED:
                last = self.reports[max(self.reports)] if self.reports else math.nan
                return End(OptunaState.PRUNED, [last] if math.isfinite(last) else None)
            if outcome.state is RunState.FAILED:
                return End(OptunaState.FAIL, None, outcome.reason)
        objectives = {cell: outcome.objective for cell, outcome in outcomes.items()}
        value = aggregate_value(objectives, self.space.goal, self.space.aggregate)
        return End(OptunaState.COMPLETE, [value])


def verdicts(trial: FrozenTrial) -> dict[int, Verdict]:
    """The decisions of early stopping on a trial, by rung.

    Raises:
        DamagedStudyError: They are not what a sweep writes.
    """
    found = {}
    for key, plain in trial.user_attrs.items():
        if key.startswith(VERDICT):
            with _as_written(trial, key):
                found[int(key.removeprefix(VERDICT))] = Verdict.from_plain(plain)
    return found


def intent_of(
    config: Mapping[str, Any],
    cells: Sequence[Cell],
    *,
    problem: str,
    literal: bool,
    origin: str,
) -> dict[str, Any]:
    """The intent of a configuration, to be written when it is asked for.

    Args:
        config: Every setting, as passed to a run.
        cells: All cells; early stopping applies to cell 0.
        problem: Why the config cannot run, or empty.
        literal: Whether the config is not a point of the space, as a paper's own setting may be;
            then no sampler learns from it.
        origin: Where it came from (`raysearch.run`); empty if unknown.
    """
    return {
        "config": config,
        "cells": [[cell.task, cell.seed] for cell in cells],
        "problem": problem,
        "literal": literal,
        PROPOSED: origin,
    }


def intent_in(trial: FrozenTrial) -> Mapping[str, Any]:
    """The result of `intent_of` in a trial that has one.

    Raises:
        DamagedStudyError: It is not what a sweep writes.
    """
    intent = trial.user_attrs[INTENT]
    with _as_written(trial, INTENT):
        if not isinstance(intent, dict) or not isinstance(intent["cells"], list):
            raise TypeError(f"it is {quoted(intent)}")
        if not intent["cells"]:
            raise ValueError("it has no cell")
        for task, seed in intent["cells"]:
            Cell(task, seed)
        for name, kind in _INTENT.items():
            if not isinstance(intent[name], kind):
                raise TypeError(f"`{name}` is {quoted(intent[name])}")
    return intent


_INTENT = {"config": dict, "problem": str, "literal": bool}
"""Keys of an intent beside its cells."""


@contextmanager
def _as_written(trial: FrozenTrial, key: str) -> Iterator[None]:
    """Turn errors in reading an attribute into `DamagedStudyError`."""
    try:
        yield
    except (StoreError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise DamagedStudyError(
            f"the attribute {quoted(key)} of trial {trial.number} is none that a sweep writes "
            f"({reason_of(error)})"
        ) from error


def origin_in(trial: FrozenTrial) -> str:
    """Where a configuration came from; empty in studies older than that record."""
    return str(intent_in(trial).get(PROPOSED, ""))


def records(trial: FrozenTrial) -> Iterator[Run]:
    """The cell records of a trial in order of cells; empty without an intent.

    Raises:
        DamagedStudyError: A record is not what a sweep writes.
    """
    for cell in cells_of(trial):
        if CELL + cell.slug in trial.user_attrs:
            yield record_of(trial, cell)


def record_of(trial: FrozenTrial, cell: Cell) -> Run:
    """The record of a cell that has one.

    Raises:
        DamagedStudyError: It is not what a sweep writes, or another cell's.
    """
    key = CELL + cell.slug
    with _as_written(trial, key):
        record = Run.from_json(trial.user_attrs[key])
        if (record.number, record.cell) != (trial.number, cell):
            raise ValueError(f"it is of {record.id}")
    return record


def cells_of(trial: FrozenTrial) -> tuple[Cell, ...]:
    """The cells of a trial in order; none without an intent."""
    if INTENT not in trial.user_attrs:
        return ()
    return tuple(Cell(*cell) for cell in intent_in(trial)["cells"])


def with_objective(trial: Run, goal: MetricGoal) -> Run:
    """The run; as failed if it is complete without a finite objective."""
    value = trial.metrics.get(goal.name)
    if trial.state is not RunState.COMPLETE or (value is not None and math.isfinite(value)):
        return trial
    reason = not_finite(goal, value)
    if value is None:
        reason += f"; metrics: {', '.join(sorted(trial.metrics)) or 'none'}"
    return dataclasses.replace(trial, state=RunState.FAILED, reason=reason)


def not_finite(goal: MetricGoal, value: float | None) -> str:
    """Why a run with a missing (None) or non-finite objective has failed."""
    came = "it is missing" if value is None else f"got {value}"
    return f"the objective `{goal.name}` must be a finite number, but {came}"


def with_origin(trial: Run, origin: str) -> Run:
    """The run with the origin of its configuration in its provenance, if known."""
    if not origin:
        return trial
    return dataclasses.replace(trial, provenance={**trial.provenance, PROPOSED: origin})
