"""What is a configuration worth: one number from the objectives of its cells.

First the mean over the seeds of each task, then the mean over the tasks or the worst task.
The study, which tells the sampler, and the standing, which keeps the best, both ask here.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Literal

from raysearch.trial import Cell, MetricGoal

__all__ = ["AGGREGATES", "Aggregate", "worth"]

Aggregate = Literal["mean", "worst"]
AGGREGATES: tuple[Aggregate, ...] = ("mean", "worst")


def worth(objectives: Mapping[Cell, float], goal: MetricGoal, aggregate: Aggregate) -> float:
    """The value of a configuration.

    Args:
        objectives: Objective of every cell; at least one.
        goal: Its direction says which task is the worst.
        aggregate: ``mean`` weighs tasks alike, ``worst`` takes the task that does worst.

    Returns:
        The value in the unit of the objective; NaN when one of them is NaN.
    """
    by_task: dict[str, list[float]] = {}
    for cell, value in objectives.items():
        by_task.setdefault(cell.task, []).append(value)
    means = [statistics.fmean(values) for values in by_task.values()]
    if any(math.isnan(mean) for mean in means):
        return math.nan
    if aggregate == "mean":
        return statistics.fmean(means)
    return min(means) if goal.direction == "maximize" else max(means)
