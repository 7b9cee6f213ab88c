from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from raysearch.errors import ConfigError, StoreError
from raysearch.run import Cell, Run, RunState
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.ledger import StudyLedger

Read = Callable[[str], SearchSpace]
MakeTrial = Callable[..., Run]
CELLS = (Cell("toy", 0), Cell("toy", 1))


def place(folder: Path) -> str:
    """A folder's study; the fixture puts each kind of database in its place."""
    raise NotImplementedError(folder)


@pytest.fixture(autouse=True)
def each_kind(url_in: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "place", url_in)


def open_ledger(
    folder: Path, space: SearchSpace, cells: tuple[Cell, ...] = CELLS, **options: Any
) -> StudyLedger:
    return StudyLedger.open(place(folder), "toy", space, cells=lambda config: cells, **options)


@pytest.fixture
def ledger(tmp_path: Path, toy_space: SearchSpace) -> Iterator[StudyLedger]:
    with open_ledger(tmp_path, toy_space) as opened:
        yield opened


def optunas_own(folder: Path) -> optuna.storages.RDBStorage:
    return optuna.storages.RDBStorage(place(folder).replace("postgresql:", "postgresql+psycopg:"))


def frozen(folder: Path, number: int) -> optuna.trial.FrozenTrial:
    """What anybody else sees, by Optuna's own way."""
    storage = optunas_own(folder)
    trial = optuna.load_study(study_name="toy", storage=storage).trials[number]
    storage.remove_session()
    storage.engine.dispose()
    return trial


def test_the_first_is_the_papers_own(ledger: StudyLedger, tmp_path: Path) -> None:
    first = ledger.ask()

    assert first is not None and first.number == 0
    assert first.config["width"] == 9.0 and first.config["shape"] == "round"
    trial = frozen(tmp_path, 0)
    assert trial.state.name == "RUNNING"
    assert trial.params == {"shape": "round", "depth": 2}  # the literal width is no suggestion
    second = ledger.ask()
    assert second is not None and second.number == 1 and ledger.asked == 2
    assert {**second.config, **frozen(tmp_path, 1).params} == second.config


def test_life_of_a_configuration(
    ledger: StudyLedger, tmp_path: Path, make_trial: MakeTrial
) -> None:
    asked = ledger.ask()
    assert asked is not None and asked.cells == CELLS and asked.pending == CELLS[:1]
    assert not ledger.report(0, 1, 0.25)
    assert not ledger.report(0, 2, 0.5)
    own = {"proposed": "paper"}
    first = make_trial(0, CELLS[0], metrics={"dev/score": 1.0})
    first_stored = ledger.finish_cell(0, first)
    assert first_stored == replace(first, provenance=own)
    (still_open,) = ledger.open_configurations()
    assert still_open.finished == CELLS[:1] and still_open.pending == CELLS[1:]
    assert still_open.reports == {1: 0.25, 2: 0.5}
    assert frozen(tmp_path, 0).state.name == "RUNNING"

    second = make_trial(0, CELLS[1], metrics={"dev/score": 2.0})
    ledger.finish_cell(0, second)

    assert ledger.open_configurations() == ()
    told = frozen(tmp_path, 0)
    assert (told.state.name, told.value) == ("COMPLETE", 1.5)
    assert told.intermediate_values == {1: 0.25, 2: 0.5}
    assert list(ledger.finished_trials()) == [first_stored, replace(second, provenance=own)]


def test_a_stopped_configuration_is_told_as_pruned(
    ledger: StudyLedger, tmp_path: Path, make_trial: MakeTrial
) -> None:
    assert ledger.ask() and ledger.ask()
    assert not ledger.report(0, 1, 0.5)
    assert ledger.report(1, 1, 0.25)  # worse than the only other
    assert ledger.report(1, 1, 9.9)  # a repeat keeps value and decision
    assert ledger.report(1, 2, 9.9)  # a worker that ran on is told to stop, and not recorded
    assert ledger.open_configurations()[1].stopped_at == 1

    pruned = make_trial(1, CELLS[0], state=RunState.PRUNED, reason="worse than others")
    ledger.finish_cell(1, pruned)

    told = frozen(tmp_path, 1)
    assert (told.state.name, told.value) == ("PRUNED", 0.25)
    assert told.intermediate_values == {1: 0.25}
    assert [item.number for item in ledger.open_configurations()] == [0]
    assert ledger.report(1, 3, 1.0)  # at its end: stop


def test_a_late_report_is_judged_for_the_rungs_it_passed(
    ledger: StudyLedger, tmp_path: Path
) -> None:
    assert ledger.ask() and ledger.ask()
    assert not ledger.report(0, 1, 0.5)
    assert not ledger.report(0, 2, 0.5)
    # The report of rung 1 was lost with a driver: rung 2 is judged in its place.
    assert ledger.report(1, 2, 0.25)
    assert ledger.open_configurations()[1].stopped_at == 2
    assert frozen(tmp_path, 1).intermediate_values == {2: 0.25}


def test_the_last_rung_is_not_judged(tmp_path: Path, toy_space: SearchSpace) -> None:
    space = toy_space.with_overrides({"reports": "3"})
    with open_ledger(tmp_path, space) as ledger:
        for number in (0, 1):
            assert ledger.ask()
            for rung in (1, 2):
                assert not ledger.report(number, rung, 1.0)
        assert not ledger.report(0, 3, 1.0)
        assert not ledger.report(1, 3, 0.0)  # worse at a judged rung, but there is nothing to save


def test_without_a_pruner_nothing_stops(tmp_path: Path, toy_space: SearchSpace) -> None:
    with open_ledger(tmp_path, replace(toy_space, pruner="none")) as ledger:
        assert ledger.ask() and ledger.ask()
        assert not ledger.report(0, 1, 1.0)
        assert not ledger.report(1, 1, math.nan)
        assert "judged/1" not in frozen(tmp_path, 1).user_attrs


def test_nan_at_a_judged_rung_stops(
    ledger: StudyLedger, tmp_path: Path, make_trial: MakeTrial
) -> None:
    assert ledger.ask() and ledger.ask()
    assert ledger.report(0, 1, math.nan)
    assert not ledger.report(1, 1, 0.0)  # it does not compete with a NaN
    ledger.finish_cell(0, make_trial(0, CELLS[0], state=RunState.PRUNED))
    told = frozen(tmp_path, 0)
    assert (told.state.name, told.value) == ("PRUNED", None)
    assert math.isnan(told.intermediate_values[1])


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        ({"dev/score": math.nan}, "must be a finite number, but got nan"),
        ({"dev/score": -math.inf}, "but got -inf"),
        ({"dev/other": 1.0}, "it is missing; metrics: dev/other"),
        ({}, "it is missing; metrics: none"),
    ],
)
def test_no_finite_objective_is_a_failure(
    ledger: StudyLedger,
    tmp_path: Path,
    make_trial: MakeTrial,
    metrics: dict[str, float],
    sentence: str,
) -> None:
    assert ledger.ask()
    stored = ledger.finish_cell(0, make_trial(0, CELLS[0], metrics=metrics))

    assert stored.state is RunState.FAILED and sentence in stored.reason
    assert [trial.reason for trial in ledger.finished_trials()] == [stored.reason]
    told = frozen(tmp_path, 0)
    assert told.state.name == "FAIL" and told.user_attrs["reason"] == stored.reason


def test_a_failed_later_cell_ends_the_configuration(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    cells = (*CELLS, Cell("toy", 2))
    with open_ledger(tmp_path, toy_space, cells) as ledger:
        assert ledger.ask()
        ledger.finish_cell(0, make_trial(0, cells[0]))
        ledger.finish_cell(
            0, make_trial(0, cells[2], state=RunState.FAILED, reason="out of memory")
        )
        assert ledger.open_configurations() == ()
        told = frozen(tmp_path, 0)
        assert told.state.name == "FAIL" and told.user_attrs["reason"] == "out of memory"
        assert [trial.cell for trial in ledger.finished_trials()] == [cells[0], cells[2]]
        assert ledger.finish_cell(0, make_trial(0, cells[2])).reason == "out of memory"
        with pytest.raises(ValueError, match="configuration 0 has ended without the cell toy-s1"):
            ledger.finish_cell(0, make_trial(0, cells[1]))


def test_every_call_may_be_repeated(
    ledger: StudyLedger, tmp_path: Path, make_trial: MakeTrial
) -> None:
    assert ledger.ask()
    ledger.report(0, 1, 0.5)
    first = make_trial(0, CELLS[0], provenance={"proposed": "paper"})
    other = replace(first, metrics={"dev/score": 7.0})
    assert ledger.finish_cell(0, first) == first
    assert ledger.finish_cell(0, other) == first
    ledger.finish_cell(0, make_trial(0, CELLS[1]))
    before = frozen(tmp_path, 0)
    assert ledger.finish_cell(0, other) == first  # the configuration is at its end
    assert ledger.report(0, 1, 0.9)
    assert frozen(tmp_path, 0) == before


def test_a_cell_of_nobody_is_a_bug(ledger: StudyLedger, make_trial: MakeTrial) -> None:
    assert ledger.ask()
    with pytest.raises(ValueError, match="no cell"):
        ledger.finish_cell(0, make_trial(0, Cell("other", 0)))


def test_the_budget_counts_what_was_asked_in_all_runs(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    space = toy_space.with_overrides({}, trials=2)
    with open_ledger(tmp_path, space) as ledger:
        assert ledger.ask() and ledger.ask()
        assert ledger.ask() is None
        ledger.finish_cell(
            0, make_trial(0, CELLS[0], state=RunState.FAILED, reason="a failed one counts too")
        )
    with open_ledger(tmp_path, space) as ledger:
        assert ledger.asked == 2 and ledger.ask() is None
        assert [item.number for item in ledger.open_configurations()] == [1]
    with open_ledger(tmp_path, space.with_overrides({}, trials=3, time_seconds="9h")) as ledger:
        asked = ledger.ask()
        assert asked is not None and asked.number == 2
        assert ledger.ask() is None


def test_a_grid_ends_when_it_is_used_up(tmp_path: Path, finite_space: SearchSpace) -> None:
    with open_ledger(tmp_path, finite_space) as ledger:
        configurations = list(iter(ledger.ask, None))
    # Six points, and the paper's own setting, which is not one of them: its width is 9.
    assert len(configurations) == 7
    with open_ledger(tmp_path, finite_space) as ledger:
        assert ledger.ask() is None


def test_what_cannot_be_run_says_so(tmp_path: Path, read_space: Read) -> None:
    space = read_space(
        "method: toy\nobjective: {metric: dev/score}\nbudget: {trials: 9}\nsampler: grid\n"
        "search:\n  shape: [odd, square]\n  depth: {low: 8, high: 9}\n"
    )
    with open_ledger(tmp_path, space) as ledger:
        configurations = list(iter(ledger.ask, None))
    assert len(configurations) == 5
    (wrong,) = (item for item in configurations if item.problem)
    assert "must be < 9 for an odd shape" in wrong.problem
    assert wrong.config["depth"] == 9 and wrong.cells == CELLS[:1]
    with open_ledger(tmp_path, space) as ledger:
        assert ledger.open_configurations()[wrong.number] == wrong


def test_trials_that_nobody_intended_count_for_nothing(
    tmp_path: Path, toy_space: SearchSpace
) -> None:
    with open_ledger(tmp_path, toy_space) as ledger:
        assert ledger.ask()
    storage = optunas_own(tmp_path)
    study = optuna.load_study(study_name="toy", storage=storage)
    study.ask()  # interrupted before anything was written about it
    study.enqueue_trial({"depth": 1})
    storage.remove_session()
    storage.engine.dispose()
    for _ in range(2):
        with open_ledger(tmp_path, toy_space.with_overrides({}, trials=2)) as ledger:
            assert ledger.asked == (1 if _ == 0 else 2)
            asked = ledger.ask()
            assert asked is None if _ else asked is not None and asked.number == 3
    told = frozen(tmp_path, 1)
    assert told.state.name == "FAIL"
    assert told.user_attrs["reason"] == "interrupted before its intent was recorded"


@pytest.mark.parametrize("name", ["seed", "space", "goal"])
def test_another_sweep_is_refused(tmp_path: Path, toy_space: SearchSpace, name: str) -> None:
    open_ledger(tmp_path, toy_space).close()
    changed = {
        "seed": (toy_space, 1, "`seed` was 0, but is 1"),
        "space": (
            toy_space.with_overrides({"width": "2", "layers": "3"}),
            0,
            "`setting.layers` was absent, but is 3",
        ),
        "goal": (
            toy_space.with_overrides({}, direction="minimize"),
            0,
            '`objective.direction` was "maximize", but is "minimize"',
        ),
    }
    space, seed, sentence = changed[name]
    with pytest.raises(ConfigError) as caught:
        open_ledger(tmp_path, space, seed=seed)
    assert sentence in str(caught.value) and "another --name" in str(caught.value)


def test_two_drivers_are_noticed(tmp_path: Path, toy_space: SearchSpace) -> None:
    if not place(tmp_path).startswith("sqlite"):  # a server has a lock, and never gets so far
        with open_ledger(tmp_path, toy_space), pytest.raises(StoreError, match="one driver"):
            open_ledger(tmp_path, toy_space)
        return
    with open_ledger(tmp_path, toy_space) as one, open_ledger(tmp_path, toy_space) as other:
        assert one.ask()
        with pytest.raises(StoreError, match="one driver at a time"):
            other.ask()
        # The loser reads the study anew and goes on from there.
        asked = other.ask()
        assert asked is not None and asked.number >= 1


def test_optunas_own_tools_read_the_study(ledger: StudyLedger, tmp_path: Path) -> None:
    assert ledger.ask() and ledger.ask()
    storage = optunas_own(tmp_path)
    study = optuna.load_study(study_name="toy", storage=storage)
    frame = study.trials_dataframe()
    assert list(frame["number"]) == [0, 1]
    assert {"params_depth", "params_shape", "state"} <= set(frame.columns)
    storage.remove_session()
    storage.engine.dispose()
