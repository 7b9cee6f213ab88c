import math

import numpy as np
import pytest
from scipy import stats

from raysearch.analysis.intervals import lead, mean_interval, rank_correlation, t_quantile


@pytest.mark.parametrize("freedom", [1, 2, 5, 30, 31, 60, 1000])
def test_students_t_is_that_of_scipy(freedom):
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=6e-4)
    assert math.isnan(t_quantile(0))


def test_the_interval_of_a_mean_by_hand():
    found = mean_interval([1.0, 2.0, 3.0])  # sd 1, half a width 4.303 / sqrt(3)
    assert (found.value, found.count) == (2.0, 3)
    assert found.high == pytest.approx(2 + 4.303 / math.sqrt(3))
    assert not mean_interval([1.0]).known and math.isnan(mean_interval([]).value)
    assert mean_interval([1.0, math.nan, 3.0]).count == 2


def test_the_interval_of_a_mean_holds_it_in_95_of_100_cases():
    random = np.random.default_rng(0)
    held = sum(mean_interval(random.normal(size=3).tolist()).holds(0.0) for _ in range(2000))
    assert 0.935 < held / 2000 < 0.965


def test_a_lead_is_that_of_the_paired_differences():
    found = lead([0.9 - 0.8, 0.5 - 0.4], higher=True)
    assert found and found.difference.value == pytest.approx(0.1)
    assert found.difference.count == 2 and found.sure
    turned = lead([0.9 - 0.8, 0.5 - 0.4], higher=False)
    assert turned and turned.difference.value == pytest.approx(-0.1)
    assert lead([], higher=True) is None
    single = lead([0.5], higher=True)
    assert single and not single.sure and not single.difference.known


def test_a_rank_correlation_is_scipys_and_its_interval_holds_it():
    random = np.random.default_rng(1)
    x = random.normal(size=60)
    y = x + random.normal(size=60)
    found = rank_correlation(x.tolist(), y.tolist())
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.low < found.value < found.high and found.low > 0
    noise = rank_correlation(x.tolist(), random.normal(size=60).tolist())
    assert noise.holds(0.0) and found.told and not noise.told
    assert math.isnan(rank_correlation([1.0, 1.0], [1.0, 2.0]).value)
    assert not rank_correlation([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).known


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
    assert sum(one.told for one in found) / 600 < 0.072  # 2.5 standard errors above 0.05
    assert 0.93 < sum(one.holds(0.0) for one in found) / 600 < 0.985


def test_below_eight_pairs_nothing_is_told():
    found = rank_correlation([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7])
    assert found.value == 1 and not found.known and not found.told
