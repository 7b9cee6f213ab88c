"""How much was lost by selecting on data that the target does not see.

A sweep selects by source dev data. Where an oracle has read target dev data as well, the same
rule applied to the oracle's numbers says what could have been selected; the difference on the
oracle's metric is the selection regret. Both choices are made among configurations, and every
value is a mean over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from raysearch.findings.sweep import Regret, oracle_goal
from raysearch.leaderboard.card import Mode, SweepCard
from raysearch.leaderboard.keys import column_values, rows_at, rows_with
from raysearch.leaderboard.rank import Ranked, Ranking, rank
from raysearch.leaderboard.tasks import task_names
from raysearch.run import MetricGoal
from raysearch.statistics.ranks import spearman

__all__ = ["regrets"]


def regrets(
    table: pa.Table, readings: pa.Table, card: SweepCard, role: str, *, mode: Mode | None = None
) -> list[Regret]:
    """Selection regret per task, in the sweep's order.

    Args:
        table: Rows of *trials* of one sweep.
        readings: The oracle's rows, with its metrics.
        card: Metric, cells, tasks and the rule that selects.
        role: The oracle's role, for example ``target_dev``.
        mode: ``per_task`` selects within each task; ``joint`` selects one configuration over
            all, so that a task's regret may be below 0, and adds their aggregate as a last
            entry with an empty task; None for the sweep's own.

    Raises:
        ConfigError: The trials or the readings do not have the metric.
    """
    goal, wanted = card.goal, oracle_goal(card.goal, role)
    tasks = task_names(table, card.tasks)
    if (mode or card.mode) == "per_task" or len(tasks) < 2:
        found = []
        for task in tasks:
            own = rank(rows_with(table, "task", task), goal, cells=card.cells_of_task)
            numbers = [item.trial for item in own if item.rank]
            rows = _rows_of(rows_with(readings, "task", task), numbers)
            oracle = rank(rows, wanted, cells=card.cells_of_task)
            found.append(_compare(task, own, oracle, goal))
        return found
    own = rank(table, goal, cells=card.cells_of_all, aggregate=card.aggregate)
    numbers = [item.trial for item in own if item.rank]
    rows = _rows_of(readings, numbers)
    oracle = rank(rows, wanted, cells=card.cells_of_all, aggregate=card.aggregate)
    return [_compare(task, own, oracle, goal) for task in (*tasks, "")]


def _rows_of(readings: pa.Table, numbers: Collection[int]) -> pa.Table:
    """The readings of these trials; a trial that is no longer complete does not count."""
    known = np.isin(column_values(readings, "trial"), list(numbers))
    return rows_at(readings, np.flatnonzero(known))


def _compare(task: str, own: Ranking, oracle: Ranking, goal: MetricGoal) -> Regret:
    complete = [item for item in own if item.rank]
    read = {item.trial: item for item in oracle if item.rank}
    chosen = complete[0] if complete else None
    best = oracle[0] if read else None
    both = [(item, read[item.trial]) for item in complete if item.trial in read]
    chosen_value = _value(read.get(chosen.trial) if chosen else None, task)
    oracle_value = _value(best, task)
    loss = oracle_value - chosen_value
    return Regret(
        task=task,
        chosen=chosen.trial if chosen else None,
        chosen_value=chosen_value,
        oracle=best.trial if best else None,
        oracle_value=oracle_value,
        agreement=_agreement(both, task),
        read=len(read),
        missing=len(complete) - len(read),
        value=loss if goal.direction == "maximize" else -loss,
    )


def _agreement(both: Sequence[tuple[Ranked, Ranked]], task: str) -> float:
    return spearman(
        [_value(first, task) for first, _ in both], [_value(second, task) for _, second in both]
    )


def _value(item: Ranked | None, task: str) -> float:
    """The mean within a task, or what ranks over all of them."""
    if item is None:
        return math.nan
    return item.by_task.get(task, math.nan) if task else item.score
