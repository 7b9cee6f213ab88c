"""Expected best of n: by enumeration, and bias and variance as they are known."""

import itertools
import math

import numpy as np
import pytest

from raysearch.run import MetricGoal
from raysearch.statistics.tuning import ESTIMATORS, budgets, expected_best, overtuning

SCORES = [0.3, 0.9, 0.1, 0.4]


@pytest.mark.parametrize("budget", [1, 2, 3, 4])
def test_by_enumeration(budget: int) -> None:
    without = [max(draw) for draw in itertools.combinations(SCORES, budget)]
    replaced = [max(draw) for draw in itertools.product(SCORES, repeat=budget)]
    expected = {"unbiased": np.mean(without), "replaced": np.mean(replaced)}
    expected["between"] = (expected["unbiased"] + expected["replaced"]) / 2
    for name in ESTIMATORS:
        assert expected_best(SCORES, budget, name) == pytest.approx(expected[name])
    worst = [min(draw) for draw in itertools.combinations(SCORES, budget)]
    found = expected_best(SCORES, budget, "unbiased", direction="minimize")
    assert found == pytest.approx(np.mean(worst))


def test_one_draw_is_the_mean_and_all_draws_the_best() -> None:
    for name in ESTIMATORS:
        assert expected_best(SCORES, 1, name) == pytest.approx(np.mean(SCORES))
    assert expected_best(SCORES, 4, "unbiased") == pytest.approx(0.9)
    assert expected_best(SCORES, 4, "replaced") < 0.9


def test_ties_and_order_do_not_matter() -> None:
    assert expected_best([0.5] * 6, 3, "unbiased") == pytest.approx(0.5)
    assert expected_best(SCORES[::-1], 3) == pytest.approx(expected_best(SCORES, 3))


def test_thousands_of_scores_are_no_overflow() -> None:
    values = np.linspace(0, 1, 20_001)
    for budget in (1, 7, 10_000, 20_001):  # of n numbers 0 … N − 1: n (N + 1) / (n + 1) − 1
        expected = (budget * 20_002 / (budget + 1) - 1) / 20_000
        assert expected_best(values, budget, "unbiased") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("budget", [0, 5])
def test_more_than_was_run_is_not_estimated(budget: int) -> None:
    with pytest.raises(ValueError, match="must be in 1 to 4"):
        expected_best(SCORES, budget)


def test_budgets_end_with_all() -> None:
    assert budgets(1) == [1]
    assert budgets(10) == [1, 2, 3, 5, 10]
    assert budgets(24) == [1, 2, 3, 5, 10, 20, 24]


def test_bias_and_variance_by_simulation() -> None:
    """Maximum of 8 of 12 uniform scores, truly 8/9: what Dodge et al. (2021) found of such."""
    random = np.random.default_rng(4)
    samples = random.uniform(size=(4000, 12))
    found = {name: np.array([expected_best(s, 8, name) for s in samples]) for name in ESTIMATORS}
    bias = {name: values.mean() - 8 / 9 for name, values in found.items()}
    spread = {name: values.var() for name, values in found.items()}
    assert abs(bias["unbiased"]) < 4 * np.sqrt(spread["unbiased"] / 4000)
    assert bias["replaced"] < bias["between"] < -0.01
    assert abs(bias["unbiased"]) < abs(bias["between"]) < abs(bias["replaced"])


UP, DOWN = MetricGoal("dev/f1"), MetricGoal("dev/mae", "minimize")


def test_worse_than_the_best_incumbent_but_better_than_the_default() -> None:
    found = overtuning([0.5, 0.6, 0.7], [0.40, 0.50, 0.45], UP)
    assert found.dev_gain == pytest.approx(0.2)
    assert found.test_gain == pytest.approx(0.05)
    assert found.value == pytest.approx(0.05)
    assert found.relative == pytest.approx(0.5)
    assert not found.worse_than_first


def test_worse_than_the_default() -> None:
    found = overtuning([0.5, 0.7], [0.45, 0.40], UP)
    assert found.worse_than_first
    assert found.value == pytest.approx(0.05) and found.relative == math.inf
    between = overtuning([0.5, 0.6, 0.7], [0.45, 0.50, 0.40], UP)
    assert between.relative == pytest.approx(2) and between.worse_than_first


def test_lower_is_better() -> None:
    found = overtuning([1.0, 0.8], [1.0, 1.1], DOWN)
    assert found.dev_gain == pytest.approx(0.2) and found.test_gain == pytest.approx(-0.1)


def test_the_default_that_stays_the_best_is_not_overtuned() -> None:
    found = overtuning([0.5], [0.4], UP)
    assert (found.value, found.relative, found.worse_than_first) == (0, 0, False)


def test_lengths_differ() -> None:
    with pytest.raises(ValueError, match="same incumbents"):
        overtuning([0.5], [], UP)
