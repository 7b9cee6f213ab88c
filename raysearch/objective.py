"""The value of a trial, which of two is better, and when one is over.

All leaderboards, reports, comparisons, experiments, studies and drivers use these rules:

- A trial's value is the mean over its tasks of the means over their seeds (`task_mean`), or, if
  a sweep says ``aggregate: worst``, the mean over the seeds of its worst task. A task has the same
  weight however many of its cells are in; only a trial with every cell is ranked.
- The goal says whether the higher or the lower value is better; NaN and infinities never are.
- Of equal values the lower trial number is ahead.
- The difference of two trials is paired over the cells that both have, task by task
  (`paired_differences`).

Sums are exact and rounded once, so that the order in which cells end does not matter and all
results agree to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from raysearch.run import Cell, MetricGoal, RunState

__all__ = [
    "AGGREGATES",
    "Aggregate",
    "Best",
    "aggregate_value",
    "deciding_cells",
    "exact_mean",
    "is_over",
    "mean_by_cell",
    "pareto",
    "paired_differences",
    "task_mean",
    "task_means",
    "whole_seeds",
]

Aggregate = Literal["mean", "worst"]
AGGREGATES: tuple[Aggregate, ...] = ("mean", "worst")


class Best(NamedTuple):
    """A trial's number and value."""

    number: int
    value: float

    def ahead_of(self, other: Best | None, goal: MetricGoal) -> bool:
        """Whether it replaces the other; a value that is not finite never does."""
        if not math.isfinite(self.value):
            return False
        if other is None or goal.better(self.value, other.value):
            return True
        return self.value == other.value and self.number < other.number


def aggregate_value(values: Mapping[Cell, float], goal: MetricGoal, aggregate: Aggregate) -> float:
    """The value of a configuration.

    Args:
        values: The metric on every cell; at least one.
        goal: Its direction determines the worst task.
        aggregate: ``mean`` weights tasks equally, ``worst`` uses the worst task.

    Returns:
        The value in the unit of the metric; NaN if any input is not finite.
    """
    means = task_means(values)
    if not all(map(math.isfinite, means.values())):
        return math.nan
    if aggregate == "mean":
        return exact_mean(list(means.values()))
    return means[_worst_task(means, goal)]


def task_mean(values: Mapping[Cell, float]) -> float:
    """The mean over tasks of the means over their seeds; NaN unless all values are finite."""
    return exact_mean(list(task_means(values).values()))


def task_means(values: Mapping[Cell, float]) -> dict[str, float]:
    """Task to the mean over its seeds, in order of first appearance."""
    by_task: dict[str, list[float]] = {}
    for cell, value in values.items():
        by_task.setdefault(cell.task, []).append(value)
    return {task: exact_mean(found) for task, found in by_task.items()}


def whole_seeds(values: Mapping[Cell, float]) -> dict[int, float]:
    """Seed to the mean over all tasks, of the seeds that every task has, in ascending order."""
    tasks = {cell.task for cell in values}
    by_seed: dict[int, list[float]] = {}
    for cell, value in values.items():
        by_seed.setdefault(cell.seed, []).append(value)
    return {
        seed: exact_mean(found)
        for seed, found in sorted(by_seed.items())
        if len(found) == len(tasks)
    }


def mean_by_cell(each: Iterable[Mapping[Cell, float]]) -> dict[Cell, float]:
    """Cell to the mean over all configurations that have it: of one seed they are no repeats."""
    found: dict[Cell, list[float]] = {}
    for values in each:
        for cell, value in values.items():
            found.setdefault(cell, []).append(value)
    return {cell: exact_mean(values) for cell, values in found.items()}


def exact_mean(values: Sequence[float]) -> float:
    """The mean of at least one value, with the sum rounded once; NaN unless all are finite."""
    if not all(map(math.isfinite, values)):
        return math.nan
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)


def deciding_cells(
    values: Mapping[Cell, float], goal: MetricGoal, aggregate: Aggregate
) -> dict[Cell, float]:
    """The cells that `aggregate_value` uses: all, or those of the worst task.

    Args:
        values: The metric on every cell.
        goal: Its direction determines the worst task.
        aggregate: As in `aggregate_value`.
    """
    if aggregate == "mean" or not values:
        return dict(values)
    worst = _worst_task(task_means(values), goal)
    return {cell: value for cell, value in values.items() if cell.task == worst}


def paired_differences(
    first: Mapping[Cell, float],
    second: Mapping[Cell, float],
    goal: MetricGoal,
    aggregate: Aggregate,
) -> list[list[float]]:
    """First minus second in strata, whose mean of means is the difference of their values.

    With ``mean`` there is one stratum per task, paired over the cells that both have. With
    ``worst`` there is a single one: the worst task of the first minus the worst of the second,
    which may differ, paired over the seeds that every shared task has on both sides.

    Args:
        first: The metric on the cells of one configuration.
        second: The same of the other.
        goal: Its direction determines the worst task.
        aggregate: As in `aggregate_value`.

    Returns:
        Empty if they share no cell.
    """
    shared = sorted(set(first) & set(second))
    tasks = dict.fromkeys(cell.task for cell in shared)
    if aggregate == "mean" or not shared:
        return [[first[cell] - second[cell] for cell in shared if cell.task == t] for t in tasks]
    seeds = set.intersection(*({cell.seed for cell in shared if cell.task == t} for t in tasks))
    whole = [cell for cell in shared if cell.seed in seeds]
    one, two = (
        deciding_cells({cell: side[cell] for cell in whole}, goal, aggregate)
        for side in (first, second)
    )
    strata = [a - b for a, b in zip(one.values(), two.values(), strict=True)]
    return [strata] if strata else []


def is_over(states: Collection[RunState], cells: int) -> bool:
    """Whether a configuration needs no further cell.

    Args:
        states: How the finished cells have ended.
        cells: Cells of a complete configuration.

    Returns:
        Whether all cells are in, or one is not complete, so that the configuration never can be.
    """
    return len(states) >= cells or any(state is not RunState.COMPLETE for state in states)


def _worst_task(means: Mapping[str, float], goal: MetricGoal) -> str:
    """The task with the worst mean, the first of equals."""
    pick = min if goal.direction == "maximize" else max
    return pick(means, key=lambda task: means[task])


def pareto(first: Sequence[float], second: Sequence[float], up: tuple[bool, bool]) -> list[int]:
    """Indices of the Pareto-optimal points, in order of the first objective, best first.

    Args:
        first: Finite values, (N,).
        second: Finite values, (N,).
        up: Whether higher is better in each.
    """
    x, y = (
        [value if higher else -value for value in values]
        for values, higher in ((first, up[0]), (second, up[1]))
    )
    found, best = [], -math.inf
    for index in sorted(range(len(x)), key=lambda i: (-x[i], -y[i])):
        if y[index] > best:
            found.append(index)
            best = y[index]
    return found
