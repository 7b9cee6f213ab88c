"""Is A better than B: two configurations on the cells that both have, pair by pair.

A cell is a task and a seed; what differs between the two on one cell is not the task and not
what the seed decides. Cells that only one has are left out and counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raysearch.leaderboard.keys import encoder_name
from raysearch.objective import Aggregate, aggregate_value, paired_differences
from raysearch.run import Cell, MetricGoal, Run, Scalar
from raysearch.statistics.intervals import LEVEL, Interval, mean_interval
from raysearch.statistics.stochastic_order import StochasticOrder, stochastic_order

__all__ = ["Contrast", "Side", "TaskContrast", "contrast"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two that are compared.

    Attributes:
        label: How it is called, for example ``results/carl:best``.
        cells: Its complete rows.
        among: Configurations that it was selected from by the sweep's own metric; 0 where it
            was named, and so not selected here.
    """

    label: str
    cells: Mapping[Cell, Run]
    among: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its trial numbers; several where every task has a best of its own."""
        return tuple(sorted({trial.number for trial in self.cells.values()}))

    @property
    def encoders(self) -> tuple[str, ...]:
        """Encoders of its cells; one, but for a method that has none."""
        configs = [trial.config for trial in self.cells.values() if "encoder" in trial.config]
        return tuple(sorted({encoder_name(config) for config in configs}))

    def settings(self) -> dict[str, set[Scalar]]:
        """Every setting with its values over the cells."""
        found: dict[str, set[Scalar]] = {}
        for trial in self.cells.values():
            for name, value in trial.config.items():
                found.setdefault(name, set()).add(value)
        return found


@dataclass(frozen=True, kw_only=True)
class TaskContrast:
    """The two on the cells of one task.

    Attributes:
        task: Its name.
        first: A's values, by seed.
        second: B's values on the same seeds.
        over: ε_min of A over B; None for fewer than two seeds.
        under: ε_min of B over A.
    """

    task: str
    first: tuple[float, ...]
    second: tuple[float, ...]
    over: StochasticOrder | None
    under: StochasticOrder | None

    @property
    def differences(self) -> tuple[float, ...]:
        """A less B, cell by cell."""
        return tuple(a - b for a, b in zip(self.first, self.second, strict=True))


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """The two on one metric.

    Attributes:
        goal: The metric and its direction.
        aggregate: What the tasks of a configuration make of it.
        tasks: Task by task.
        worth: What A and B are worth on the shared cells.
        paired: A less B, cell by cell; by the worst task that of A less that of B, seed by seed.
        interval: Of A less B, of what they are worth.
        alone: Cells of A and of B without a partner.
        sources: Digests by their name that differ between the two on some shared cell.
    """

    goal: MetricGoal
    aggregate: Aggregate
    tasks: tuple[TaskContrast, ...]
    aggregate_value: tuple[float, float]
    paired: tuple[tuple[float, ...], ...]
    interval: Interval
    alone: tuple[int, int]
    sources: tuple[str, ...]

    @property
    def differences(self) -> list[float]:
        """All that is in `paired`."""
        return [value for stratum in self.paired for value in stratum]

    @property
    def cells(self) -> int:
        """How many there are."""
        return len(self.differences)

    @property
    def ahead(self) -> int:
        """On how many of them A is strictly better."""
        return sum(self.goal.better(value, 0.0) for value in self.differences)

    @property
    def over_tasks(self) -> bool:
        """Whether tasks are what was resampled: several, each with one seed."""
        return len(self.paired) > 1 and all(len(stratum) == 1 for stratum in self.paired)


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
        aggregate: What the tasks of a configuration make of it.
        level: Of the interval and, divided by the number of tasks (Bonferroni), of ε_min.

    Returns:
        None when no cell is shared.
    """
    own, other = (_values(side, goal.name) for side in (first, second))
    shared = sorted(set(own) & set(other))
    if not shared:
        return None
    names = list(dict.fromkeys(cell.task for cell in shared))
    rule: Aggregate = aggregate if len(names) > 1 else "mean"
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
        aggregate_value=(
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
