"""Permutation tests, which are exact for any number of values.

A permutation test shuffles one side of the data, as if it had nothing to do with the other, and
counts how often the statistic is as large. The p-value counts the data as one of the permutations,
so that without any effect it is at most α in at most a fraction α of cases, at every sample size
and with any distribution (Phipson and Smyth, *Permutation p-values should never be zero*, 2010,
eq. 2). A bootstrap interval has no such guarantee: with five values its percentiles exclude zero in
12 of 100 cases without an effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, TypeVar

import numpy as np

from raysearch.leaderboard.keys import Floats

__all__ = [
    "ALPHA",
    "FEWEST",
    "corrected",
    "dealt",
    "difference_p",
    "directions",
    "explained",
    "explained_p",
    "holm",
    "permutation_p",
]

_K = TypeVar("_K")
_Found = TypeVar("_Found", bound=Any)

FEWEST = 8
"""Configurations below which no association is reported, whatever the p-value."""
ALPHA = 0.05
"""Significance level of a finding's corrected p-value."""
_DEALS = 1999
_MOST = 20_000
"""Splits that are enumerated; of more, `_DEALS` are drawn."""


def permutation_p(observed: float, deals: Floats) -> float:
    """The p-value of a statistic, larger being more of an effect.

    Args:
        observed: The statistic of the data.
        deals: The same of each permutation, (D,).

    Returns:
        (1 + permutations that reach it) / (1 + D), in (0, 1]; NaN if `observed` is.
    """
    if math.isnan(observed):
        return math.nan
    # A permutation equal to the data may differ from it by rounding.
    reached = deals >= observed - 1e-12 * max(abs(observed), 1.0)
    return (1 + int(reached.sum())) / (1 + len(deals))


def directions(columns: Floats) -> Floats:
    """Orthonormal basis of what the columns, (N, K), can explain beside a mean, (N, ≤ K)."""
    found, sizes, _ = np.linalg.svd(columns - columns.mean(axis=0), full_matrices=False)
    return np.asarray(found[:, sizes > 1e-9 * max(float(sizes.max(initial=0.0)), 1e-300)])


def explained(values: Floats, found: Floats) -> Any:
    """Fraction of the variance of values, (…, N), in the `directions`; (…), 0 if all are equal.

    For one column it is Pearson's r², for indicators of groups η².
    """
    around = values - values.mean(axis=-1, keepdims=True)
    whole = np.square(around).sum(axis=-1)
    inside = np.square(around @ found).sum(axis=-1)
    return np.divide(inside, whole, out=np.zeros_like(inside), where=whole > 0)


def explained_p(values: Floats, columns: Floats, deals: Floats) -> float:
    """The p-value of how much of the values' variance the columns explain.

    Args:
        values: (N,).
        columns: (N, K), as for `directions`.
        deals: The values in random orders, (D, N), from `dealt`.
    """
    found = directions(columns)
    return permutation_p(float(explained(values, found)), explained(deals, found))


def dealt(values: Floats, *, deals: int = _DEALS, seed: int = 0) -> Floats:
    """The values in random orders, (deals, N); deterministic for equal input."""
    random = np.random.default_rng(seed)
    return random.permuted(np.broadcast_to(values, (deals, len(values))), axis=1)


def difference_p(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> float:
    """P-value of equal means of two sets of scores, two-sided; NaN for an empty side.

    Enumerates all splits of the scores into sets of these sizes if they are at most 20,000,
    which is up to 8 and 8.
    """
    n, pooled = len(first), np.array([*first, *second], dtype=np.float64)
    if not 0 < n < len(pooled):
        return math.nan
    total, rest = float(pooled.sum()), len(pooled) - n

    def apart(sums: Floats) -> Floats:
        return np.abs(sums / n - (total - sums) / rest)

    observed = float(apart(np.array([pooled[:n].sum()]))[0])
    if math.comb(len(pooled), n) > _MOST:
        return permutation_p(observed, apart(dealt(pooled, seed=seed)[:, :n].sum(axis=1)))
    splits = np.array(list(combinations(range(len(pooled)), n)))
    reached = apart(pooled[splits].sum(axis=1)) >= observed - 1e-12 * max(1.0, abs(total))
    return float(reached.mean())  # the data's own split is among them


def holm(p_values: Sequence[float]) -> Floats:
    """Each p-value corrected for how many there are; NaN stays and does not count.

    Holm, *A simple sequentially rejective multiple test procedure* (1979): the chance that any
    of those without an effect falls below α is at most α.

    Args:
        p_values: (P,).

    Returns:
        (P,), in their order.
    """
    bare = np.asarray(p_values, dtype=np.float64)
    found, worst = np.full(len(bare), math.nan), 0.0
    known = np.flatnonzero(~np.isnan(bare))
    for smaller, index in enumerate(known[np.argsort(bare[known], kind="stable")]):
        worst = max(worst, min(1.0, float(bare[index]) * (len(known) - smaller)))
        found[index] = worst
    return found


def corrected(found: Mapping[_K, _Found]) -> dict[_K, _Found]:
    """Findings (dataclasses with a `p_value`, or None) with p-values corrected by `holm`."""
    p_values = holm([math.nan if one is None else one.p_value for one in found.values()])
    return {
        key: one if one is None else replace(one, p_value=float(p))
        for (key, one), p in zip(found.items(), p_values, strict=True)
    }
