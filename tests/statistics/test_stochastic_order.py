"""ε_min against hand-worked numbers, a brute-force integral and another implementation."""

import math

import numpy as np
import pytest

from raysearch.statistics.stochastic_order import (
    THRESHOLD,
    chance_of_separation,
    stochastic_order,
    violation_ratio,
)


def brute_force(first: list[float], second: list[float], points: int = 60_000) -> float:
    """The two integrals as sums over many t, with quantiles by their definition."""
    against = whole = 0.0
    one, other = sorted(first), sorted(second)
    for index in range(points):
        t = (index + 0.5) / points
        gap = (
            next(v for k, v in enumerate(one, 1) if k / len(one) >= t)
            - next(v for k, v in enumerate(other, 1) if k / len(other) >= t)
        )  # fmt: skip
        whole += gap**2
        against += gap**2 if gap < 0 else 0.0
    return against / whole


def test_by_hand() -> None:
    # Sorted: 1 4 against 2 3: gaps −1 and +1, each on half of t: half of the distance.
    assert violation_ratio([4, 1], [2, 3]) == 0.5
    # Gaps −1 and +2: 1 of 5.
    assert violation_ratio([1, 5], [2, 3]) == pytest.approx(0.2)
    # One against two, steps of a half: gaps 1 − 0 and 1 − 3.
    assert violation_ratio([1], [0, 3]) == pytest.approx(4 / 5)
    assert violation_ratio([2, 3], [0, 1]) == 0
    assert violation_ratio([0, 1], [2, 3]) == 1
    assert violation_ratio([1, 2], [2, 1]) == 0.5


@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 4), (7, 2)])
def test_it_equals_the_sum_over_many_points(n: int, m: int) -> None:
    random = np.random.default_rng(n)
    first, second = random.normal(0.3, 1, n).tolist(), random.normal(size=m).tolist()
    assert violation_ratio(first, second) == pytest.approx(brute_force(first, second), abs=2e-4)


def test_the_two_directions_sum_to_one_and_scale_does_not_matter() -> None:
    random = np.random.default_rng(2)
    first, second = random.normal(size=6), random.normal(size=5)
    ratio = violation_ratio(first, second)
    assert ratio + violation_ratio(second, first) == pytest.approx(1)
    assert violation_ratio(3 * first + 1, 3 * second + 1) == pytest.approx(ratio)


def test_the_bound_by_its_own_formula() -> None:
    """σ̂ from plain loops over resamples of another generator: within the bootstrap's noise."""
    random = np.random.default_rng(7)
    first, second = random.normal(0.6, 1, 8), random.normal(size=6)
    drawn = [
        violation_ratio(random.choice(first, 8), random.choice(second, 6)) for _ in range(3000)
    ]
    scale = math.sqrt(8 * 6 / (8 + 6))
    ratio = violation_ratio(first, second)
    sigma = np.std([scale * (value - ratio) for value in drawn])
    expected = ratio - sigma / scale * -1.6448536269514722
    found = stochastic_order(first, second, draws=3000)
    assert found.ratio == ratio
    assert found.bound == pytest.approx(min(1, expected), abs=0.02)


def test_bonferroni_only_widens() -> None:
    random = np.random.default_rng(11)
    first, second = random.normal(0.8, 1, 10), random.normal(size=10)
    one, many = (stochastic_order(first, second, comparisons=count) for count in (1, 5))
    assert one.bound < many.bound
    assert many.level == pytest.approx(0.99) and many.comparisons == 5


def test_one_score_has_no_bound_and_separation_is_no_rare_thing() -> None:
    found = stochastic_order([1.0], [0.0, 0.5])
    assert math.isnan(found.bound) and not found.dominates
    assert chance_of_separation(3, 3) == pytest.approx(1 / 20)
    assert stochastic_order([4, 5, 6], [1, 2, 3]).bound == 0


def test_scores_that_are_fully_apart_are_no_finding_where_chance_sets_them_apart_too_often() -> (
    None
):
    three = stochastic_order([4, 5, 6], [1, 2, 3])
    assert three.bound == 0 and three.p_value == pytest.approx(2 / 20) and not three.dominates
    five = stochastic_order([6, 7, 8, 9, 10], [1, 2, 3, 4, 5])
    assert five.p_value == pytest.approx(2 / 252) and five.dominates
    # At 5 % over six tasks 2 of 252 do as well, over seven they do not.
    for comparisons, verdict in ((6, True), (7, False)):
        found = stochastic_order([6, 7, 8, 9, 10], [1, 2, 3, 4, 5], comparisons=comparisons)
        assert found.dominates is verdict


@pytest.mark.parametrize("tasks", [1, 4])
def test_of_equal_methods_few_tables_call_one_better(tasks: int) -> None:
    """Either way, five scores a side: ε_min alone does in 12 (one task) and 27 (four) of 100."""
    random = np.random.default_rng(tasks)
    wrong = bare = 0
    for case in range(200):
        bounds, found = [], []
        for _ in range(tasks):
            first, second = random.normal(size=5), random.normal(size=5)
            for one, other in ((first, second), (second, first)):
                order = stochastic_order(one, other, comparisons=tasks, draws=200, seed=case)
                bounds.append(order.bound)
                found.append(order.dominates)
        wrong += any(found)
        bare += min(bounds) < THRESHOLD
    assert wrong <= 19  # of 200 at 5 %: more by chance in 0.6 %
    assert bare > 19


def test_what_is_clearly_better_is_called_so() -> None:
    random = np.random.default_rng(3)
    found = [
        stochastic_order(random.normal(3, 1, 5), random.normal(size=5), draws=200)
        for _ in range(60)
    ]
    assert sum(one.dominates for one in found) > 51


def test_against_deepsig() -> None:
    """The implementation of Ulmer et al., which sums over a grid; run, not copied."""
    deepsig = pytest.importorskip("deepsig")
    random = np.random.default_rng(0)
    for n, m, shift in [(5, 5, 0.5), (10, 8, 1.0)]:
        first, second = random.normal(shift, 1, n), random.normal(size=m)
        theirs = deepsig.aso(
            first, second, seed=1, show_progress=False, num_bootstrap_iterations=300, dt=0.005
        )
        assert stochastic_order(first, second).bound == pytest.approx(theirs, abs=0.05)
