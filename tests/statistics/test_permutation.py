"""Permutation tests against hand-worked numbers, scipy's exact tests, and their own promise."""

import math

import numpy as np
import pytest
from scipy import stats

from raysearch.statistics.permutation import (
    dealt,
    difference_p,
    directions,
    explained,
    holm,
    permutation_p,
)


def test_the_data_count_as_one_of_the_deals() -> None:
    assert permutation_p(3.0, np.array([1.0, 2.0, 4.0])) == 2 / 4
    assert permutation_p(5.0, np.array([1.0, 2.0, 4.0])) == 1 / 4, "never zero"
    assert permutation_p(0.1 + 0.2, np.array([0.3])) == 1, "equal but for rounding"
    assert math.isnan(permutation_p(math.nan, np.array([1.0])))


def test_a_difference_of_means_by_hand() -> None:
    """Of the 20 splits of 1 … 6 into threes only 123 | 456 and its mirror are as far apart."""
    assert difference_p([4, 5, 6], [1, 2, 3]) == pytest.approx(2 / 20)
    # |3.67 − 3.33| = 0.33: no split of an odd sum of 21 is closer, so all reach it.
    assert difference_p([1, 4, 6], [2, 3, 5]) == 1
    assert difference_p([0.1, 0.1], [0.1, 0.1]) == 1
    assert math.isnan(difference_p([], [1.0]))


@pytest.mark.parametrize(("n", "m"), [(5, 5), (8, 4), (12, 12)])
def test_a_difference_of_means_is_scipys(n: int, m: int) -> None:
    random = np.random.default_rng(n)
    first, second = random.normal(0.7, 1, n), random.normal(size=m)
    theirs = stats.permutation_test(
        (first, second),
        lambda a, b: abs(a.mean() - b.mean()),
        n_resamples=20_000,
        alternative="greater",
        rng=1,
    ).pvalue
    assert difference_p(first, second) == pytest.approx(theirs, abs=0.02 if n == 12 else 1e-9)


def test_holm_by_hand() -> None:
    """Sorted .01 .02 .04: times 3, 2, 1, and never below the one before."""
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    found = holm([0.02, math.nan, 0.03])
    assert found[[0, 2]] == pytest.approx([0.04, 0.04]) and math.isnan(found[1])


def test_the_explained_share_is_that_of_a_correlation_and_of_groups() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=9), random.normal(size=9)
    assert explained(y, directions(x[:, None])) == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    groups = np.eye(3)[[0, 0, 0, 1, 1, 1, 2, 2, 2]]
    means = groups @ (groups.T @ y / 3)
    assert explained(y, directions(groups)) == pytest.approx(means.var() / y.var())
    assert explained(np.ones(9), directions(groups)) == 0
    assert directions(np.ones((9, 1))).shape == (9, 0), "a constant explains nothing"


def test_deals_are_orders_of_the_values_and_the_same_again() -> None:
    values = np.array([1.0, 2.0, 5.0, 5.0])
    found = dealt(values, deals=50, seed=3)
    assert (np.sort(found, axis=1) == values).all() and (found != found[0]).any()
    assert (found == dealt(values, deals=50, seed=3)).all()
