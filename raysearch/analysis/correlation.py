"""Associates settings with the metric, and orders them for a narrow table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysearch.findings.sweep import Association, TaskColumn
from raysearch.leaderboard.card import SweepCard
from raysearch.leaderboard.keys import Floats
from raysearch.leaderboard.rank import Ranked, Ranking, RankStatus, varying
from raysearch.leaderboard.tasks import rank_tasks, searched
from raysearch.metrics import ranks_of
from raysearch.run import MetricGoal
from raysearch.statistics.intervals import pearson
from raysearch.statistics.permutation import (
    FEWEST,
    corrected,
    dealt,
    directions,
    explained,
    explained_p,
)

__all__ = [
    "association",
    "most_telling",
    "ordered_settings",
    "task_columns",
    "task_settings",
]

_FEWEST = 5
"""Complete trials below which settings stay in the config's own order."""


def association(ranking: Iterable[Ranked], name: str, goal: MetricGoal) -> Association | None:
    """The association of one setting with the rank.

    It describes the trials that a sweep chose to run and ran to their end. Its p-value is for
    this setting alone; for several, see `corrected`.

    Args:
        ranking: Configurations; the complete ones that have the setting count.
        name: The setting; those that lack it, under a condition, are left out.
        goal: Direction of the metric.

    Returns:
        None for fewer than 8 configurations, or if setting or metric is constant.
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
    """Order settings by how much of the metric's ranks they explain beyond chance.

    That is Spearman's ρ² − 1 / (n − 1) for a number, and for names the fraction η² of the
    variance of ranks between them, minus (k − 1) / (n − 1) for k names. It orders columns and is
    not a test of importance.

    Args:
        rankings: One or several, each within its own task; the n complete configurations of
            each count, and the sum over the rankings orders.
        names: Settings that differ.

    Returns:
        The same names; ties, and all of them if n < 5 everywhere, stay in their order.
    """
    total = dict.fromkeys(names, 0.0)
    for ranking in rankings:
        rows = _complete(ranking)
        if len(rows) >= _FEWEST:
            ranks = ranks_of([item.score for item in rows])
            for name in names:
                total[name] += _share([item.config.get(name) for item in rows], ranks)
    return sorted(names, key=lambda name: -total[name])


def ordered_settings(rankings: Sequence[Ranking], table: pa.Table) -> list[str]:
    """Searched settings, the strongest association first, then those only the paper's differ in."""
    first = most_telling(rankings, searched(table))
    return first + [name for name in varying(table) if name not in first]


def _complete(ranking: Iterable[Ranked]) -> list[Ranked]:
    return [
        item for item in ranking if item.status is RankStatus.COMPLETE and np.isfinite(item.score)
    ]


def _share(values: Sequence[Any], ranks: Floats) -> float:
    """Explained fraction of the variance of `ranks`, minus its expectation under chance."""
    if len(set(ranks.tolist())) < 2 or len(set(values)) < 2:
        return 0.0
    if _numeric(values):
        return pearson(ranks_of(values), ranks) ** 2 - 1 / (len(ranks) - 1)
    return _between(values, ranks) - (len(set(values)) - 1) / (len(ranks) - 1)


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _between(values: Sequence[Any], ranks: Floats) -> float:
    """η²: the fraction of the variance of `ranks` that lies between the names."""
    return float(explained(ranks, directions(_indicators(values))))


def _indicators(values: Sequence[Any]) -> Floats:
    """Indicator of each distinct name, (N, names)."""
    names = dict.fromkeys(values)
    return np.array([[float(value == name) for name in names] for value in values])


def task_columns(
    rankings: Mapping[str, Ranking], goal: MetricGoal, names: Sequence[str]
) -> list[TaskColumn]:
    """Per task the best configuration, and each setting's association with the metric."""
    found = corrected(
        {
            (task, name): association(ranking, name, goal)
            for task, ranking in rankings.items()
            for name in names
        }
    )
    columns = []
    for task, ranking in rankings.items():
        first = ranking[0] if len(ranking) and ranking[0].rank == 1 else None
        columns.append(
            TaskColumn(
                task=task,
                best=first,
                complete=ranking.counts().get(RankStatus.COMPLETE, 0),
                associations={name: found[task, name] for name in names},
            )
        )
    return columns


def task_settings(table: pa.Table, card: SweepCard) -> tuple[list[TaskColumn], list[str]]:
    """Each task's column on the searched settings, and these, the strongest association first.

    Args:
        table: Rows of *trials* of one sweep.
        card: Ranks them; its order of tasks is that of the columns.

    Raises:
        ConfigError: No row of a task has the metric.
    """
    rankings = rank_tasks(table, card.goal, cells=card.cells_of_task, order=card.tasks)
    names = most_telling(list(rankings.values()), searched(table))
    return task_columns(rankings, card.goal, names), names
