"""How far may a mean, a lead or a correlation be off.

Few cells stand behind a configuration, so Student's t is used for means over cells; its
quantiles are a table, because scipy takes longer to import than a board to open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raysearch.analysis.correlation import ranks_of, spearman
from raysearch.analysis.statistics.permutation import (
    ALPHA,
    FEWEST,
    dealt,
    explained_p,
)

__all__ = [
    "Interval",
    "Lead",
    "RankCorrelation",
    "lead",
    "mean_interval",
    "rank_correlation",
    "t_quantile",
]

_QUANTILES = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""97.5 % of Student's t for 1 to 30 degrees of freedom."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure with its 95 % interval; the ends are NaN where none can be given.

    Attributes:
        value: The figure.
        low: Lower end.
        high: Upper end.
        count: What it rests on.
    """

    value: float
    low: float
    high: float
    count: int

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def holds(self, value: float) -> bool:
        """Whether a value lies within."""
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class RankCorrelation(Interval):
    """Spearman's ρ with its interval and a test.

    Attributes:
        p_value: Chance of one so far from 0 where there is none; NaN where there is no interval.
    """

    p_value: float

    @property
    def told(self) -> bool:
        """Whether it can be told from none."""
        return self.p_value < ALPHA


@dataclass(frozen=True, kw_only=True)
class Lead:
    """How far one configuration is ahead of another.

    Attributes:
        difference: Mean difference, above 0 where the first is better, with its interval.
        sure: Whether the interval excludes 0.
    """

    difference: Interval
    sure: bool


def t_quantile(freedom: int) -> float:
    """97.5 % of Student's t, to three digits; NaN for no degree of freedom."""
    if freedom < 1:
        return math.nan
    if freedom <= len(_QUANTILES):
        return _QUANTILES[freedom - 1]
    return 1.95996 + 2.3723 / freedom + 2.8225 / freedom**2  # within 0.0002 for more than 30


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of some cells with its t interval; no interval for fewer than two."""
    found = [value for value in values if math.isfinite(value)]
    count = len(found)
    if count == 0:
        return Interval(value=math.nan, low=math.nan, high=math.nan, count=0)
    mean = float(np.mean(found))
    if count == 1:
        return Interval(value=mean, low=math.nan, high=math.nan, count=1)
    half = t_quantile(count - 1) * float(np.std(found, ddof=1)) / math.sqrt(count)
    return Interval(value=mean, low=mean - half, high=mean + half, count=count)


def lead(differences: Sequence[float], *, higher: bool) -> Lead | None:
    """How far the first is ahead of the second; None without a difference.

    Args:
        differences: First less second, paired; see `raysearch.objective.paired_differences`.
        higher: Whether higher is better.
    """
    turned = [value if higher else -value for value in differences if math.isfinite(value)]
    if not turned:
        return None
    difference = mean_interval(turned)
    return Lead(difference=difference, sure=difference.known and not difference.holds(0.0))


def rank_correlation(
    first: Sequence[float], second: Sequence[float], *, seed: int = 0
) -> RankCorrelation:
    """Spearman's ρ, its 95 % interval, and whether it can be told from none.

    The interval is that of Bonett and Wright, *Sample size requirements for estimating Pearson,
    Kendall and Spearman correlations* (2000), eq. 3; a perfect order counts as half a swap of
    neighbours short of one. The p-value is that of the permutation test, which is exact.

    Args:
        first: Finite values, (N,).
        second: Finite values, (N,).
        seed: Of the permutations.

    Returns:
        NaN where one side is constant; neither interval nor p-value for fewer than eight pairs.
    """
    count = len(first)
    if len(set(first)) < 2 or len(set(second)) < 2:
        return RankCorrelation(
            value=math.nan, low=math.nan, high=math.nan, count=count, p_value=math.nan
        )
    value = spearman(first, second)
    if count < FEWEST:
        return RankCorrelation(
            value=value, low=math.nan, high=math.nan, count=count, p_value=math.nan
        )
    most = 1 - 6 / (count**3 - count)
    middle = math.atanh(min(max(value, -most), most))
    half = 1.959964 * math.sqrt((1 + value**2 / 2) / (count - 3))
    ranks = ranks_of(second)
    return RankCorrelation(
        value=value,
        low=math.tanh(middle - half),
        high=math.tanh(middle + half),
        count=count,
        p_value=explained_p(ranks, ranks_of(first)[:, None], dealt(ranks, seed=seed)),
    )
