from __future__ import annotations

import functools
import itertools
import math
import operator
import random
import statistics

import pytest

from raysearch.objective import (
    AGGREGATES,
    Aggregate,
    Best,
    aggregate_value,
    deciding_cells,
    is_over,
    paired_differences,
)
from raysearch.run import Cell, MetricGoal, RunState

UP, DOWN = MetricGoal("dev/f1"), MetricGoal("dev/loss", "minimize")
OBJECTIVES = {
    Cell("en-es", 0): 0.5,
    Cell("en-fr", 0): 0.25,
    Cell("en-es", 1): 1.0,
    Cell("en-fr", 1): 0.5,
    Cell("en-fr", 2): 0.75,
}


def test_mean_over_the_tasks_of_the_mean_over_the_seeds() -> None:
    # en-es (0.5 + 1) / 2 = 0.75, en-fr (0.25 + 0.5 + 0.75) / 3 = 0.5; not 3 / 5.
    assert aggregate_value(OBJECTIVES, UP, "mean") == 0.625
    assert aggregate_value(OBJECTIVES, DOWN, "mean") == 0.625


def test_the_worst_task_is_that_of_the_mean_over_its_seeds() -> None:
    assert aggregate_value(OBJECTIVES, UP, "worst") == 0.5  # not 0.25, the worst cell
    assert aggregate_value(OBJECTIVES, DOWN, "worst") == 0.75


def test_the_order_of_the_cells_does_not_matter() -> None:
    """0.1 + 0.2 + 0.3 + 0.7 is 1.3 or 1.2999999999999998 by the order; one sum is right."""
    values = {Cell("toy", seed): value for seed, value in enumerate((0.1, 0.2, 0.3, 0.7))}
    orders = [dict(order) for order in itertools.permutations(values.items())]
    assert len({functools.reduce(operator.add, order.values()) for order in orders}) > 1
    assert {aggregate_value(order, UP, "mean") for order in orders} == {1.3 / 4}


def test_huge_values_have_a_mean() -> None:
    values = {Cell("toy", seed): 1.5e308 for seed in range(4)}
    assert aggregate_value(values, UP, "mean") == 1.5e308


def test_who_is_ahead_and_who_of_equals() -> None:
    assert Best(3, 0.5).ahead_of(None, UP) and not Best(3, math.nan).ahead_of(None, UP)
    assert Best(3, 0.5).ahead_of(Best(1, 0.4), UP) and not Best(3, 0.5).ahead_of(Best(1, 0.4), DOWN)
    assert Best(1, 0.5).ahead_of(Best(3, 0.5), UP) and not Best(3, 0.5).ahead_of(Best(1, 0.5), UP)


def test_a_failed_or_stopped_cell_ends_a_configuration() -> None:
    done, failed, pruned = RunState.COMPLETE, RunState.FAILED, RunState.PRUNED
    assert not is_over([], 2) and not is_over([done], 2)
    assert is_over([done, done], 2) and is_over([done, failed], 3) and is_over([pruned], 3)


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("goal", [UP, DOWN])
def test_paired_differences_have_the_difference_of_worth_as_their_mean(
    aggregate: Aggregate, goal: MetricGoal
) -> None:
    draw = random.Random(3)
    for _ in range(50):
        cells = [Cell(task, seed) for task in "abc" for seed in range(3)]
        one, two = ({cell: draw.randint(0, 9) / 10 for cell in cells} for _ in range(2))
        strata = paired_differences(one, two, goal, aggregate)
        assert len(strata) == (3 if aggregate == "mean" else 1)
        mean = statistics.fmean(statistics.fmean(stratum) for stratum in strata)
        assert mean == pytest.approx(
            aggregate_value(one, goal, aggregate) - aggregate_value(two, goal, aggregate)
        )
        assert aggregate_value(
            deciding_cells(one, goal, aggregate), goal, "mean"
        ) == aggregate_value(one, goal, aggregate)
    assert paired_differences({Cell("a", 0): 1.0}, {Cell("b", 0): 1.0}, goal, aggregate) == []


def test_one_task_is_the_mean_over_its_cells() -> None:
    values = {Cell("toy", seed): value for seed, value in enumerate((0.1, 0.2, 0.6))}
    assert (
        aggregate_value(values, UP, "mean")
        == aggregate_value(values, UP, "worst")
        == pytest.approx(0.3)
    )


@pytest.mark.parametrize("aggregate", ["mean", "worst"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_value_that_is_no_number_spoils_all(aggregate: str, place: int) -> None:
    values = [0.5, 0.5]
    values[place] = math.nan
    cells = {Cell(task, 0): value for task, value in zip("ab", values, strict=True)}
    assert math.isnan(aggregate_value(cells, UP, aggregate))  # type: ignore[arg-type]
