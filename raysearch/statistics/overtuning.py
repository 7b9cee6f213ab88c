"""Did tuning overshoot: is what dev data selected worse on test than what was there before?

Schneider, Bischl and Feurer, *Overtuning in Hyperparameter Optimization* (AutoML 2025), sec. 3:
of the incumbents λ*₁ … λ*_t, the configurations that were best on validation data when their
turn came, overtuning is how much worse the last is on test data than the best of them; in
relation to what tuning gained on test, above 1 says that the last is worse than the first,
the default.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from raysearch.run import MetricGoal

__all__ = ["Overtuning", "overtuning"]


@dataclass(frozen=True, kw_only=True)
class Overtuning:
    """What tuning gained on dev, and what of it is there on test.

    Attributes:
        dev_gain: Dev metric of the last incumbent less that of the first, turned so that above
            0 is a gain.
        test_gain: The same of the test metric.
        value: How far the last incumbent's test metric is from the best incumbent's; 0 or more.
        relative: `value` by what the best incumbent gained on test over the first; inf where
            that is nothing and `value` is not; 0 where both are.
    """

    dev_gain: float
    test_gain: float
    value: float
    relative: float

    @property
    def worse_than_first(self) -> bool:
        """Whether the tuned one is worse on test than the default."""
        return self.test_gain < 0


def overtuning(dev: Sequence[float], test: Sequence[float], goal: MetricGoal) -> Overtuning:
    """Overtuning of a sequence of incumbents, the default first.

    Args:
        dev: Dev metric of every incumbent in the order of their turns; at least the first.
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
