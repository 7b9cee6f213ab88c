"""Which settings go with the metric: how strongly, and in which order a narrow table shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysearch.leaderboard.keys import Floats
from raysearch.leaderboard.rank import Ranked, RankStatus
from raysearch.run import MetricGoal
from raysearch.statistics.permutation import (
    ALPHA,
    FEWEST,
    dealt,
    directions,
    explained,
    explained_p,
)
from raysearch.statistics.ranks import pearson, ranks_of

__all__ = ["Association", "association", "most_telling"]

_FEWEST = 5
"""Complete trials below which no order is better than the config's own."""


@dataclass(frozen=True, kw_only=True)
class Association:
    """How a setting goes with the metric's ranks over complete configurations.

    Attributes:
        value: Spearman's ρ in [-1, 1] of a number, above 0 where larger values do better; η in
            [0, 1] of names: the root of the share of variance that lies between them.
        signed: Whether it is ρ.
        count: Configurations that have the setting.
        p_value: Chance of one so large where setting and metric have nothing to do with each
            other, by permutation.
    """

    value: float
    signed: bool
    count: int
    p_value: float

    @property
    def told(self) -> bool:
        """Whether it can be told from none."""
        return self.p_value < ALPHA


def association(ranking: Iterable[Ranked], name: str, goal: MetricGoal) -> Association | None:
    """How one setting goes with what ranks.

    It describes the trials that a sweep chose to run and ran to their end. Its p-value is of this
    setting alone; of several, see `corrected`.

    Args:
        ranking: Configurations; the complete ones count that have the setting.
        name: The setting; where it is a condition's, those that lack it are left out.
        goal: Direction of the metric.

    Returns:
        None for fewer than 8 configurations, or where setting or metric is constant.
    """
    rows = [item for item in _complete(ranking) if item.config.get(name) is not None]
    scores = [item.score if goal.direction == "maximize" else -item.score for item in rows]
    values = [item.config[name] for item in rows]
    if len(rows) < FEWEST or len(set(values)) < 2 or len(set(scores)) < 2:
        return None
    ranks, signed = ranks_of(scores), _numeric(values)
    own = ranks_of([float(value or 0) for value in values]) if signed else np.empty(0)
    columns = own[:, None] if signed else _indicators(values)
    return Association(
        value=pearson(own, ranks) if signed else math.sqrt(_between(values, ranks)),
        signed=signed,
        count=len(rows),
        p_value=explained_p(ranks, columns, dealt(ranks)),
    )


def most_telling(rankings: Sequence[Iterable[Ranked]], names: Sequence[str]) -> list[str]:
    """Settings by how much of the metric's ranks they explain, less what chance would.

    That is Spearman's ρ² less 1 / (n − 1) for a number, and for names the share η² of the
    variance of ranks between them, less (k − 1) / (n − 1) for k names. It orders columns; it
    is no test of importance.

    Args:
        rankings: One or several, each within its own task; the n complete configurations of
            each count, and the sum over the rankings orders.
        names: Settings that differ.

    Returns:
        The same names; ties, and all of them when n < 5 everywhere, stay in their order.
    """
    total = dict.fromkeys(names, 0.0)
    for ranking in rankings:
        rows = _complete(ranking)
        if len(rows) >= _FEWEST:
            ranks = ranks_of([item.score for item in rows])
            for name in names:
                total[name] += _share([item.config.get(name) for item in rows], ranks)
    return sorted(names, key=lambda name: -total[name])


def _complete(ranking: Iterable[Ranked]) -> list[Ranked]:
    return [
        item for item in ranking if item.standing is RankStatus.COMPLETE and np.isfinite(item.score)
    ]


def _share(values: Sequence[Any], ranks: Floats) -> float:
    """Explained share of the variance of `ranks`, less its expectation under chance."""
    if len(set(ranks.tolist())) < 2 or len(set(values)) < 2:
        return 0.0
    if _numeric(values):
        return pearson(ranks_of(values), ranks) ** 2 - 1 / (len(ranks) - 1)
    return _between(values, ranks) - (len(set(values)) - 1) / (len(ranks) - 1)


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _between(values: Sequence[Any], ranks: Floats) -> float:
    """η²: the share of the variance of `ranks`, which vary, that lies between the names."""
    return float(explained(ranks, directions(_indicators(values))))


def _indicators(values: Sequence[Any]) -> Floats:
    """Of which of the names each value is, (N, names)."""
    names = dict.fromkeys(values)
    return np.array([[float(value == name) for name in names] for value in values])
