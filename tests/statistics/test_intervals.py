"""Intervals by hand, against scipy, by invariance and by simulation; the F test over blocks."""

import math

import numpy as np
import pytest
from scipy import stats

from raysearch.objective import paired_differences
from raysearch.run import Cell, MetricGoal
from raysearch.statistics.intervals import block_test, by_task, mean_interval, rank_correlation


def test_the_interval_of_a_mean_by_hand() -> None:
    found = mean_interval([[1.0, 2.0, 3.0]])  # mean 2, s = 1, t(2) = 4.3027
    assert (found.value, found.count, found.level) == (2.0, 3, 0.95)
    assert found.high == pytest.approx(2 + 4.3027 / math.sqrt(3), abs=1e-4)
    assert found.low + found.high == pytest.approx(4)


@pytest.mark.parametrize("count", [2, 3, 5, 31, 40])
def test_of_one_stratum_it_is_scipys(count: int) -> None:
    values = np.random.default_rng(3).normal(size=count)
    found = mean_interval([values])
    low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_of_two_tasks_it_is_welchs(level: float) -> None:
    first, second = [0.1, 0.3, 0.2, 0.5], [-0.2, 0.4, 0.0]
    found = mean_interval([first, second], level=level)
    # Welch's interval of a difference, with the sign of one side turned, is that of the sum.
    both = stats.ttest_ind(first, np.negative(second), equal_var=False).confidence_interval(level)
    assert (found.low, found.high) == pytest.approx((both.low / 2, both.high / 2))


def test_every_task_counts_the_same() -> None:
    found = mean_interval([[1.0, 3.0], [10.0, 12.0, 14.0, 16.0]])
    assert found.value == pytest.approx((2 + 13) / 2) and found.count == 6
    cells = {Cell("en", seed): float(seed) for seed in range(3)} | {Cell("fr", 0): 9.0}
    assert by_task(cells) == [[0.0, 1.0, 2.0], [9.0]]


def test_a_paired_difference_is_that_of_the_shared_cells() -> None:
    """The tasks' levels, and what the cells of a task share, are no part of its uncertainty."""
    one = {Cell("en", 0): 0.9, Cell("en", 1): 0.5, Cell("fr", 0): 9.1, Cell("fr", 1): 9.2}
    two = {Cell("en", 0): 0.8, Cell("en", 1): 0.4, Cell("fr", 0): 9.0, Cell("fr", 1): 9.0}
    found = mean_interval(paired_differences(one, two, MetricGoal("m"), "mean"))
    assert found.value == pytest.approx((0.1 + 0.15) / 2) and found.count == 4


def test_limits() -> None:
    assert not mean_interval([[0.5]]).bounded
    assert not mean_interval([[0.1, 0.2], [0.3]]).bounded
    assert mean_interval([[0.1], [0.2], [0.4]]).bounded  # the tasks are what varies
    for value in (0.0, 0.1):
        flat = mean_interval([[value] * 3])
        assert (flat.low, flat.high) == (flat.value, flat.value) == pytest.approx((value, value))
    assert mean_interval([[0.25, 0.25], [0.5, 0.5]]).low == 0.375
    for nothing in ([], [[1.0], []]):
        with pytest.raises(ValueError, match="at least one value"):
            mean_interval(nothing)


def test_shift_and_scale_go_through() -> None:
    values = np.random.default_rng(0).normal(size=9)
    plain, moved = mean_interval([values]), mean_interval([3 * values + 7])
    assert moved.low == pytest.approx(3 * plain.low + 7)
    assert moved.high == pytest.approx(3 * plain.high + 7)


@pytest.mark.parametrize(
    ("shape", "draw", "least"),
    [
        ((3,), "normal", 0.93),
        ((5,), "normal", 0.93),
        ((3, 3), "normal", 0.93),
        ((5, 5, 5, 5), "normal", 0.93),
        ((3,), "exponential", 0.86),
        ((5,), "exponential", 0.86),
    ],
)
def test_coverage_by_simulation(shape: tuple[int, ...], draw: str, least: float) -> None:
    """95 % intervals contain the true mean; skewed differences are why the last rows say less."""
    random = np.random.default_rng(5)
    true = 1.0 if draw == "exponential" else 0.0
    held = 0
    for _ in range(2000):
        found = mean_interval([getattr(random, draw)(size=size) for size in shape])
        held += found.low <= true <= found.high
    assert least < held / 2000 < 0.985


def test_a_rank_correlation_is_scipys_and_its_interval_holds_it():
    random = np.random.default_rng(1)
    x = random.normal(size=60)
    y = x + random.normal(size=60)
    found = rank_correlation(x.tolist(), y.tolist())
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.low < found.value < found.high and found.low > 0
    noise = rank_correlation(x.tolist(), random.normal(size=60).tolist())
    assert not noise.excludes_zero and found.significant and not noise.significant
    assert math.isnan(rank_correlation([1.0, 1.0], [1.0, 2.0]).value)
    assert not rank_correlation([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).bounded


def test_the_interval_of_a_rank_correlation_by_hand():
    """ρ = 0.5 of n = 12 (Bonett and Wright): atanh 0.5 ± 1.96 · sqrt(1.125 / 9)."""
    x = list(range(12))
    y = next(
        order
        for order in (np.random.default_rng(seed).permutation(12) for seed in range(2000))
        if abs(stats.spearmanr(x, order).statistic - 0.5) < 0.004
    )
    value = stats.spearmanr(x, y).statistic
    found = rank_correlation(x, y.tolist())
    half = 1.96 * math.sqrt((1 + value**2 / 2) / 9)
    assert found.low == pytest.approx(math.tanh(math.atanh(value) - half), abs=1e-4)
    assert found.high == pytest.approx(math.tanh(math.atanh(value) + half), abs=1e-4)
    perfect = rank_correlation(x, x)
    assert perfect.value == 1 and 0.9 < perfect.low < perfect.high < 1


@pytest.mark.parametrize("count", [8, 12])
def test_without_any_correlation_5_of_100_are_told(count):
    """The percentile bootstrap told 9 to 12 of 100."""
    random = np.random.default_rng(count)
    found = [
        rank_correlation(random.normal(size=count).tolist(), random.normal(size=count).tolist())
        for _ in range(600)
    ]
    assert sum(one.significant for one in found) / 600 < 0.072  # 2.5 standard errors above 0.05
    assert 0.93 < sum(not one.excludes_zero for one in found) / 600 < 0.985


def test_below_eight_pairs_nothing_is_told():
    found = rank_correlation([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7])
    assert found.value == 1 and not found.bounded and not found.significant


def test_by_hand_on_three_blocks_of_three() -> None:
    # Within blocks (-1, 0, 1), (-1, 0, 1), (-2, 0, 2): means -4/3, 0, 4/3.
    found = block_test(np.array([[0.0, 1.0, 2.0], [5.0, 6.0, 7.0], [1.0, 3.0, 5.0]]))
    between = 3 * 2 * (4 / 3) ** 2
    left = 2 * (2 * (1 / 3) ** 2 + (2 / 3) ** 2)
    assert found.p_value == pytest.approx(stats.f.sf((between / 2) / (left / 4), 2, 4))
    assert (found.blocks, found.levels) == (3, 3)


def test_of_two_levels_it_is_the_paired_t_test() -> None:
    scores = np.random.default_rng(0).normal(size=(6, 2))
    expected = stats.ttest_rel(scores[:, 0], scores[:, 1]).pvalue
    assert block_test(scores).p_value == pytest.approx(expected)


def test_a_shift_of_a_block_and_the_order_of_levels_change_nothing() -> None:
    scores = np.random.default_rng(1).normal(size=(5, 4))
    shifted = scores[:, ::-1] + np.arange(5)[:, None] * 10
    assert block_test(scores).p_value == pytest.approx(block_test(shifted).p_value)


def test_the_f_test_has_limits() -> None:
    assert block_test(np.full((5, 3), 0.25)).p_value == 1
    assert block_test(np.array([[0.1, 0.2]] * 3)).p_value == 0  # the same step in every block
    assert math.isnan(block_test(np.array([[0.1, 0.2]])).p_value)
    assert block_test(np.array([[0.2, 0.2]])).p_value == 1


def test_it_holds_its_level_and_sees_what_is_there() -> None:
    random = np.random.default_rng(1)
    noise = random.normal(size=(2000, 3, 4)) + random.normal(size=(2000, 3, 1)) * 5
    flat = np.array([block_test(table).p_value for table in noise])
    assert 0.035 < np.mean(flat <= 0.05) < 0.065
    steep = np.array([block_test(table + [0, 1, 2, 8]).p_value for table in noise[:200]])
    assert np.mean(steep <= 0.05) > 0.95


@pytest.mark.parametrize("shape", [(0, 3), (3, 1), (3,)])
def test_needs_blocks_and_levels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="blocks x levels"):
        block_test(np.zeros(shape))
