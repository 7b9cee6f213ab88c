"""Compares two configurations on the cells that both have, pairwise.

A cell is a task and a seed, so a difference on one cell is due neither to the task nor to the
randomness of the seed. Cells that only one side has are left out and counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from raysearch.findings.comparison import Contrast, Side, TaskContrast
from raysearch.objective import Aggregate, aggregate_value, paired_differences
from raysearch.run import Cell, MetricGoal
from raysearch.statistics.intervals import LEVEL, mean_interval
from raysearch.statistics.stochastic_order import stochastic_order

__all__ = ["contrast"]


def contrast(
    first: Side,
    second: Side,
    goal: MetricGoal,
    *,
    aggregate: Aggregate = "mean",
    level: float = LEVEL,
) -> Contrast | None:
    """Compare two sides on the cells whose metric both have.

    Args:
        first: A.
        second: B.
        goal: The metric, on the rows of both.
        aggregate: How values of tasks are combined.
        level: Of the interval and, divided by the number of tasks (Bonferroni), of ε_min.

    Returns:
        None when no cell is shared.
    """
    own, other = (_values(side, goal.name) for side in (first, second))
    shared = sorted(set(own) & set(other))
    if not shared:
        return None
    names = list(dict.fromkeys(cell.task for cell in shared))
    rule: Aggregate = aggregate if len(names) > 1 else "mean"  # the same for a single task
    strata = paired_differences(own, other, goal, rule)
    if not strata:
        return None
    tasks = tuple(
        _task(
            name,
            [own[cell] for cell in shared if cell.task == name],
            [other[cell] for cell in shared if cell.task == name],
            goal,
            level=level,
            comparisons=len(names),
        )
        for name in names
    )
    return Contrast(
        goal=goal,
        aggregate=rule,
        tasks=tasks,
        values=(
            aggregate_value({cell: own[cell] for cell in shared}, goal, rule),
            aggregate_value({cell: other[cell] for cell in shared}, goal, rule),
        ),
        paired=tuple(map(tuple, strata)),
        interval=mean_interval(strata, level=level),
        alone=(len(first.cells) - len(shared), len(second.cells) - len(shared)),
        sources=_sources(first, second, shared),
    )


def _values(side: Side, name: str) -> dict[Cell, float]:
    values = {cell: trial.metrics.get(name, math.nan) for cell, trial in side.cells.items()}
    return {cell: value for cell, value in values.items() if math.isfinite(value)}


def _task(
    name: str,
    first: Sequence[float],
    second: Sequence[float],
    goal: MetricGoal,
    *,
    level: float,
    comparisons: int,
) -> TaskContrast:
    sign = 1.0 if goal.direction == "maximize" else -1.0
    one, two = ([sign * value for value in values] for values in (first, second))
    enough = len(one) > 1
    return TaskContrast(
        task=name,
        first=tuple(first),
        second=tuple(second),
        over=stochastic_order(one, two, level=level, comparisons=comparisons) if enough else None,
        under=stochastic_order(two, one, level=level, comparisons=comparisons) if enough else None,
    )


def _sources(first: Side, second: Side, shared: Sequence[Cell]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for cell in shared:
        one, two = first.cells[cell].provenance, second.cells[cell].provenance
        for name in ("data_digest", "encoder_digest", "code"):
            if one.get(name) and two.get(name) and one[name] != two[name]:
                found[name] = None
    return tuple(found)
