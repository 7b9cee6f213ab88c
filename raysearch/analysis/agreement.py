"""Do two pairs agree on which settings are important.

Spearman's ρ between their importances, over the settings that both have. Its interval comes
from the bootstrap samples of both, which are independent of each other.
"""

from __future__ import annotations

import numpy as np

from raysearch.analysis.correlation import spearman
from raysearch.analysis.importance import Importances
from raysearch.analysis.intervals import Interval
from raysearch.leaderboard.keys import Floats

__all__ = ["agreement"]

_FEWEST = 3


def agreement(first: Importances, second: Importances) -> Interval:
    """How well two orders of settings agree; NaN for fewer than three settings in common."""
    names = [one.name for one in first.settings]
    others = [one.name for one in second.settings]
    common = [name for name in names if name in others]
    if len(common) < _FEWEST:
        return Interval(value=np.nan, low=np.nan, high=np.nan, count=len(common))
    here = [names.index(name) for name in common]
    there = [others.index(name) for name in common]
    value = spearman(
        [first.settings[index].value for index in here],
        [second.settings[index].value for index in there],
    )
    samples = _rowwise(first.samples[here].T, second.samples[there].T)
    low, high = np.nanquantile(samples, [0.025, 0.975])
    return Interval(value=value, low=float(low), high=float(high), count=len(common))


def _rowwise(first: Floats, second: Floats) -> Floats:
    """Spearman's ρ of each row, (B,)."""
    return np.array([spearman(a.tolist(), b.tolist()) for a, b in zip(first, second, strict=True)])
