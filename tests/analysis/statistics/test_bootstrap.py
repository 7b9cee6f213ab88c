"""The interval holds its level: by hand, by invariance, by simulation."""

import math

import numpy as np
import pytest

from raysearch.analysis.statistics import mean_interval


def test_the_mean_counts_every_task_the_same() -> None:
    found = mean_interval([[1.0, 3.0], [10.0, 12.0, 14.0, 16.0]])
    assert found.mean == pytest.approx((2 + 13) / 2)
    assert found.count == 6
    assert found.low < found.mean < found.high


def test_three_cells_carry_no_interval_and_say_so() -> None:
    # 2 of 27 resamples are one value thrice, on either side: more than one in forty.
    found = mean_interval([[0.01, 0.02, 0.04]])
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert not found.bounded and not found.excludes_zero


def test_one_cell_or_a_single_one_of_a_task_is_no_interval() -> None:
    assert not mean_interval([[0.5]]).bounded
    assert not mean_interval([[0.5, 0.6, 0.7, 0.9], [0.1]]).bounded


def test_one_cell_a_task_resamples_the_tasks() -> None:
    values = [0.1, 0.3, 0.2, 0.5, 0.4]
    assert mean_interval([[value] for value in values]) == mean_interval([values])


def test_equal_differences_give_a_point() -> None:
    for value in (0.0, 0.1):
        found = mean_interval([[value] * 3])
        assert (found.low, found.high) == (found.mean, found.mean) == pytest.approx((value, value))


def test_shift_and_scale_go_through() -> None:
    values = np.random.default_rng(0).normal(size=9)
    plain, moved = mean_interval([values]), mean_interval([3 * values + 7])
    assert moved.low == pytest.approx(3 * plain.low + 7)
    assert moved.high == pytest.approx(3 * plain.high + 7)
    turned = mean_interval([-values])
    assert (turned.low, turned.high) == pytest.approx((-plain.high, -plain.low), rel=0.15)


def test_it_agrees_with_students_t_where_that_is_exact() -> None:
    from scipy import stats

    values = np.random.default_rng(3).normal(size=40)
    found = mean_interval([values])
    low, high = stats.t.interval(0.95, 39, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.06)


@pytest.mark.parametrize("strata", [[], [[1.0], []]])
def test_nothing_is_no_input(strata: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_interval(strata)


@pytest.mark.parametrize(
    ("shape", "draw", "least"),
    [
        ((5,), "normal", 0.93),
        ((10,), "normal", 0.93),
        ((3, 3, 3), "normal", 0.93),
        ((10,), "exponential", 0.90),
    ],
)
def test_coverage_by_simulation(shape: tuple[int, ...], draw: str, least: float) -> None:
    """95 % intervals hold the true mean; the margin is three standard errors of 400 cases."""
    random = np.random.default_rng(5)
    true = 1.0 if draw == "exponential" else 0.0
    held = 0
    for seed in range(400):
        strata = [getattr(random, draw)(size=size) for size in shape]
        found = mean_interval(strata, draws=1000, seed=seed)
        assert found.bounded
        held += found.low <= true <= found.high
    assert held / 400 >= least - 0.01
