"""Expected best of n configurations, and overtuning.

Expected validation performance (Dodge, Gururangan, Card, Schwartz and Smith, *Show Your Work*,
EMNLP 2019) is the expected maximum of n independent draws, estimated from N ≥ n scores. There are
three estimators. Dodge, Gururangan, Card, Schwartz and Smith, *Expected Validation Performance
and Estimation of a Random Variable's Maximum* (Findings of EMNLP 2021), compare such ones: the
unbiased has the largest variance, the one with the smallest variance the largest bias, and one
between them the smallest error.

- ``unbiased``: n of the N without replacement (Tang et al., *Showing Your Work Doesn't Always
  Work*, ACL 2020), a U-statistic.
- ``replaced``: n of the N with replacement (Dodge et al. 2019), the maximum under the
  empirical distribution; never above the unbiased one.
- ``between``: the mean of the two; half the bias of the second. Departure: the paper's own
  third estimator could not be compared with this one, so it goes by another name.

All three are sums of the sorted scores v₁ ≤ … ≤ v_N with the weights below. They hold for
configurations that were drawn independently of each other: a random search.

Overtuning (Schneider, Bischl and Feurer, *Overtuning in Hyperparameter Optimization*, AutoML 2025,
sec. 3): of the incumbents λ*₁ … λ*_t, the configurations that were best on validation data when
their turn came, it is how much worse the last is on test data than the best of them; in relation
to what tuning gained on test, above 1 says that the last is worse than the first, the default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from raysearch.leaderboard.keys import Floats
from raysearch.run import MetricGoal

__all__ = ["ESTIMATORS", "Estimator", "Overtuning", "budgets", "expected_best", "overtuning"]

Estimator = Literal["unbiased", "replaced", "between"]

ESTIMATORS: Mapping[Estimator, str] = MappingProxyType(
    {
        "unbiased": "n of the N without replacement",
        "replaced": "n of the N with replacement",
        "between": "mean of the other two",
    }
)
"""Estimator to what it averages over."""


def expected_best(
    values: Sequence[float],
    budget: int,
    estimator: Estimator = "unbiased",
    *,
    direction: Literal["maximize", "minimize"] = "maximize",
) -> float:
    """The expected best of `budget` independently drawn configurations.

    Args:
        values: Scores of N configurations, finite, at least one.
        budget: n, from 1 to N.
        estimator: Name in `ESTIMATORS`.
        direction: Whether the best is the highest or the lowest.

    Raises:
        ValueError: The budget is not in 1 to N: there is no extrapolation.
    """
    count = len(values)
    if not 1 <= budget <= count:
        raise ValueError(f"`budget` must be in 1 to {count}, but got {budget}")
    sign = 1.0 if direction == "maximize" else -1.0
    ordered = np.sort(sign * np.asarray(values, dtype=np.float64))
    return sign * float(_weights(count, budget, estimator) @ ordered)


def budgets(count: int) -> list[int]:
    """1, 2, 3, 5, 10, 20, 30, 50 … up to `count`, which is the last."""
    steps = [factor * 10**power for power in range(9) for factor in (1, 2, 3, 5)]
    return [step for step in steps if step < count] + [count]


def _weights(count: int, budget: int, estimator: Estimator) -> Floats:
    """Probability that the i-th smallest of the scores is the largest of those drawn, (N,)."""
    if estimator == "unbiased":
        # C(i − 1, n − 1) / C(N, n): n / N for i = N, and each one below by (i − n + 1) / i less.
        below = np.arange(count - 1, budget - 1, -1)
        steps = np.cumprod(np.concatenate([[budget / count], (below - budget + 1) / below]))
        return np.concatenate([np.zeros(budget - 1), steps[::-1]])
    if estimator == "replaced":
        return np.diff((np.arange(count + 1) / count) ** budget)
    first, second = (_weights(count, budget, name) for name in ("unbiased", "replaced"))
    return (first + second) / 2


@dataclass(frozen=True, kw_only=True)
class Overtuning:
    """What tuning gained on dev, and how much of it holds on test.

    Attributes:
        dev_gain: Dev metric of the last incumbent minus that of the first, with the sign such
            that above 0 is a gain.
        test_gain: The same for the test metric.
        value: How far the last incumbent's test metric is from the best incumbent's; 0 or more.
        relative: `value` relative to what the best incumbent gained on test over the first; inf
            if that is 0 and `value` is not; 0 if both are.
    """

    dev_gain: float
    test_gain: float
    value: float
    relative: float

    @property
    def worse_than_first(self) -> bool:
        """Whether the tuned configuration is worse on test than the default."""
        return self.test_gain < 0


def overtuning(dev: Sequence[float], test: Sequence[float], goal: MetricGoal) -> Overtuning:
    """Overtuning of a sequence of incumbents, the default first.

    Args:
        dev: Dev metric of every incumbent, in order; at least the first.
        test: Test metric of the same.
        goal: Direction of the metric.

    Raises:
        ValueError: The two differ in length, or are empty.
    """
    if len(dev) != len(test) or not dev:
        raise ValueError("`dev` and `test` must be of the same incumbents, at least one")
    sign = 1.0 if goal.direction == "maximize" else -1.0
    turned = [sign * value for value in test]
    best = max(turned)
    value, gained = best - turned[-1], best - turned[0]
    relative = value / gained if gained > 0 else math.inf if value > 0 else 0.0
    return Overtuning(
        dev_gain=sign * (dev[-1] - dev[0]),
        test_gain=turned[-1] - turned[0],
        value=value,
        relative=relative,
    )
