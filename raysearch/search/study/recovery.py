"""Rebuilds a lost study from what the sweep left at its root.

Rows and curves restore the finished configurations: numbers, parameters, intermediate values,
the objectives compared by early stopping, papers' own settings. `raysearch.search.study.journal`
restores those that were running, which resume from their checkpoints. A sampler's suggestions
follow from the study's content, so they continue as they would have.

Not restored: a row that was not yet written when the study was lost (its trial resumes from its
last checkpoint), and the order in which early stopping compared trials that ran at the same time.
A number of which nothing is left stays empty.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from raysearch.config import as_scalar, plain_config, read_config, rules
from raysearch.errors import ConfigError, StoreError
from raysearch.printable import counted
from raysearch.run import PROPOSED, Cell, Run, RunSpec, RunState, Scalar
from raysearch.search.plan import SweepPlan
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.database import REASON, StudyDatabase
from raysearch.search.study.entries import CELL, INTENT, VERDICT, Entry, Verdict, intent_of
from raysearch.search.study.identity import RECOVERING, is_claimed, write_identity
from raysearch.search.study.journal import RunJournal
from raysearch.search.study.lock import sweep_lock
from raysearch.search.suggest.pruners import PRUNERS, pruning_rungs
from raysearch.search.suggest.samplers import distribution
from raysearch.search.suggest.task_search import cells_within, checked_config
from raysearch.storage.uri import redacted

__all__ = ["Recovery", "recover_study"]


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """The content of a recovered study.

    Attributes:
        ended: End of a configuration (COMPLETE, PRUNED or FAILED) to how many have it.
        open: Configurations that resume.
        empty: Numbers of configurations of which nothing was left.
        url: The study's URL without its password.
    """

    ended: Mapping[RunState, int]
    open: int
    empty: tuple[int, ...]
    url: str


@dataclass
class _Traces:
    """What is left of one configuration."""

    rows: list[Run] = field(default_factory=list)
    specs: list[RunSpec] = field(default_factory=list)


def recover_study(
    plan: SweepPlan, rows: Iterable[Run], *, on_wait: Callable[[str], None] = lambda text: None
) -> Recovery:
    """Rebuild the study of `plan` from the rows of its leaderboard and its open runs.

    An interrupted recovery is restarted by the next one; no sweep uses its study.

    Args:
        plan: The sweep, as it was run.
        rows: Its finished runs, with their curves.
        on_wait: See `StudyLedger.open`.

    Raises:
        StoreError: The study exists, there is nothing to rebuild it from, what is left belongs
            to another sweep, or the database cannot be used.
    """
    with sweep_lock(plan.folder) as lock:
        traces = _gather(plan, rows, RunJournal(plan.root, make=False).specs())
        database = StudyDatabase(
            plan.url, plan.name, plan.space.goal.direction, on_wait, lock.check
        )
        with closing(database):
            _make_empty(database, plan.name)
            templates = _templates(plan, traces)
            for template in templates:
                database.create(template)
            write_identity(database, plan.space, plan.seed)
    states = [template.state for template in templates if INTENT in template.user_attrs]
    return Recovery(
        ended={
            RunState.COMPLETE: states.count(OptunaState.COMPLETE),
            RunState.PRUNED: states.count(OptunaState.PRUNED),
            RunState.FAILED: states.count(OptunaState.FAIL),
        },
        open=states.count(OptunaState.RUNNING),
        empty=tuple(item.number for item in templates if INTENT not in item.user_attrs),
        url=database.shown,
    )


def _gather(
    plan: SweepPlan, rows: Iterable[Run], specs: Iterable[RunSpec]
) -> Mapping[int, _Traces]:
    found: dict[int, _Traces] = {}
    of_whom = set()
    for row in rows:
        found.setdefault(row.number, _Traces()).rows.append(row)
        of_whom.add((row.sweep, row.method))
    for spec in specs:
        found.setdefault(spec.number, _Traces()).specs.append(spec)
        of_whom.add((spec.sweep, spec.method))
    where = redacted(plan.root)
    if not found:
        raise StoreError(
            f"a study is recovered from the trials of its sweep, but {where} has none; "
            "`python -m raysearch sweep` begins it"
        )
    strange = of_whom - {(plan.name, plan.space.method)}
    if strange:
        name, method = sorted(strange)[0]
        raise StoreError(
            f"{where} must have trials of the sweep `{plan.name}` of {plan.space.method} only, but "
            f"has some of `{name}` of {method}: is it the root of one sweep?"
        )
    return found


def _make_empty(database: StudyDatabase, name: str) -> None:
    """Create the empty study; overwrites only an unfinished recovery."""
    present = len(database.trials())
    if not is_claimed(database) and RECOVERING in database.attributes():
        database.start_over()
    elif present:
        raise StoreError(
            f"a study is recovered where it is lost, but {database.shown} has one of the name "
            f"`{name}` with {counted(present, 'trial')}; run the sweep again to continue it, "
            "or name another database with --study"
        )
    database.set_attribute(RECOVERING, True)


def _templates(plan: SweepPlan, traces: Mapping[int, _Traces]) -> list[FrozenTrial]:
    """Every trial of the study, in order of number."""
    started: set[str] = set()
    made = []
    for number in range(max(traces) + 1):
        left = traces.get(number)
        if left is None:
            lost = {REASON: "nothing of it was left when the study was lost"}
            template = optuna.trial.create_trial(state=OptunaState.FAIL, user_attrs=lost)
            template.number = number
        else:
            cell = (left.rows or left.specs)[0].cell
            task = cell.task if plan.space.mode == "per_task" else ""
            template = _template(plan, left, task, first=task not in started)
            started.add(task)
        made.append(template)
    return made


def _template(plan: SweepPlan, left: _Traces, task: str, *, first: bool) -> FrozenTrial:
    """The trial of one configuration, with everything that the sweep had written about it."""
    space = plan.space
    config = dict(left.specs[0].config) if left.specs else _config_of(space, left.rows[0].config)
    params = _params_of(space, config)
    if first and space.paper_first(task)[0] == config:
        params = space.paper_first(task)[1]
    known, problem = checked_config(space, params)
    literal = known != config
    problem = "" if literal else problem
    cells, problem = cells_within(plan.cells, space, task, config, problem)
    attributes: dict[str, Any] = {
        INTENT: intent_of(config, cells, problem=problem, literal=literal, origin=_origin_of(left))
    }
    records = {row.cell: row for row in left.rows}
    _check_cells(plan, cells, [*records, *(spec.cell for spec in left.specs)])
    scalars = {name: as_scalar(value) for name, value in config.items()}
    for cell, row in records.items():
        # A row read from the table also has the settings of other trials.
        record = dataclasses.replace(row, config=scalars)
        attributes[CELL + cell.slug] = record.to_json()
    first_row = records.get(cells[0])
    reports = _reports(space, first_row) if first_row else {}
    if first_row:
        attributes |= _verdicts(space, config, first_row, reports)
    searched = {item.name: distribution(item) for item in space.searched}
    template = optuna.trial.create_trial(
        state=OptunaState.RUNNING,
        params=dict(params),
        distributions={name: searched[name] for name in params},
        user_attrs=attributes,
        intermediate_values=reports,
    )
    template.number = (left.rows or left.specs)[0].number
    template.datetime_start = _began(left.rows)
    _end(template, space, left.rows)
    return template


def _end(template: FrozenTrial, space: SearchSpace, rows: Sequence[Run]) -> None:
    """End the trial if it has nothing left to run."""
    end = Entry.read(template, -1, space).end()  # -1: it is not in the database yet
    if end is None:
        return
    template.state, template.values = end.state, end.values
    if end.state is OptunaState.FAIL:
        template.user_attrs[REASON] = end.reason
    template.datetime_complete = max((_ended(row) for row in rows), default=datetime.now())


def _origin_of(left: _Traces) -> str:
    """Who proposed the configuration; empty if an older version did not record it."""
    said = [row.provenance.get(PROPOSED, "") for row in left.rows]
    return next(filter(None, [*said, *(spec.origin for spec in left.specs)]), "")


def _config_of(space: SearchSpace, row: Mapping[str, Scalar]) -> dict[str, Any]:
    """The settings of the run; a row joins lists and has other trials' settings, too."""
    known = rules(space.config_type)
    values = {
        name: value
        for name, value in row.items()
        if value is not None or (name in known and known[name].optional)
    }
    try:
        return plain_config(read_config(space.config_type, values, where="a row"))
    except ConfigError:  # the config could not run then, either: keep what was drawn
        drawn = {item.name: item for item in space.searched}
        return {
            name: value
            for name, value in row.items()
            if name in space.setting or (name in drawn and drawn[name].contains(value))
        }


def _params_of(space: SearchSpace, config: Mapping[str, Any]) -> dict[str, Scalar]:
    """The sampler's parameters, in the types that it draws."""
    params: dict[str, Scalar] = {}
    for item in space.searched:
        value = as_scalar(config.get(item.name))
        if not item.matters(params) or not item.contains(value):
            continue
        if item.kind == "choice":
            params[item.name] = item.choices[item.choices.index(value)]
        elif isinstance(value, int | float):
            params[item.name] = int(value) if item.kind == "int" else float(value)
    return params


def _check_cells(plan: SweepPlan, cells: Sequence[Cell], found: Iterable[Cell]) -> None:
    for cell in found:
        if cell not in cells:
            raise StoreError(
                f"{redacted(plan.root)} must have trials with the cells of its sweep, but has one "
                f"with {cell.slug}, and the sweep's are {', '.join(item.slug for item in cells)}"
            )


def _reports(space: SearchSpace, record: Run) -> dict[int, float]:
    """Rung to objective of the cell for early stopping."""
    name = space.goal.name
    return {point.rung: point.metrics[name] for point in record.curve if name in point.metrics}


def _verdicts(
    space: SearchSpace, config: Mapping[str, Any], record: Run, reports: Mapping[int, float]
) -> dict[str, Any]:
    """The decisions of early stopping, recomputed: the same reports lead to the same ones."""
    if PRUNERS[space.pruner] is None:
        return {}
    found: dict[str, Any] = {}
    for rung in sorted(reports):
        stops = record.state is RunState.PRUNED and rung == max(reports)
        for at in pruning_rungs(rung, space.reduction, reports=config.get("reports", 0)):
            found.setdefault(f"{VERDICT}{at}", Verdict(rung, reports[rung], stops).plain())
    return found


def _ended(row: Run) -> datetime:
    """End time in this machine's local time, as Optuna stores it."""
    if not row.finished:
        return datetime.now()
    return datetime.fromisoformat(row.finished).astimezone().replace(tzinfo=None)


def _began(rows: Sequence[Run]) -> datetime:
    return min(
        (_ended(row) - timedelta(seconds=row.seconds) for row in rows), default=datetime.now()
    )
