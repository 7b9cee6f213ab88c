"""Makes a lost study anew from what the sweep left at its root.

From the rows and curves come the finished configurations, as the study had them: numbers,
parameters, intermediate values, what early stopping compared, papers' own settings. From
`raysearch.search.study.journal` come those that were running, which go on from their checkpoints.
What a sampler suggests follows from the study's content, so it goes on as it would have.

Not recovered: a row that was not written yet when the study was lost (its trial goes on from
its last checkpoint), and when and in which order early stopping judged trials that ran at the
same time. A number of which nothing is left stays empty.
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
from raysearch.run import PROPOSED, Cell, Run, RunSpec, RunState, Scalar
from raysearch.search.plan import SweepPlan
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.database import REASON, StudyDatabase
from raysearch.search.study.entries import CELL, INTENT, JUDGED, Entry, Verdict, intent_of
from raysearch.search.study.identity import RECOVERING, is_claimed, write_identity
from raysearch.search.study.journal import RunJournal
from raysearch.search.study.lock import sweep_lock
from raysearch.search.suggest.pruners import PRUNERS, judged_rungs
from raysearch.search.suggest.samplers import distribution
from raysearch.search.suggest.task_search import cells_within, checked_config
from raysearch.storage.uri import redacted

__all__ = ["Recovery", "recover_study"]


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What a recovered study holds.

    Attributes:
        ended: How a configuration ended (COMPLETE, PRUNED or FAILED) to how many did.
        open: Configurations that go on.
        empty: Numbers of configurations of which nothing was left.
        place: The study's URL without its password.
    """

    ended: Mapping[RunState, int]
    open: int
    empty: tuple[int, ...]
    place: str


@dataclass
class _Traces:
    """What is left of one configuration."""

    rows: list[Run] = field(default_factory=list)
    specs: list[RunSpec] = field(default_factory=list)


def recover_study(
    plan: SweepPlan, rows: Iterable[Run], *, on_wait: Callable[[str], None] = lambda text: None
) -> Recovery:
    """Make the study of `plan` from the rows of its leaderboard and its open runs.

    A recovery that was interrupted is begun anew by the next one; no sweep takes its study.

    Args:
        plan: The sweep, as it was run.
        rows: Its finished trials, with their curves.
        on_wait: See `StudyLedger.open`.

    Raises:
        StoreError: There is a study, or nothing to make it from, or what is there is of another
            sweep; or the database cannot be used.
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
        place=database.shown,
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
    """See that nothing is overwritten but what an earlier recovery left half done."""
    present = len(database.trials())
    if not is_claimed(database) and RECOVERING in database.attributes():
        database.start_over()
    elif present:
        raise StoreError(
            f"a study is recovered where it is lost, but {database.shown} has one of the name "
            f"`{name}` with {present} trials; run the sweep again to go on with it, or name "
            "another database with --study"
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
    """The trial of one configuration, with all that the sweep had written about it."""
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
        record = dataclasses.replace(row, config=scalars)
        attributes[CELL + cell.slug] = record.to_json()
    judged = records.get(cells[0])
    reports = _reports(space, judged) if judged else {}
    if judged:
        attributes |= _verdicts(space, config, judged, reports)
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
    """Bring the trial to its end, if nothing of it is left to run."""
    end = Entry.read(template, -1, space).end()
    if end is None:
        return
    template.state, template.values = end.state, end.values
    if end.state is OptunaState.FAIL:
        template.user_attrs[REASON] = end.reason
    template.datetime_complete = max((_ended(row) for row in rows), default=datetime.now())


def _origin_of(left: _Traces) -> str:
    """Who proposed the configuration; empty where an older version did not write it."""
    said = [row.provenance.get(PROPOSED, "") for row in left.rows]
    return next(filter(None, [*said, *(spec.origin for spec in left.specs)]), "")


def _config_of(space: SearchSpace, row: Mapping[str, Scalar]) -> dict[str, Any]:
    """The settings as the run had them; a row has lists joined and other trials' settings."""
    known = rules(space.config_type)
    values = {
        name: value
        for name, value in row.items()
        if value is not None or (name in known and known[name].optional)
    }
    try:
        return plain_config(read_config(space.config_type, values, where="a row"))
    except ConfigError:  # it could not be run then, either: all that is known is what was drawn
        drawn = {item.name: item for item in space.searched}
        return {
            name: value
            for name, value in row.items()
            if name in space.setting or (name in drawn and drawn[name].contains(value))
        }


def _params_of(space: SearchSpace, config: Mapping[str, Any]) -> dict[str, Scalar]:
    """What the sampler drew, of the types that it draws."""
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
    """Rung to objective of the cell that early stopping judges."""
    name = space.goal.name
    return {point.rung: point.metrics[name] for point in record.curve if name in point.metrics}


def _verdicts(
    space: SearchSpace, config: Mapping[str, Any], record: Run, reports: Mapping[int, float]
) -> dict[str, Any]:
    """What early stopping must have said, since it is the same for the same reports."""
    if PRUNERS[space.pruner] is None:
        return {}
    found: dict[str, Any] = {}
    for rung in sorted(reports):
        stops = record.state is RunState.PRUNED and rung == max(reports)
        for at in judged_rungs(rung, space.reduction, reports=config.get("reports", 0)):
            found.setdefault(f"{JUDGED}{at}", Verdict(rung, reports[rung], stops).plain())
    return found


def _ended(row: Run) -> datetime:
    """When, by this machine's clock, as Optuna keeps it."""
    if not row.finished:
        return datetime.now()
    return datetime.fromisoformat(row.finished).astimezone().replace(tzinfo=None)


def _began(rows: Sequence[Run]) -> datetime:
    return min(
        (_ended(row) - timedelta(seconds=row.seconds) for row in rows), default=datetime.now()
    )
