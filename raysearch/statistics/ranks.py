"""Ranks, Spearman's correlation, and the Pareto front of two objectives.

Uses numpy alone: `scipy.stats` takes 1.7 s to import, longer than opening a board may take.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from raysearch.leaderboard.keys import Floats

__all__ = ["pareto", "pearson", "ranks_of", "spearman"]


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's ρ in [-1, 1]; NaN for fewer than two pairs, or if one side is constant."""
    if len(set(first)) < 2 or len(set(second)) < 2:
        return math.nan
    return pearson(ranks_of(first), ranks_of(second))


def ranks_of(values: Sequence[float]) -> Floats:
    """Ranks from 0; equal values share their mean rank."""
    _, inverse, count = np.unique(
        np.asarray(values, float), return_inverse=True, return_counts=True
    )
    last = np.cumsum(count)
    return np.asarray((last - (count + 1) / 2)[inverse], dtype=np.float64)


def pearson(first: Floats, second: Floats) -> float:
    """Pearson's r; neither side may be constant."""
    x, y = first - first.mean(), second - second.mean()
    return float((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))


def pareto(first: Sequence[float], second: Sequence[float], up: tuple[bool, bool]) -> list[int]:
    """Indices of the Pareto-optimal points, in order of the first objective, best first.

    Args:
        first: Finite values, (N,).
        second: Finite values, (N,).
        up: Whether higher is better in each.
    """
    x = np.asarray(first, float) * (1 if up[0] else -1)
    y = np.asarray(second, float) * (1 if up[1] else -1)
    found, best = [], -np.inf
    for index in np.lexsort((-y, -x)).tolist():
        if y[index] > best:
            found.append(index)
            best = y[index]
    return found
