"""The attributes of a configuration in the study, written and read back.

Attributes of an Optuna trial::

    intent           what was asked, see `intent_of`
    judged/<rung>    [rung of the report, its objective, whether that ended cell 0]
    cell/<slug>      the cell's `Run` as JSON text
    reason           why the trial failed (`raysearch.search.study.database.REASON`)

A trial without ``intent`` was never asked by a sweep: it counts for nothing.
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
    "JUDGED",
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
JUDGED = "judged/"


@dataclass(frozen=True)
class Outcome:
    """What the study needs to remember of a finished cell.

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
            StoreError: It is complete without its objective, which no sweep writes.
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
    """A decision of early stopping at a judged rung.

    Attributes:
        reported: Rung of the report that was judged; later than the judged rung where that
            one's report was lost in a crash.
        value: Its objective.
        stops: Whether cell 0 ends there.
    """

    reported: int
    value: float
    stops: bool

    def plain(self) -> list[Any]:
        """The verdict as JSON, in which a value that is not finite is null."""
        return [self.reported, self.value if math.isfinite(self.value) else None, self.stops]

    @classmethod
    def from_plain(cls, plain: Sequence[Any]) -> Verdict:
        """Read what `plain` gave; null becomes NaN.

        Raises:
            ValueError, TypeError: It is something else.
        """
        reported, value, stops = plain
        known = value is None or isinstance(value, int | float)
        if type(reported) is not int or not known or type(stops) is not bool:
            raise ValueError("it must be a rung, an objective and whether that ended the cell")
        return cls(reported, math.nan if value is None else value, stops)


@dataclass(frozen=True)
class End:
    """What Optuna is told at the end of a configuration.

    Attributes:
        state: COMPLETE, PRUNED or FAIL.
        values: What it is worth (`objective.aggregate_value`), or the last report of a pruned one;
            None where there is none.
        reason: Why it failed; empty otherwise.
    """

    state: OptunaState
    values: list[float] | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class OpenTrial:
    """One configuration of the study: an Optuna trial that is still open.

    Attributes:
        number: The trial's number in the study, from 0.
        config: Every setting, as a run takes it.
        cells: All cells.
        staged: Whether cell 0 runs first and alone, since early stopping may end it, and the
            others follow if it survives; else all may run at once.
        finished: The cells whose record is in the study.
        reports: Rung to objective of cell 0, as recorded.
        stopped_at: Rung of the report at which early stopping ended cell 0, or None.
        problem: Why the config cannot be run at all, or empty; finish cell 0 as FAILED with it.
        origin: Who proposed it (`raysearch.run`); empty where nothing says so.
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
    """A configuration that is not at its end, as the ledger keeps it in memory.

    Attributes:
        space: What the sweep searches.
        number: The trial's number.
        trial_id: The database's id of the trial.
        config: Every setting.
        cells: All cells in order.
        problem: Why the config cannot be run, or empty.
        origin: Where it came from (`raysearch.run`); empty where nothing says so.
        finished: Outcomes of the cells whose record is written.
        reports: Rung to objective of cell 0.
        judged: Rungs at which early stopping has judged.
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
    judged: set[int] = field(default_factory=set)
    stopped_at: int | None = None
    ended: bool = False

    @classmethod
    def read(cls, trial: FrozenTrial, trial_id: int, space: SearchSpace) -> Entry:
        """The configuration from what is written of its trial."""
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
        """Take over a decision of early stopping."""
        self.judged.add(rung)
        if verdict.stops:
            self.stopped_at = verdict.reported

    def configuration(self) -> OpenTrial:
        """The configuration as it stands now."""
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

        A cell that does not run to its end ends it: it cannot become complete any more.
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
    """What early stopping decided on a trial, by judged rung.

    Raises:
        DamagedStudyError: That is not what a sweep writes.
    """
    found = {}
    for key, plain in trial.user_attrs.items():
        if key.startswith(JUDGED):
            with _as_written(trial, key):
                found[int(key.removeprefix(JUDGED))] = Verdict.from_plain(plain)
    return found


def intent_of(
    config: Mapping[str, Any],
    cells: Sequence[Cell],
    *,
    problem: str,
    literal: bool,
    origin: str,
) -> dict[str, Any]:
    """What is written about a configuration when it is asked.

    Args:
        config: Every setting, as a run takes it.
        cells: All cells; cell 0 is the one that early stopping judges.
        problem: Why the config cannot be run, or empty.
        literal: Whether the config is no point of the space, as a paper's own setting may be;
            no sampler learns from it then.
        origin: Where it came from (`raysearch.run`); empty where that is not known.
    """
    return {
        "config": config,
        "cells": [[cell.task, cell.seed] for cell in cells],
        "problem": problem,
        "literal": literal,
        PROPOSED: origin,
    }


def intent_in(trial: FrozenTrial) -> Mapping[str, Any]:
    """What `intent_of` gave for a trial that has an intent.

    Raises:
        DamagedStudyError: It is something else.
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
"""What an intent has beside its cells."""


@contextmanager
def _as_written(trial: FrozenTrial, key: str) -> Iterator[None]:
    """What goes wrong in reading an attribute is the study's damage."""
    try:
        yield
    except (StoreError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise DamagedStudyError(
            f"the attribute {quoted(key)} of trial {trial.number} is none that a sweep writes "
            f"({reason_of(error)})"
        ) from error


def origin_in(trial: FrozenTrial) -> str:
    """Where a configuration came from; empty where its study is older than that record."""
    return str(intent_in(trial).get(PROPOSED, ""))


def records(trial: FrozenTrial) -> Iterator[Run]:
    """The cell records of a trial in order of cells; none of a trial without an intent.

    Raises:
        DamagedStudyError: One is none that a sweep writes.
    """
    for cell in cells_of(trial):
        if CELL + cell.slug in trial.user_attrs:
            yield record_of(trial, cell)


def record_of(trial: FrozenTrial, cell: Cell) -> Run:
    """The record of a cell that has one.

    Raises:
        DamagedStudyError: It is none that a sweep writes, or that of another cell.
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
    """The trial, or, when it is complete without a finite objective, the same as failed."""
    value = trial.metrics.get(goal.name)
    if trial.state is not RunState.COMPLETE or (value is not None and math.isfinite(value)):
        return trial
    reason = not_finite(goal, value)
    if value is None:
        reason += f"; metrics: {', '.join(sorted(trial.metrics)) or 'none'}"
    return dataclasses.replace(trial, state=RunState.FAILED, reason=reason)


def not_finite(goal: MetricGoal, value: float | None) -> str:
    """Why a trial has failed whose objective is missing (None) or not finite."""
    came = "it is missing" if value is None else f"got {value}"
    return f"the objective `{goal.name}` must be a finite number, but {came}"


def with_origin(trial: Run, origin: str) -> Run:
    """The trial, whose provenance says where its configuration came from, if that is known."""
    if not origin:
        return trial
    return dataclasses.replace(trial, provenance={**trial.provenance, PROPOSED: origin})
