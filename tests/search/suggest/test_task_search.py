"""Sweeps over several tasks, through the ledger: each for itself, or together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from raysearch.config import TrainingConfig
from raysearch.errors import ConfigError
from raysearch.run import Cell, Run, RunState
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.ledger import OpenTrial, StudyLedger

MakeTrial = Callable[..., Run]
Read = Callable[[str], SearchSpace]
TASKS = ("en-es", "en-fr", "en-nl")


def open_ledger(
    folder: Path,
    space: SearchSpace,
    *,
    tasks: tuple[str, ...] = TASKS,
    seeds: int = 1,
    seed: int = 0,
) -> StudyLedger:
    folder.mkdir(exist_ok=True)
    return StudyLedger.open(
        f"sqlite:///{folder}/study.db",
        "toy",
        space,
        cells=lambda config: [Cell(task, s) for s in range(seeds) for task in tasks],
        seed=seed,
    )


def per_task(space: SearchSpace, **more: Any) -> SearchSpace:
    return replace(space, mode="per_task", **more)


def width(item: OpenTrial) -> float:
    return float(item.config["width"])


class Driver:
    """Asks and finishes; what a configuration is worth is a function of its config."""

    def __init__(self, ledger: StudyLedger, make_trial: MakeTrial) -> None:
        self.ledger, self.make_trial = ledger, make_trial
        self.score: Mapping[str, Callable[[OpenTrial], float]] = {}

    def ask(self) -> OpenTrial:
        asked = self.ledger.ask()
        assert asked is not None
        return asked

    def finish(self, item: OpenTrial, value: float | None = None) -> None:
        for cell in item.cells:
            score = self.score.get(cell.task, width)(item) if value is None else value
            record = self.make_trial(item.number, cell, metrics={"dev/score": score})
            self.ledger.finish_cell(item.number, record)

    def run(self, count: int = 10_000) -> list[OpenTrial]:
        asked = []
        while len(asked) < count and (item := self.ledger.ask()) is not None:
            self.finish(item)
            asked.append(item)
        return asked


def test_tasks_are_asked_in_turn_with_numbers_of_their_own(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    with open_ledger(tmp_path, per_task(toy_space, trials=2), seeds=2) as ledger:
        asked = list(iter(ledger.ask, None))  # all slots stay busy: nothing waits for anything

    assert [item.number for item in asked] == [0, 1, 2, 3, 4, 5]
    assert [item.cells for item in asked[:3]] == [(Cell(t, 0), Cell(t, 1)) for t in TASKS]
    assert Counter(item.cells[0].task for item in asked) == dict.fromkeys(TASKS, 2)
    assert ledger.papers == {"en-es": 0, "en-fr": 1, "en-nl": 2}


def test_the_first_of_a_task_is_the_papers_setting_of_that_task(
    tmp_path: Path, toy_space: SearchSpace, toy_config: type[TrainingConfig], make_trial: MakeTrial
) -> None:
    @dataclass(frozen=True, kw_only=True)
    class ByTask(toy_config):  # type: ignore[valid-type, misc]
        @classmethod
        def paper(
            cls, task: str = "", setting: Mapping[str, Any] | None = None
        ) -> Mapping[str, Any]:
            return {**cls.PAPER, "width": {"en-es": 1.5, "en-fr": 2.5}.get(task, 4.0)}

    space = replace(toy_space, config_type=ByTask)
    with open_ledger(tmp_path / "each", per_task(space)) as ledger:
        asked = [ledger.ask() for _ in TASKS]
        assert [item.config["width"] for item in asked if item] == [1.5, 2.5, 4.0]
    with open_ledger(tmp_path / "joint", space) as ledger:
        first = ledger.ask()
        assert first is not None and first.config["width"] == 4.0
        assert [cell.task for cell in first.cells] == list(TASKS)
        assert ledger.papers == {"": 0}


def test_a_task_does_not_see_what_others_gave(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    space = per_task(toy_space, trials=14)
    asked = {}
    for name, sign in (("up", 1), ("down", -1)):
        with open_ledger(tmp_path / name, space, tasks=TASKS[:2]) as ledger:
            driver = Driver(ledger, make_trial)
            driver.score = {"en-es": lambda item, sign=sign: sign * width(item)}
            asked[name] = driver.run()
    of = {
        (name, task): [item.config for item in items if item.cells[0].task == task]
        for name, items in asked.items()
        for task in TASKS[:2]
    }
    assert of["up", "en-fr"] == of["down", "en-fr"]
    # The paper's own, and a quarter of the budget drawn at random.
    assert of["up", "en-es"][:5] == of["down", "en-es"][:5]
    assert of["up", "en-es"] != of["down", "en-es"]
    assert of["up", "en-es"][1] != of["up", "en-fr"][1]  # a seed for each task


def test_early_stopping_compares_within_a_task(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    with open_ledger(tmp_path, per_task(toy_space), tasks=TASKS[:2]) as ledger:
        assert all(ledger.ask() for _ in range(4))
        assert not ledger.report(0, 1, 0.9)
        assert not ledger.report(1, 1, 0.1)  # the first of its task
        assert not ledger.report(3, 1, 0.2)
        assert ledger.report(2, 1, 0.8)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"warm_start": 2}])
def test_asking_in_one_process_or_anew_each_time(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial, options: dict[str, Any]
) -> None:
    space = per_task(toy_space, trials=13, **options)
    with open_ledger(tmp_path / "once", space, tasks=TASKS[:2], seed=7) as ledger:
        expected = Driver(ledger, make_trial).run()
    anew: list[OpenTrial] = []
    while len(anew) < 26:
        with open_ledger(tmp_path / "anew", space, tasks=TASKS[:2], seed=7) as ledger:
            anew += Driver(ledger, make_trial).run(1)
            assert ledger.asked == len(anew)
    assert anew == expected and len(expected) == 26


def test_warm_start_takes_the_best_of_the_tasks_before(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    space = per_task(toy_space, trials=7, warm_start=2)
    with open_ledger(tmp_path, space) as ledger:
        driver = Driver(ledger, make_trial)
        driver.score = {"en-fr": lambda item: -width(item)}
        asked = driver.run()

    tasks = [item.cells[0].task for item in asked]
    assert tasks == [task for task in TASKS for _ in range(7)]  # one after another
    first, second, third = (asked[start : start + 7] for start in (0, 7, 14))
    # The paper's literal setting has the largest width by far, and is no point of the space.
    best = sorted(first[1:], key=width, reverse=True)
    assert [item.config for item in second[1:3]] == [item.config for item in best[:2]]
    lowest = sorted(second[1:], key=width)
    # Each task's best, then each one's second, and none twice.
    wanted = [best[0], lowest[0], best[1], lowest[1]]
    configs = []
    for item in wanted:
        if item.config not in configs:
            configs.append(item.config)
    assert [item.config for item in third[1 : 1 + len(configs)]] == configs
    assert len({repr(item.config) for item in third}) == 7


def test_warm_start_waits_for_the_end_but_for_the_papers_settings(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    space = per_task(toy_space, trials=2, warm_start=1)
    with open_ledger(tmp_path, space) as ledger:
        driver = Driver(ledger, make_trial)
        asked = list(iter(ledger.ask, None))
        assert [item.cells[0].task for item in asked] == ["en-es", "en-es", "en-fr", "en-nl"]
        driver.finish(asked[0])
        assert ledger.ask() is None
        driver.finish(asked[1])
        warm = driver.ask()
        assert warm.config == asked[1].config and warm.cells[0].task == "en-fr"
        assert ledger.ask() is None
        for item in (asked[2], warm):
            driver.finish(item)
        last = driver.ask()
        assert last.config == asked[1].config and last.cells[0].task == "en-nl"


def test_a_task_without_a_complete_configuration_gives_nothing(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    space = per_task(toy_space, trials=2, warm_start=3)
    with open_ledger(tmp_path, space, tasks=TASKS[:2]) as ledger:
        driver = Driver(ledger, make_trial)
        first = [driver.ask() for _ in range(2)]
        for item in first:
            driver.finish(item, math.nan)
        asked = driver.run()
        assert [item.cells[0].task for item in asked] == ["en-fr", "en-fr"]
        assert asked[1].config not in [item.config for item in first]


def test_a_grid_is_walked_for_each_task(
    tmp_path: Path, finite_space: SearchSpace, make_trial: MakeTrial
) -> None:
    with open_ledger(tmp_path, per_task(finite_space), tasks=TASKS[:2]) as ledger:
        asked = list(iter(ledger.ask, None))
    assert Counter(item.cells[0].task for item in asked) == {"en-es": 7, "en-fr": 7}


def test_joint_is_the_mean_over_tasks_or_the_worst(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    scores = {"en-es": (0.5, 1.0), "en-fr": (0.25, 0.5), "en-nl": (0.875, 0.625)}
    for aggregate, wanted in (("mean", 0.625), ("worst", 0.375)):
        space = replace(toy_space, aggregate=aggregate)
        with open_ledger(tmp_path / aggregate, space, seeds=2) as ledger:
            asked = ledger.ask()
            assert asked is not None and len(asked.cells) == 6
            for cell in asked.cells:
                metrics = {"dev/score": scores[cell.task][cell.seed]}
                ledger.finish_cell(0, make_trial(0, cell, metrics=metrics))
            (told,) = ledger._database.trials()
            assert told.values == [wanted]
            assert len(ledger.records(0)) == 6


def test_without_a_pruner_all_cells_may_run_at_once_until_one_fails(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    with open_ledger(tmp_path, replace(toy_space, pruner="none")) as ledger:
        asked = ledger.ask()
        assert asked is not None and asked.pending == asked.cells and len(asked.cells) == 3
        ledger.finish_cell(0, make_trial(0, asked.cells[1]))
        (still,) = ledger.open_configurations()
        assert still.pending == (asked.cells[0], asked.cells[2])
        last = make_trial(0, asked.cells[2], state=RunState.FAILED, reason="the third")
        ledger.finish_cell(0, last)
        assert ledger.open_configurations() == ()
        (told,) = ledger._database.trials()
        assert told.state.name == "FAIL"
        assert told.user_attrs["reason"] == "the third"


def test_a_config_that_lacks_the_task_says_so(
    tmp_path: Path, toy_space: SearchSpace, make_trial: MakeTrial
) -> None:
    ledger = StudyLedger.open(
        f"sqlite:///{tmp_path}/study.db",
        "toy",
        per_task(toy_space, trials=30, parameters=toy_space.parameters),
        cells=lambda config: [Cell(config["shape"], 0)],
    )
    with ledger:
        asked = list(iter(ledger.ask, None))
    wrong = [item for item in asked if item.config["shape"] != "round"]
    assert wrong and all(item.cells == (Cell("round", 0),) for item in asked)
    for item in wrong:
        assert item.problem == (
            "a config must have the task round where `mode` is per_task, but has square"
        )


def test_a_study_of_one_mode_is_none_of_another(tmp_path: Path, toy_space: SearchSpace) -> None:
    open_ledger(tmp_path, toy_space).close()
    with pytest.raises(ConfigError, match='`mode` was absent, but is "per_task"'):
        open_ledger(tmp_path, per_task(toy_space))
