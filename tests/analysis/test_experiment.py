"""Arms and their answer, on rows whose numbers are worked by hand."""

import math
from collections.abc import Mapping

import pytest

from raysearch.analysis.experiment import answer, arms_of, curve_change, tuned_arms, with_readings
from raysearch.errors import ConfigError
from raysearch.findings.experiment import Arm
from raysearch.run import Cell, MetricGoal, Report, Run, RunState, Scalar

GOAL = MetricGoal("dev/f1")


def row(number: int, seed: int, value: float, task: str = "a", **config: Scalar) -> Run:
    return Run(
        sweep="s",
        number=number,
        cell=Cell(task, seed),
        method="carl",
        state=RunState.COMPLETE,
        config=config,
        metrics={"dev/f1": value, "dev/other": 2 * value},
    )


def varied(config: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    return {name: config[name] for name in ("variant", "k") if name in config}


def arms(trials: list[Run], values: tuple[Scalar, ...] = ("x", "y", 1, 2, 3)) -> list[Arm]:
    return arms_of(trials, varied, lambda settings: all(v in values for v in settings.values()))


def test_the_papers_setting_is_a_combination_where_it_can_be() -> None:
    found = arms([row(0, 0, 0.1, variant="x"), row(1, 0, 0.2, variant="y")])
    assert [(arm.settings["variant"], arm.paper, arm.literal) for arm in found] == [
        ("x", True, False),
        ("y", False, False),
    ]
    assert found[0].matches({"variant": "x"})


def test_and_an_arm_of_its_own_beside_one_with_the_same_settings() -> None:
    trials = [row(0, 0, 0.1, variant="x", beta=1), row(1, 0, 0.2, variant="x", beta=2)]
    first, second = arms(trials)
    assert first.literal and not second.literal
    assert not first.matches({"variant": "x"}) and second.matches({"variant": "x"})


def test_or_where_its_value_is_none_of_the_searched_or_another_for_each_task() -> None:
    [other, _] = arms([row(0, 0, 0.1, k=7), row(1, 0, 0.2, k=1)])
    assert other.literal
    each = [row(0, 0, 0.1, "a", k=1), row(1, 0, 0.1, "b", k=2), row(2, 0, 0.1, "a", k=3)]
    found = arms(each)
    assert found[0].literal and found[0].settings == {} and found[0].numbers == (0, 1)


def test_differences_are_paired_and_the_mean_is_over_tasks() -> None:
    trials = [row(0, seed, 0.5 + seed / 10, task, variant="x") for seed in (0, 1) for task in "ab"]
    trials += [row(1, 0, 0.6, "a", variant="y"), row(1, 1, 0.7, "a", variant="y")]
    trials += [row(1, 0, 0.5, "b", variant="y")]
    found = answer(arms(trials), GOAL, reference={"variant": "x"}, beside=["dev/other", "dev/no"])
    reference, other = found.results
    assert reference is found.reference and reference.difference is None
    assert reference.mean == pytest.approx(0.55)
    assert reference.sd == pytest.approx(0.1 / math.sqrt(2))
    assert other.by_task == pytest.approx({"a": 0.65, "b": 0.5})
    assert other.mean == pytest.approx(0.575)
    assert math.isnan(other.sd)  # one seed has both tasks
    assert other.difference is not None
    assert other.difference.value == pytest.approx((0.1 + 0.0) / 2)
    assert other.beside == pytest.approx({"dev/other": 1.15})  # of tasks, not of cells
    assert other.beside_difference["dev/other"].value == pytest.approx(0.1)
    assert list(other.beside_difference) == ["dev/other"] and not reference.beside_difference


def test_a_setting_is_tested_over_cells_whatever_else_is_varied() -> None:
    values = {(1, "x"): 0.1, (1, "y"): 0.3, (2, "x"): 0.5, (2, "y"): 0.7}
    trials = [row(0, seed, 0.9, variant="x", k=9) for seed in range(6)]
    for number, ((k, variant), value) in enumerate(values.items(), 1):
        trials += [row(number, seed, value + seed, variant=variant, k=k) for seed in range(6)]
    found = answer(arms(trials), GOAL, reference={"variant": "x", "k": 1})
    by_name = {effect.name: effect for effect in found.effects}
    assert by_name["k"].means == pytest.approx({1: 2.7, 2: 3.1})  # each + 2.5, mean of the seeds
    assert by_name["variant"].means == pytest.approx({"x": 2.8, "y": 3.0})
    assert by_name["k"].test.blocks == 6  # not 12: arms of a cell are no repeats
    assert by_name["k"].best == (1, 2)


def test_of_what_is_tuned_an_arm_is_what_dev_ranks_first() -> None:
    """The first of `y` is better, but lacks a cell; of two equal ones of `x` it is the first."""
    scores = {("x", 1): (0.2, 0.4), ("x", 2): (0.3, 0.4), ("x", 3): (0.3, 0.4), ("y", 1): (0.9,)}
    scores |= {("y", 2): (0.5, 0.1), ("z", None): (0.1, 0.1)}
    trials = []
    for number, ((variant, k), values) in enumerate(scores.items()):
        config = {"variant": variant, **({} if k is None else {"k": k})}
        trials += [row(number, seed, value, **config) for seed, value in enumerate(values)]
    known = ("x", "y", "z", 1, 2, 3)
    found = tuned_arms(arms(trials, known), ["k"], GOAL)
    assert [(arm.settings, arm.tuned, arm.tried, arm.numbers) for arm in found] == [
        ({"variant": "x"}, {"k": 2}, 3, (1,)),
        ({"variant": "y"}, {"k": 2}, 2, (4,)),
        ({"variant": "z"}, {}, 1, (5,)),
    ]
    told = answer(found, GOAL, reference={"variant": "z"})
    assert told.unasked == ()  # k is not said to differ: the table has it
    loss = MetricGoal("dev/f1", "minimize")
    assert tuned_arms(arms(trials, known), ["k"], loss)[0].tuned == {"k": 1}


def test_the_joint_interval_is_wider() -> None:
    values = [0.01, 0.03, 0.02, 0.05, 0.02, 0.04]
    trials = [row(0, seed, 0.5, variant="x") for seed in range(6)]
    for number in (1, 2, 3):
        trials += [
            row(number, seed, 0.5 + value + number / 1000, variant="y", k=number)
            for seed, value in enumerate(values)
        ]
    found = answer(arms(trials), GOAL, reference={"variant": "x"})
    for other in found.others:
        assert other.difference is not None and other.jointly is not None
        assert other.jointly.level == pytest.approx(1 - 0.05 / 3)
        assert other.jointly.low < other.difference.low


def test_one_configuration_under_two_names_is_counted_once() -> None:
    scores = {1: [0.1, 0.2, 0.4], 2: [0.3, 0.1, 0.2], 3: [0.1, 0.2, 0.4]}
    trials = [row(k, seed, v, k=k) for k, values in scores.items() for seed, v in enumerate(values)]
    found = answer(arms(trials), GOAL, reference={"k": 2})
    assert [result.twin is not None for result in found.results] == [False, False, True]
    assert found.results[2].twin is found.results[0].arm
    assert [result.arm.settings["k"] for result in found.distinct] == [1, 2]
    jointly = found.results[0].jointly
    assert jointly is not None and jointly.level == pytest.approx(0.95)  # of one comparison


def test_a_setting_that_goes_along_with_another_has_no_test_but_the_whole_has() -> None:
    arm = [{"variant": "x", "k": 1}, {"variant": "x", "k": 2}, {"variant": "y"}]
    shifted = [0.0, 0.1, 0.3]
    trials = [
        row(n, seed, shifted[n] + seed + (seed + n) % 3 / 1000, **settings)
        for n, settings in enumerate(arm)
        for seed in range(6)
    ]
    found = answer(arms(trials), GOAL, reference={"variant": "y"})
    assert [effect.name for effect in found.effects] == ["k"] and found.untested == ("variant",)
    assert found.overall is not None
    assert (found.overall.levels, found.overall.blocks) == (3, 6)
    assert found.overall.p_value < 0.001
    alone = answer(arms(trials[:12]), GOAL, reference={"k": 1})
    assert alone.untested == () and alone.overall is None


def test_without_the_reference_nothing_can_be_said() -> None:
    with pytest.raises(ConfigError, match=r"reference arm \(variant z\) must have a complete cell"):
        answer(arms([row(0, 0, 0.1, variant="x")]), GOAL, reference={"variant": "z"})


def test_readings_join_their_rows() -> None:
    rows = [row(0, 0, 0.1), row(1, 0, 0.2)]
    read = Run(**{**vars(rows[0]), "metrics": {"test/f1": 0.4}})
    joined = with_readings(rows, [read])
    assert joined[0].metrics == {"dev/f1": 0.1, "dev/other": 0.2, "test/f1": 0.4}
    assert joined[1] == rows[1]


def arm(values: dict[int, tuple[float, ...]]) -> Arm:
    cells = {}
    for seed, curve in values.items():
        reports = tuple(
            Report(rung=n, step=10 * n, seconds=n, metrics={"dev/x": value})
            for n, value in enumerate(curve, 1)
        )
        cells[Cell("a", seed)] = Run(
            sweep="s",
            number=0,
            cell=Cell("a", seed),
            method="carl",
            state=RunState.COMPLETE,
            config={},
            curve=reports,
        )
    return Arm(settings={}, paper=False, literal=False, cells=cells, failed={})


def test_cells_are_paired_and_arms_of_a_cell_count_once() -> None:
    first = arm({0: (0.2, 0.9, 0.4), 1: (0.3, 0.9, 0.5)})
    second = arm({0: (0.4, 0.0, 0.6), 1: (0.5, 0.0, 0.9)})
    found = curve_change([first, second], "dev/x")
    assert found is not None
    assert found.steps == (10, 30)
    assert found.first == pytest.approx(0.35) and found.last == pytest.approx(0.6)
    assert found.change.count == 2
    assert found.change.value == pytest.approx((0.2 + 0.3) / 2)


def test_without_two_reports_there_is_no_course() -> None:
    assert curve_change([arm({0: (0.2,)})], "dev/x") is None
    assert curve_change([arm({0: (0.2, 0.3)})], "dev/y") is None


def test_the_means_of_a_setting_weight_tasks_equally_too() -> None:
    cells = [("a", 0), ("a", 1), ("a", 2), ("b", 0)]
    scores = {1: {"a": 0.3, "b": 0.9}, 2: {"a": 0.4, "b": 0.8}}
    trials = [
        row(k - 1, seed, scores[k][task] + seed / 10, task, k=k)
        for k in scores
        for task, seed in cells
    ]
    [effect] = answer(arms(trials), GOAL, reference={"k": 1}).effects
    assert effect.means == pytest.approx({1: (0.4 + 0.9) / 2, 2: (0.5 + 0.8) / 2})
    assert effect.test.blocks == 4


def test_arms_that_differ_in_more_than_the_question_are_found() -> None:
    """Two of eight settings of trial 0 are the paper's, as carl-baselines once compared it."""
    trials = [row(0, 0, 0.1, variant="x", beta=1, rate=0.1, size=3)]
    trials += [row(1, 0, 0.2, variant="y", beta=2, rate=0.1, size=3)]
    trials += [row(2, 0, 0.3, variant="z", beta=2, rate=0.1, size=3)]
    found = answer(arms(trials, ("x", "y", "z")), GOAL, reference={"variant": "y"})
    [only] = found.unasked
    assert only.name == "beta"
    assert {v: [a.numbers for a in group] for v, group in only.arms.items()} == {
        1: [(0,)],
        2: [(1,), (2,)],
    }


def test_what_differs_between_tasks_alone_or_is_varied_is_of_the_question() -> None:
    trials = [row(0, 0, 0.1, "a", variant="x", beta=1), row(0, 0, 0.1, "b", variant="x", beta=2)]
    trials += [row(1, 0, 0.2, "a", variant="y", beta=1), row(1, 0, 0.2, "b", variant="y", beta=2)]
    assert answer(arms(trials), GOAL, reference={"variant": "x"}).unasked == ()
    other = [row(0, 0, 0.1, variant="x", k=1), row(1, 0, 0.2, variant="y", k=2)]
    assert answer(arms(other), GOAL, reference={"variant": "x"}).unasked == ()
