"""Ranks configurations by the aggregate of their cells.

A configuration is a trial number of a sweep; its cells (task × seed) are rows. Its score is
`objective.aggregate_value`: the mean over its tasks of the means over their seeds, or, where a
sweep says so, the worst of these. Only complete configurations are ranked, those that have the
metric in every cell; unranked ones follow: those that lack some, those stopped early (with their
last value), and those that failed or have no value. All of it is arithmetic on whole columns:
100,000 rows take under a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, overload

import numpy as np
import pyarrow as pa

from raysearch.errors import ConfigError, known_names
from raysearch.leaderboard.keys import Codes, Floats, column_values, distinct, group_rows, rows_at
from raysearch.objective import Aggregate, exact_mean
from raysearch.run import MetricGoal, RunState, Scalar

__all__ = ["RankStatus", "Ranked", "Ranking", "rank", "varying"]


class RankStatus(StrEnum):
    """Status of a configuration over all its cells."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """One configuration and its rank.

    Attributes:
        rank: From 1; None for a configuration that is not ranked.
        sweep: Name of the sweep.
        trial: The trial's number in the study.
        method: Name of the method.
        tasks: Its cells' tasks, joined by commas.
        status: FAILED or PRUNED when any cell is; PARTIAL when a cell, or its metric, is
            missing; else COMPLETE, and only then is it ranked.
        reason: Why it was pruned or failed, or which metric is missing; empty otherwise.
        cells: Number of cells; for a partial one those that have the metric.
        score: Its value (`objective.aggregate_value`): `mean`, or the worst mean of a
            task; NaN unless every required cell has the metric.
        score_sd: Standard deviation (n − 1) over the cells behind the score: all, or those of
            the worst task; NaN for fewer than two.
        mean: Mean over its tasks of the means over the cells that have the metric; NaN if
            there is none.
        sd: Standard deviation (n − 1) over these cells; NaN for fewer than two.
        seconds: Sum over the cells.
        steps: Sum over the cells.
        config: Settings, without the prefix ``config/``.
        metrics: Mean of every metric, without the prefix ``metric/``.
        by_task: Mean of the ranking metric per task of the table; NaN if missing.
    """

    rank: int | None
    sweep: str
    trial: int
    method: str
    tasks: str
    status: RankStatus
    reason: str
    cells: int
    score: float
    score_sd: float
    mean: float
    sd: float
    seconds: float
    steps: int
    config: Mapping[str, Scalar]
    metrics: Mapping[str, float]
    by_task: Mapping[str, float]


class Ranking(Sequence[Ranked]):
    """Configurations in order; a `Ranked` is created on access.

    Args:
        columns: Fields of `Ranked`, each with one value per configuration.
        config: Setting to its values.
        metrics: Metric to its means.
        by_task: Task to the means of the ranking metric.
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence[Any]],
        config: Mapping[str, Sequence[Scalar]],
        metrics: Mapping[str, Sequence[float]],
        by_task: Mapping[str, Sequence[float]],
    ) -> None:
        self._columns = columns
        self._config = config
        self._metrics = metrics
        self._by_task = by_task

    def __len__(self) -> int:
        return len(self._columns["trial"])

    @overload
    def __getitem__(self, index: int) -> Ranked: ...
    @overload
    def __getitem__(self, index: slice) -> list[Ranked]: ...
    def __getitem__(self, index: int | slice) -> Ranked | list[Ranked]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Ranked(
            config={name: values[index] for name, values in self._config.items()},
            metrics={name: values[index] for name, values in self._metrics.items()},
            by_task={name: values[index] for name, values in self._by_task.items()},
            **{name: values[index] for name, values in self._columns.items()},
        )

    @classmethod
    def none(cls) -> Ranking:
        """The ranking of no configurations."""
        return cls({"trial": [], "status": [], "reason": []}, {}, {}, {})

    def counts(self) -> dict[RankStatus, int]:
        """Number of configurations per status, in the order of `RankStatus`; only those > 0."""
        found = Counter(self._columns["status"])
        return {status: found[status] for status in RankStatus if found[status]}

    def reasons(self, wanted: RankStatus) -> dict[str, list[int]]:
        """Reason to the trial numbers of the configurations with this status, in order."""
        found: dict[str, list[int]] = {}
        names = ("status", "reason", "trial")
        for status, reason, trial in zip(*(self._columns[n] for n in names), strict=True):
            if status is wanted and reason:
                found.setdefault(reason, []).append(trial)
        return found


_STATES = (RunState.COMPLETE, RunState.PRUNED, RunState.FAILED)
"""From best to worst: a configuration has the state of its worst cell."""
_STATUSES = (*(RankStatus(state) for state in _STATES), RankStatus.PARTIAL)


def rank(
    table: pa.Table, goal: MetricGoal, *, cells: int = 0, aggregate: Aggregate = "mean"
) -> Ranking:
    """Configurations in the order of the goal; ties go to the lower trial number.

    Args:
        table: Rows of *trials*, any number of sweeps.
        goal: The metric and its direction.
        cells: Cells of a configuration that is ranked; 0 if unknown: then the largest number
            of any.
        aggregate: Whether the mean over the tasks ranks, or the worst of them.

    Raises:
        ConfigError: No row has the metric, although some are complete.
    """
    if table.num_rows == 0:
        return Ranking.none()
    severity = _severity(table)
    values = _metric(table, goal, needed=bool((severity == 0).any()))
    group, _ = group_rows(table, ("sweep", "trial"))
    size = np.bincount(group)
    # The row with each configuration's final state: its worst, else the first.
    first = np.lexsort((-severity, group))[np.cumsum(size) - size]
    have = np.bincount(group, ~np.isnan(values)).astype(np.int64)
    whole = (have == size) & (size >= (cells or int(size.max())))
    partial = (severity[first] == 0) & ~whole
    found = _values(table, values, group, goal, aggregate)
    # An incomplete configuration shows its partial mean but must not be compared by it.
    shown, score = found.score, np.where(whole, found.score, np.nan)

    tier = np.where(partial, 1, np.array([0, 2, 3])[severity[first]])
    tier[~np.isfinite(shown)] = 3
    signed = -shown if goal.direction == "maximize" else shown
    number = column_values(table, "trial")[first]
    chosen = np.lexsort((number, np.where(tier == 3, 0.0, signed), tier))

    picked = rows_at(table, first[chosen])
    columns: dict[str, list[Any]] = {
        name: picked.column(name).to_pylist() for name in ("sweep", "trial", "method", "reason")
    }
    lacking = np.where(partial, size - have, 0)[chosen]
    for at in np.flatnonzero(lacking).tolist():
        columns["reason"][at] = f"{goal.name} is lacking in {lacking[at]} of its cells"
    ranked = int((tier == 0).sum())
    config = {name[7:]: picked.column(name).to_pylist() for name in _named(table, "config/")}
    metrics = {
        name[7:]: _task_means(table, column_values(table, name), group)[chosen].tolist()
        for name in _named(table, "metric/")
    }
    if goal.name in metrics:  # exactly rounded, as everywhere
        metrics[goal.name] = found.mean[chosen].tolist()
    statuses = np.where(partial, len(_STATES), severity[first])[chosen]
    columns |= {
        "rank": [i + 1 if i < ranked else None for i in range(len(chosen))],
        "tasks": _tasks(table, group, chosen),
        "status": [_STATUSES[code] for code in statuses.tolist()],
        "cells": np.where(partial, have, size)[chosen].tolist(),
        "score": score[chosen].tolist(),
        "score_sd": found.score_sd[chosen].tolist(),
        "mean": found.mean[chosen].tolist(),
        "sd": _mean_and_sd(values, group)[1][chosen].tolist(),
        "seconds": _sums(table, "seconds", group)[chosen].tolist(),
        "steps": _sums(table, "steps", group)[chosen].astype(int).tolist(),
    }
    means = {name: column[chosen].tolist() for name, column in found.by_task.items()}
    return Ranking(columns, config, metrics, means)


def varying(table: pa.Table) -> list[str]:
    """The settings that differ between trials, without their prefix, in the config's order."""
    return [name[7:] for name in _named(table, "config/") if group_rows(table, [name])[1] > 1]


def _metric(table: pa.Table, goal: MetricGoal, *, needed: bool) -> Floats:
    """The metric of every row, (N,); NaN if it is missing or not finite."""
    column = f"metric/{goal.name}"
    if column in table.column_names:
        values = column_values(table, column)
        return np.where(np.isfinite(values), values, np.nan)
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
    """Mean and sd (n − 1) per group over the values that are not NaN, (G,) each."""
    there = ~np.isnan(values)
    known = np.where(there, values, 0.0)
    count = np.bincount(group, there)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(group, known) / count
        squares = np.bincount(group, np.where(there, (values - mean[group]) ** 2, 0.0))
        return mean, np.where(count > 1, np.sqrt(squares / (count - 1)), np.nan)


def _task_means(table: pa.Table, values: Floats, group: Codes) -> Floats:
    """Mean over tasks of the means over their cells, (G,), NaN if there is none.

    Equals `objective.task_mean` except for the last bits.
    """
    task, count = group_rows(table, ["task"])
    if count == 1:
        return _mean_and_sd(values, group)[0]
    groups = int(group.max()) + 1
    size = np.bincount(group * count + task, ~np.isnan(values), minlength=groups * count)
    known = np.where(np.isnan(values), 0.0, values)
    total = np.bincount(group * count + task, known, minlength=groups * count)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (total / size).reshape(groups, count)
        return np.asarray(np.nansum(means, axis=1) / (size.reshape(groups, count) > 0).sum(axis=1))


class _Values(NamedTuple):
    """Values of configurations by the cells so far, (G,) each."""

    mean: Floats
    score: Floats
    score_sd: Floats
    by_task: dict[str, Floats]


def _values(
    table: pa.Table, values: Floats, group: Codes, goal: MetricGoal, aggregate: Aggregate
) -> _Values:
    """Equals `objective.aggregate_value` to the last bit; NaN if no cell has the metric."""
    task, count = group_rows(table, ["task"])
    groups = int(group.max()) + 1
    means = _exact_means(values, group * count + task, groups * count).reshape(groups, count)
    mean = _exact_means(means.ravel(), np.repeat(np.arange(groups), count), groups)
    # The codes of one column are in the order of first appearance, as `distinct` is.
    by_task = dict(zip(distinct(table, "task"), means.T, strict=True))
    if aggregate == "mean" or count == 1:
        return _Values(mean, mean, _mean_and_sd(values, group)[1], by_task)
    losses = np.where(np.isnan(means), -np.inf, -means if goal.direction == "maximize" else means)
    worst = losses.argmax(axis=1)
    of_worst = np.where(task == worst[group], values, np.nan)
    score = means[np.arange(groups), worst]
    return _Values(mean, score, _mean_and_sd(of_worst, group)[1], by_task)


def _exact_means(values: Floats, group: Codes, groups: int) -> Floats:
    """`exact_mean` of each group's numbers, (G,); NaN if there is none."""
    there = ~np.isnan(values)
    group = group[there]
    ordered = values[there][np.argsort(group, kind="stable")]
    size = np.bincount(group, minlength=groups)
    start = np.cumsum(size) - size
    means = np.full(groups, np.nan)
    means[size == 1] = ordered[start[size == 1]]
    two = start[size == 2]
    with np.errstate(over="ignore"):
        means[size == 2] = (ordered[two] + ordered[two + 1]) / 2  # one rounding, as `exact_mean`
    plain = ordered.tolist()
    for index in np.flatnonzero((size > 2) | ((size == 2) & np.isinf(means))).tolist():
        means[index] = exact_mean(plain[start[index] : start[index] + size[index]])
    return means


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
