"""Seeds that are added to a sweep: who gets the cells, what they are worth, restarts between."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from noop_sweep import GOAL, noop_plan, noop_report, noop_space

from raysearch.errors import ConfigError
from raysearch.events import Event, EventKind, ended_run
from raysearch.leaderboard.rank import rank
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.run import MetricGoal, Run, RunState
from raysearch.search.driver import RunQueue
from raysearch.search.incumbent import Incumbents
from raysearch.search.plan import SweepPlan
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.sweep import _reconcile

TASKS = ("en-es", "en-fr")


@pytest.fixture
def ended(tmp_path: Path, toy_space: SearchSpace, toy_sweep: type) -> Any:
    """A sweep of one seed that has run to its end: complete, pruned and failed configurations."""
    return make_sweep(tmp_path, toy_space, toy_sweep, seeds=1)


def make_sweep(
    folder: Path, space: SearchSpace, toy_sweep: type, *, seeds: int, **more: Any
) -> Any:
    sweep = toy_sweep(folder, dataclasses.replace(space, seeds=seeds), seeds=seeds, **more)
    with sweep.open() as ledger:
        sweep.run(ledger)
    return sweep


def with_seeds(sweep: Any, seeds: int) -> Any:
    sweep.space = dataclasses.replace(sweep.space, seeds=seeds)
    sweep.seeds = seeds
    return sweep


def states(ledger: StudyLedger) -> dict[int, str]:
    return {trial.number: trial.state.name for trial in ledger._database.trials()}


def test_complete_configurations_get_the_cells_and_others_stay(ended: Any) -> None:
    with ended.open() as ledger:
        before = states(ledger)
        cells = len(list(ledger.finished_trials()))
        assert ledger.open_configurations() == ()
    complete = [number for number, state in before.items() if state == "COMPLETE"]
    assert complete and set(before.values()) == {"COMPLETE", "PRUNED", "FAIL"}
    with with_seeds(ended, 3).open() as ledger:
        opened = ledger.open_configurations()
        assert [item.number for item in opened] == complete
        assert all([cell.seed for cell in item.pending] == [1, 2] for item in opened)
        assert ledger.ask() is None  # the budget of configurations is what it was
        ended.run(ledger)
        assert states(ledger) == before
        assert len(list(ledger.finished_trials())) == cells + 2 * len(complete)
        assert [cell.seed for cell in (t.cell for t in ledger.records(complete[0]))] == [0, 1, 2]
    with ended.open() as ledger:
        assert ledger.open_configurations() == ()


def test_a_sampler_sees_what_they_are_worth_over_all_cells(ended: Any) -> None:
    def ranked(ledger: StudyLedger) -> list[tuple[float, int]]:
        [search] = ledger._searches.all.values()
        return search.view._storage.ranked

    with with_seeds(ended, 3).open() as ledger:
        ended.run(ledger)
        now = ranked(ledger)
        worth = sorted(
            -statistics.fmean(t.metrics["dev/score"] for t in ledger.records(number))
            for number in {t.number for t in ledger.finished_trials() if t.cell.seed == 2}
        )
        hidden = 1 if len(worth) > len(now) else 0  # the paper's own is no point of the space
        assert len(now) == len(worth) - hidden
        assert {round(value, 9) for value, _ in now} <= {round(value, 9) for value in worth}
    with ended.open() as ledger:
        assert ranked(ledger) == now


@pytest.mark.parametrize("mode", ["joint", "per_task"])
def test_restarts_in_between_lose_and_repeat_nothing(
    tmp_path: Path, toy_space: SearchSpace, toy_sweep: type, mode: str
) -> None:
    space = dataclasses.replace(toy_space, mode=mode, trials=4)
    contents = []
    for name, restarts in (("one", False), ("two", True)):
        (tmp_path / name).mkdir()
        sweep = make_sweep(tmp_path / name, space, toy_sweep, seeds=2, tasks=TASKS)
        with_seeds(sweep, 4)
        going = True
        while going:
            with sweep.open() as ledger:
                if restarts:
                    going = sweep.step(ledger)
                else:
                    sweep.run(ledger)
                    going = False
                content = sorted(
                    (t.number, t.cell, t.metrics["dev/score"]) for t in ledger.finished_trials()
                )
        contents.append(content)
        told = [record for record in sweep.told if record.endswith(("s2", "s3"))]
        assert len(told) == len(set(told)) > 0
    assert contents[0] == contents[1]


def test_an_open_configuration_gets_them_too(
    tmp_path: Path, toy_space: SearchSpace, toy_sweep: type
) -> None:
    sweep = toy_sweep(tmp_path, dataclasses.replace(toy_space, seeds=2), seeds=2)
    with sweep.open() as ledger:
        asked = ledger.ask()
        assert asked is not None and len(asked.cells) == 2
    with with_seeds(sweep, 3).open() as ledger:
        [item] = ledger.open_configurations()
        assert [cell.seed for cell in item.cells] == [0, 1, 2]


def test_a_further_cell_that_fails_ends_its_configuration_and_no_sampler_learns_of_it(
    ended: Any, make_trial: Callable[..., Run]
) -> None:
    with with_seeds(ended, 2).open() as ledger:
        item = ledger.open_configurations()[0]
        [cell] = item.pending
        ledger.finish_cell(
            item.number, make_trial(item.number, cell, state=RunState.FAILED, reason="memory")
        )
        assert item.number not in {other.number for other in ledger.open_configurations()}
        [search] = ledger._searches.all.values()
        index = search.view._indices[item.number]
        assert index not in {ranked for _, ranked in search.view._storage.ranked}
        again = make_trial(item.number, cell)
        assert ledger.finish_cell(item.number, again).state is RunState.FAILED


def test_fewer_seeds_are_refused_and_say_so(ended: Any) -> None:
    with with_seeds(ended, 3).open() as ledger:
        ended.run(ledger)
    with pytest.raises(ConfigError, match="`seeds` was 3, but is 2, and seeds can be added"):
        with_seeds(ended, 2).open()
    with with_seeds(ended, 3).open() as ledger:
        assert ledger.open_configurations() == ()


def run_book(plan: SweepPlan, rows: dict[Any, Run], at_most: int = 99) -> Incumbents:
    """A run of the sweep without Ray; its rows go to `rows`, and the best is returned."""

    def keep(trial: Run) -> None:
        rows[trial.key] = trial

    with StudyLedger.open(plan.url, plan.name, plan.space, cells=plan.cells) as ledger:
        incumbents = _reconcile(plan, ledger, keep, rows.__contains__)
        book = RunQueue(plan, ledger, incumbents, on_trial=keep, on_event=lambda event: None)
        for _ in range(at_most):
            queued = book.next()
            if queued is None:
                break
            spec = queued.spec
            report = noop_report(spec.config, spec.cell, 1, 1)
            trial = ended_run(spec, RunState.COMPLETE, "", curve=[report])
            trial = dataclasses.replace(trial, metrics={GOAL: SCORES[spec.number, spec.cell.seed]})
            event = Event(kind=EventKind.FINISHED, run_id=spec.id, sequence=1, record=trial)
            assert book.handle_events(spec.id, [event])
            book.release(spec.id)
        return incumbents


SCORES = {(0, 0): 0.5, (1, 0): 0.6, (0, 1): 0.7, (1, 1): 0.4, (0, 2): 0.6, (1, 2): 0.2}
"""The second is the best by one seed, the first by two or three."""


def test_driver_and_board_agree_on_the_best_before_between_and_after(tmp_path: Path) -> None:
    rows: dict[Any, Run] = {}
    plan = noop_plan(tmp_path, noop_space(trials=2, reports=1))
    assert run_book(plan, rows).best == {"": (1, 0.6)}
    more = noop_plan(tmp_path, noop_space(trials=2, reports=1, seeds=3))
    assert more.cells_each == 3
    between = run_book(more, rows, at_most=3)  # the driver dies with one cell still to be run
    assert between.best == {"": (0, pytest.approx(0.6))}
    assert board(rows, cells=3) == [(0, 1, "complete"), (1, None, "partial")]
    assert run_book(more, rows).best == {"": (0, pytest.approx(0.6))}
    assert board(rows, cells=3) == [(0, 1, "complete"), (1, 2, "complete")]


def board(rows: dict[Any, Run], *, cells: int) -> list[tuple[int, int | None, str]]:
    parts = [trial_rows(row) for row in rows.values()]
    schema = unify(part.schema for part in parts)
    table = pa.concat_tables(conform(part, schema) for part in parts)
    ranking = rank(table, MetricGoal(GOAL), cells=cells)
    return [(item.trial, item.rank, str(item.status)) for item in ranking]
