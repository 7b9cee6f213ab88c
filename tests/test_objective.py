from __future__ import annotations

import math

import pytest

from raysearch.objective import worth
from raysearch.trial import Cell, MetricGoal

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
    assert worth(OBJECTIVES, UP, "mean") == 0.625
    assert worth(OBJECTIVES, DOWN, "mean") == 0.625


def test_the_worst_task_is_that_of_the_mean_over_its_seeds() -> None:
    assert worth(OBJECTIVES, UP, "worst") == 0.5  # not 0.25, the worst cell
    assert worth(OBJECTIVES, DOWN, "worst") == 0.75


def test_one_task_is_the_mean_over_its_cells() -> None:
    values = {Cell("toy", seed): value for seed, value in enumerate((0.1, 0.2, 0.6))}
    assert worth(values, UP, "mean") == worth(values, UP, "worst") == pytest.approx(0.3)


@pytest.mark.parametrize("aggregate", ["mean", "worst"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_value_that_is_no_number_spoils_all(aggregate: str, place: int) -> None:
    values = [0.5, 0.5]
    values[place] = math.nan
    cells = {Cell(task, 0): value for task, value in zip("ab", values, strict=True)}
    assert math.isnan(worth(cells, UP, aggregate))  # type: ignore[arg-type]
