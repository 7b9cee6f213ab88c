"""Who came first: the cells of every configuration together, ordered by the goal.

A configuration is a trial number of a sweep; its cells (task × seed) are rows. Its score is
the mean of the metric over its cells, with the standard deviation (n − 1) beside it, or, where
a sweep says so, the worst of its tasks' means. Only complete configurations get a rank; then
come, in this order and without one, those whose cells are not all in, those stopped early
(their last value is shown), and those that failed or whose score is not a finite number. All
of it is arithmetic on whole columns: 100,000 rows take under a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysearch.errors import ConfigError, known_names
from raysearch.leaderboard.card import Aggregate
from raysearch.leaderboard.keys import Codes, Floats, column_values, distinct, group_rows, rows_at
from raysearch.leaderboard.ranked import Ranking, Standing
from raysearch.trial import MetricGoal, TrialState

__all__ = ["rank", "varying"]

_STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED)
"""From the best end to the worst: a configuration stands as its worst cell."""
_STANDINGS = (*(Standing(state) for state in _STATES), Standing.PARTIAL)


def rank(
    table: pa.Table, goal: MetricGoal, *, cells: int = 0, aggregate: Aggregate = "mean"
) -> Ranking:
    """Configurations in the order of the goal; ties go to the lower trial number.

    Args:
        table: Rows of *trials*, any number of sweeps.
        goal: The metric and its direction.
        cells: How many cells a configuration must have to be ranked; 0 for any number.
        aggregate: Whether the mean over the cells ranks, or the worst mean of a task.

    Raises:
        ConfigError: No row has the metric, although some are complete.
    """
    if table.num_rows == 0:
        return Ranking.none()
    severity = _severity(table)
    values = _metric(table, goal, needed=bool((severity == 0).any()))
    group, _ = group_rows(table, ("sweep", "trial"))
    size = np.bincount(group)
    # Of each configuration the row that says how it ended: its worst, else the first.
    first = np.lexsort((-severity, group))[np.cumsum(size) - size]
    partial = (severity[first] == 0) & (size < cells)
    mean, sd = _mean_and_sd(values, group)
    # A complete configuration that lacks the metric in some cell has no score.
    mean[(severity[first] == 0) & (np.bincount(group, np.isnan(values)) > 0)] = np.nan
    by_task = _task_means(table, values, group)
    score = mean if aggregate == "mean" else _worst(by_task, mean, goal)

    place = np.where(partial, 1, np.array([0, 2, 3])[severity[first]])
    place[~np.isfinite(score)] = 3
    signed = -score if goal.direction == "maximize" else score
    number = column_values(table, "trial")[first]
    chosen = np.lexsort((number, np.where(place == 3, 0.0, signed), place))

    picked = rows_at(table, first[chosen])
    columns: dict[str, Sequence[Any]] = {
        name: picked.column(name).to_pylist() for name in ("sweep", "trial", "method", "reason")
    }
    ranked = int((place == 0).sum())
    config = {name[7:]: picked.column(name).to_pylist() for name in _named(table, "config/")}
    metrics = {
        name[7:]: _mean_and_sd(column_values(table, name), group)[0][chosen].tolist()
        for name in _named(table, "metric/")
    }
    standings = np.where(partial, len(_STATES), severity[first])[chosen]
    columns |= {
        "rank": [i + 1 if i < ranked else None for i in range(len(chosen))],
        "tasks": _tasks(table, group, chosen),
        "standing": [_STANDINGS[code] for code in standings.tolist()],
        "cells": size[chosen].tolist(),
        "score": score[chosen].tolist(),
        "mean": mean[chosen].tolist(),
        "sd": sd[chosen].tolist(),
        "seconds": _sums(table, "seconds", group)[chosen].tolist(),
        "steps": _sums(table, "steps", group)[chosen].astype(int).tolist(),
    }
    means = {name: column[chosen].tolist() for name, column in by_task.items()}
    return Ranking(columns, config, metrics, means)


def varying(table: pa.Table) -> list[str]:
    """The settings that differ between trials, without their prefix, in the config's order."""
    return [name[7:] for name in _named(table, "config/") if group_rows(table, [name])[1] > 1]


def _metric(table: pa.Table, goal: MetricGoal, *, needed: bool) -> Floats:
    column = f"metric/{goal.name}"
    if column in table.column_names:
        return column_values(table, column)
    if needed:
        known = [name[7:] for name in _named(table, "metric/")]
        raise ConfigError(
            f"`--metric` must be a metric of these trials, but got {goal.name!r}; "
            + (known_names(known) if known else "none of them has any metric")
        )
    return np.full(table.num_rows, np.nan)


def _severity(table: pa.Table) -> Codes:
    """Index into `_STATES` of every row, (N,)."""
    index = {str(state): code for code, state in enumerate(_STATES)}
    codes = [index[state] for state in table.column("state").to_pylist()]
    return np.array(codes, dtype=np.int64)


def _mean_and_sd(values: Floats, group: Codes) -> tuple[Floats, Floats]:
    """Mean and sd (n − 1) per group over the values that are numbers, (G,) each."""
    there = ~np.isnan(values)
    known = np.where(there, values, 0.0)
    count = np.bincount(group, there)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(group, known) / count
        squares = np.bincount(group, np.where(there, (values - mean[group]) ** 2, 0.0))
        return mean, np.where(count > 1, np.sqrt(squares / (count - 1)), np.nan)


def _task_means(table: pa.Table, values: Floats, group: Codes) -> dict[str, Floats]:
    """Mean per task and group, (G,) each; NaN where a configuration has no cell of the task."""
    task, count = group_rows(table, ["task"])
    # The codes of one column are in the order of first appearance, as `distinct` is.
    return {
        name: _mean_and_sd(np.where(task == code, values, np.nan) if count > 1 else values, group)[
            0
        ]
        for code, name in enumerate(distinct(table, "task"))
    }


def _worst(by_task: dict[str, Floats], mean: Floats, goal: MetricGoal) -> Floats:
    """The worst task's mean, (G,); NaN where there is no score at all."""
    pick = np.fmin if goal.direction == "maximize" else np.fmax
    return np.where(np.isnan(mean), np.nan, pick.reduce(list(by_task.values())))


def _sums(table: pa.Table, name: str, group: Codes) -> Floats:
    return np.bincount(group, np.nan_to_num(column_values(table, name))).astype(np.float64)


def _tasks(table: pa.Table, group: Codes, chosen: Codes) -> list[str]:
    names = distinct(table, "task")
    if len(names) == 1:
        return list(names) * len(chosen)
    tasks: dict[int, set[str]] = {}
    for index, name in dict.fromkeys(
        zip(group.tolist(), table.column("task").to_pylist(), strict=True)
    ):
        tasks.setdefault(index, set()).add(name)
    return [", ".join(sorted(tasks[index])) for index in chosen.tolist()]


def _named(table: pa.Table, prefix: str) -> list[str]:
    return [name for name in table.column_names if name.startswith(prefix)]
