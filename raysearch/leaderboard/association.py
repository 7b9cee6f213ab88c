"""Which settings go with the metric: the order in which a narrow table shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from raysearch.leaderboard.keys import Floats
from raysearch.leaderboard.ranked import Ranked, Standing

__all__ = ["most_telling"]

_FEWEST = 5
"""Complete trials below which no order is better than the config's own."""


def most_telling(ranking: Iterable[Ranked], names: Sequence[str]) -> list[str]:
    """Settings by how much of the metric's ranks they explain, less what chance would.

    That is Spearman's ρ² less 1 / (n − 1) for a number, and for names the share η² of the
    variance of ranks between them, less (k − 1) / (n − 1) for k names. It orders columns; it
    is no test of importance.

    Args:
        ranking: Configurations; the n complete ones count.
        names: Settings that differ.

    Returns:
        The same names; ties, and all of them when n < 5, stay in their order.
    """
    rows = [
        item for item in ranking if item.standing is Standing.COMPLETE and item.mean == item.mean
    ]
    if len(rows) < _FEWEST:
        return list(names)
    ranks = _ranks([item.mean for item in rows])
    share = {name: _share([item.config.get(name) for item in rows], ranks) for name in names}
    return sorted(names, key=lambda name: -share[name])


def _share(values: Sequence[Any], ranks: Floats) -> float:
    """Explained share of the variance of `ranks`, less its expectation under chance."""
    spread = float(((ranks - ranks.mean()) ** 2).sum())
    if spread == 0:
        return 0.0
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        own = _ranks(values)
        both = spread * float(((own - own.mean()) ** 2).sum())
        if both == 0:
            return 0.0
        covariance = float(((own - own.mean()) * (ranks - ranks.mean())).sum())
        return covariance**2 / both - 1 / (len(ranks) - 1)
    groups = [ranks[[value == name for value in values]] for name in dict.fromkeys(values)]
    between = sum(len(group) * (group.mean() - ranks.mean()) ** 2 for group in groups)
    return float(between) / spread - (len(groups) - 1) / (len(ranks) - 1)


def _ranks(values: Sequence[float]) -> Floats:
    """Ranks from 0; equal values share the mean of theirs."""
    _, inverse, count = np.unique(
        np.asarray(values, float), return_inverse=True, return_counts=True
    )
    last = np.cumsum(count)
    return np.asarray((last - (count + 1) / 2)[inverse], dtype=np.float64)
