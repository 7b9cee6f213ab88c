"""Ranks configurations within each task of a sweep and over all of them; finds searched settings.

A sweep over several tasks (language pairs) either ranks a configuration over all of them or
searches each separately; its rows can be viewed either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from raysearch.leaderboard.card import Mode, SearchRange, SweepCard, is_number
from raysearch.leaderboard.keys import (
    column_values,
    distinct,
    group_rows,
    rows_at,
    rows_with,
)
from raysearch.leaderboard.rank import Ranking, rank
from raysearch.run import MetricGoal, Scalar

__all__ = [
    "first_trials",
    "ranges_of",
    "rankings",
    "rank_all",
    "rank_tasks",
    "same_settings",
    "searched",
    "task_names",
]


def task_names(table: pa.Table, order: Iterable[str] = ()) -> tuple[str, ...]:
    """The tasks that have rows, in the sweep's own `order`, then any others by name."""
    found = set(distinct(table, "task"))
    first = tuple(name for name in dict.fromkeys(order) if name in found)
    return first + tuple(sorted(found - set(first)))


def first_trials(rows: Iterable[tuple[str, int]], mode: Mode | None = None) -> dict[str, int]:
    """Task to the number of its first trial, which has the paper's own setting.

    In a joint sweep that is the first trial of all, even if it failed or was stopped before it
    reached the task; the task's next trial has another setting.

    Args:
        rows: Task and trial number of every row of one sweep.
        mode: The sweep's; None if unknown: then ``joint`` if a trial has several tasks.
    """
    tasks_of: dict[int, set[str]] = {}
    for task, number in rows:
        tasks_of.setdefault(number, set()).add(task)
    if mode is None:
        mode = "joint" if any(len(tasks) > 1 for tasks in tasks_of.values()) else "per_task"
    firsts: dict[str, int] = {}
    for number in sorted(tasks_of):
        for task in tasks_of[number]:
            firsts.setdefault(task, min(tasks_of) if mode == "joint" else number)
    return firsts


def rank_tasks(
    table: pa.Table, goal: MetricGoal, *, cells: int = 0, order: Iterable[str] = ()
) -> dict[str, Ranking]:
    """The configurations ranked within each task.

    Args:
        table: Rows of *trials*.
        goal: The metric and its direction.
        cells: Cells of a complete configuration within one task; 0 for any number.
        order: Tasks in the sweep's order.

    Raises:
        ConfigError: No row of a task has the metric, although some are complete.
    """
    return {
        name: rank(rows_with(table, "task", name), goal, cells=cells)
        for name in task_names(table, order)
    }


def rank_all(table: pa.Table, card: SweepCard) -> Ranking:
    """The configurations ranked over all tasks of the sweep.

    If each task was searched separately, those of equal settings are one (`same_settings`).

    Args:
        table: Rows of *trials*.
        card: Metric, cells and rule.

    Raises:
        ConfigError: No row has the metric, although some are complete.
    """
    alone = card.mode == "per_task" and len(task_names(table, card.tasks)) > 1
    rows = same_settings(table) if alone else table
    return rank(rows, card.goal, cells=card.cells_of_all, aggregate=card.aggregate)


def rankings(table: pa.Table, card: SweepCard, *, within: bool | None = None) -> dict[str, Ranking]:
    """A ranking within each task, or one over all, whose name is empty.

    Args:
        table: Rows of *trials*.
        card: Metric, cells and rule.
        within: Which; None for what the sweep was made for.

    Raises:
        ConfigError: No row has the metric, although some are complete.
    """
    if card.alone if within is None else within:
        return rank_tasks(table, card.goal, cells=card.cells_of_task, order=card.tasks)
    return {"": rank_all(table, card)}


def same_settings(table: pa.Table) -> pa.Table:
    """Give rows with equal settings one trial number, the lowest of them.

    In a sweep that searches each task separately the same settings have a different number in
    each; renumbered, they rank as one configuration. Of several rows of one cell the first stays.
    """
    if table.num_rows == 0:
        return table
    settings = [name for name in table.column_names if name.startswith("config/")]
    number = column_values(table, "trial").astype(np.int64)
    alike, count = group_rows(table, ["sweep", *settings])
    lowest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(lowest, alike, number)
    cell, _ = group_rows(table, ["sweep", *settings, "task", "seed"])
    order = np.lexsort((number, cell))
    first = order[np.unique(cell[order], return_index=True)[1]]
    column = table.column_names.index("trial")
    renumbered = table.set_column(
        column, table.schema.field(column), pa.array(lowest[alike].tolist(), pa.int64())
    )
    return rows_at(renumbered, np.sort(first))


def searched(table: pa.Table) -> list[str]:
    """Settings that differ even without the paper's own trial, the first of every task.

    The paper's trial may differ from the others in settings that nobody searched. If nothing
    else differs, all settings that differ at all.
    """
    keys = list(zip(*(table.column(name).to_pylist() for name in ("task", "trial")), strict=True))
    firsts = first_trials(keys)
    later = np.array([number != firsts[task] for task, number in keys], dtype=bool)
    others = rows_at(table, np.flatnonzero(later))
    names = [name for name in table.column_names if name.startswith("config/")]
    for rows in (others, table):
        differ = [name[7:] for name in names if group_rows(rows, [name])[1] > 1]
        if differ:
            return differ
    return []


def ranges_of(table: pa.Table, known: Sequence[SearchRange]) -> tuple[SearchRange, ...]:
    """The sweep's own ranges, else the observed range of every setting that differs."""
    if known:
        return tuple(known)

    return tuple(
        _span(name, table.column(f"config/{name}").to_pylist()) for name in searched(table)
    )


def _span(name: str, values: Sequence[Scalar]) -> SearchRange:
    found = [value for value in dict.fromkeys(values) if value is not None]
    if not all(map(is_number, found)):
        return SearchRange(name=name, choices=tuple(dict.fromkeys(values)))
    low, high = min(map(float, found)), max(map(float, found))
    whole = all(isinstance(value, int) for value in found)
    return SearchRange(
        name=name, low=low, high=high, log=low > 0 and high / low > _WIDE, whole=whole
    )


_WIDE = 50.0
"""A range of positive values with this ratio counts as logarithmic."""
