"""The value of searching and selecting: expected best, overtuning, and selection regret.

A sweep selects by source dev data. If an oracle has read target dev data as well, the same rule
on the oracle's numbers selects what could have been found; the difference on the oracle's metric
is the selection regret. Both choices are made among configurations.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from raysearch.findings.comparison import ExpectedBest, Tuned
from raysearch.findings.sweep import Regret, oracle_goal
from raysearch.leaderboard.card import Mode, SweepCard
from raysearch.leaderboard.keys import column_values, rows_at, rows_with
from raysearch.leaderboard.rank import Ranked, Ranking, RankStatus, rank
from raysearch.leaderboard.tasks import task_names
from raysearch.objective import aggregate_value, paired_differences
from raysearch.run import Cell, MetricGoal
from raysearch.statistics.intervals import mean_interval, spearman
from raysearch.statistics.tuning import ESTIMATORS, budgets, expected_best, overtuning

__all__ = ["efforts", "regrets", "tuned"]


def efforts(table: pa.Table, card: SweepCard) -> list[ExpectedBest]:
    """The expected best of a sweep, or of each task if they were searched separately."""
    found = []
    for task, rows, cells in _searches(table, card):
        ranking = rank(rows, card.goal, cells=cells, aggregate=card.aggregate)
        if any(math.isfinite(item.score) for item in ranking if _counts(item)):
            found.append(_effort(task, ranking, card.goal))
    return found


def tuned(table: pa.Table, readings: pa.Table, card: SweepCard) -> list[Tuned]:
    """The selected configuration against the default, for each search of the sweep.

    Args:
        table: Rows of *trials* of one sweep.
        readings: Rows of its readings of test.
        card: The sweep's card.
    """
    found = []
    for task, rows, cells in _searches(table, card):
        ranking = rank(rows, card.goal, cells=cells, aggregate=card.aggregate)
        complete = sorted((item for item in ranking if item.rank), key=lambda item: item.trial)
        if not complete:
            continue
        chosen = min(complete, key=lambda item: item.rank or 0)
        default = min(item.trial for item in ranking)
        if complete[0].trial != default:
            found.append(Tuned(task=task, default=default, chosen=chosen.trial, stopped=True))
            continue
        read = rows_with(readings, "task", task) if task else readings
        found.append(_tuned(task, complete, chosen, read, card))
    return found


def _searches(table: pa.Table, card: SweepCard) -> list[tuple[str, pa.Table, int]]:
    """Each search with its rows and the cells of a complete configuration."""
    tasks = task_names(table, card.tasks)
    if card.mode == "per_task" and len(tasks) > 1:
        return [(task, rows_with(table, "task", task), card.cells_of_task) for task in tasks]
    return [("", table, card.cells)]


def _counts(item: Ranked) -> bool:
    return item.status in (RankStatus.COMPLETE, RankStatus.PRUNED)


def _effort(task: str, ranking: Ranking, goal: MetricGoal) -> ExpectedBest:
    first = min(item.trial for item in ranking)
    counted = [item for item in ranking if _counts(item)]
    # The first trial is the paper's own setting, which no sampler drew.
    drawn = [item for item in counted if item.trial != first]
    if not any(math.isfinite(item.score) for item in drawn):
        drawn = []
    default = first if drawn else None
    counted = drawn or counted
    reached = [item.score for item in counted if math.isfinite(item.score)]
    # A value of some cells only is not comparable: it counts as the worst that was reached.
    worst = min(reached) if goal.direction == "maximize" else max(reached)
    scores = reached + [worst] * (len(counted) - len(reached))
    points = {
        budget: {
            name: expected_best(scores, budget, name, direction=goal.direction)
            for name in ESTIMATORS
        }
        for budget in budgets(len(scores))
    }
    return ExpectedBest(
        task=task,
        configurations=len(counted),
        stopped=sum(item.status is RankStatus.PRUNED for item in counted),
        short=len(counted) - len(reached),
        left_out=len(ranking) - len(counted) - (default is not None),
        default=default,
        seconds=float(np.mean([item.seconds for item in counted])),
        points=points,
    )


def _tuned(
    task: str, complete: Sequence[Ranked], chosen: Ranked, readings: pa.Table, card: SweepCard
) -> Tuned:
    default, goal = complete[0], card.goal
    name = f"metric/test/{goal.name.partition('/')[2]}"
    bare = Tuned(task=task, default=default.trial, chosen=chosen.trial)
    if name not in readings.column_names:
        return bare
    columns = ("trial", "task", "seed", name)
    cells: dict[int, dict[Cell, float]] = {}
    for number, at, seed, value in zip(
        *(readings.column(column).to_pylist() for column in columns), strict=True
    ):
        if value is not None and math.isfinite(value):
            cells.setdefault(number, {})[Cell(at, seed)] = value
    whole = {item.trial for item in complete if len(cells.get(item.trial, ())) == item.cells}
    if not {default.trial, chosen.trial} <= whole:
        return bare
    steps = [item for item in _incumbents(complete, goal) if item.trial in whole]
    strata = paired_differences(cells[chosen.trial], cells[default.trial], goal, card.aggregate)
    return Tuned(
        task=task,
        default=default.trial,
        chosen=chosen.trial,
        incumbents=tuple(item.trial for item in steps),
        found=overtuning(
            [item.score for item in steps],
            [aggregate_value(cells[item.trial], goal, card.aggregate) for item in steps],
            goal,
        ),
        interval=mean_interval(strata) if strata else None,
    )


def _incumbents(complete: Sequence[Ranked], goal: MetricGoal) -> list[Ranked]:
    """Those that were the best so far at their turn."""
    found: list[Ranked] = []
    for item in complete:
        if not found or goal.better(item.score, found[-1].score):
            found.append(item)
    return found


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
    """The readings of these trials; those no longer complete are left out."""
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
    """The mean within a task, or the score over all of them."""
    if item is None:
        return math.nan
    return item.by_task.get(task, math.nan) if task else item.score
