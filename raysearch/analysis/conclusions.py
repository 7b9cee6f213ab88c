"""What may be said of a comparison, and what may not: plain sentences from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from raysearch.findings.comparison import Contrast, ExpectedBest, Side, Tuned
from raysearch.run import MetricGoal
from raysearch.statistics.stochastic_order import THRESHOLD, chance_of_separation

__all__ = ["contrast_sentences", "effort_sentences", "tuned_sentence"]

_FEW = 5
"""Scores below which ε_min and an interval deserve a warning (Ulmer et al. 2022, sec. 4.2)."""


def contrast_sentences(found: Contrast, first: Side, second: Side) -> list[str]:
    """What one metric says of A and B, its limits included."""
    return [
        _difference(found),
        *_same(first, second),
        *_units(found),
        *_order(found),
        *_selection(found, first, second),
        *_sources(found, first, second),
    ]


def effort_sentences(
    first: Sequence[ExpectedBest],
    second: Sequence[ExpectedBest],
    goal: MetricGoal,
    samplers: tuple[str, str],
) -> list[str]:
    """Who is ahead at the same budget, and what the curves assume."""
    said = []
    for one in first:
        for two in second:
            if one.task != two.task:
                continue
            shared = [budget for budget in one.points if budget in two.points]
            ahead = [
                budget
                for budget in shared
                if goal.better(one.points[budget]["between"], two.points[budget]["between"])
            ]
            where = f"{one.task}: " if one.task else ""
            said.append(f"{where}{_ahead(shared, ahead)}")
    loose = [name for name in dict.fromkeys(samplers) if name not in ("random", "")]
    if loose:
        said.append(
            f"The curve is that of independent draws; {' and '.join(loose)} proposed by what came "
            "before, so it describes the trials that were run in random order, not the search."
        )
    if any(effort.default is not None for effort in (*first, *second)):
        said.append("The paper's own setting, the first trial, was not drawn and does not count.")
    short = sum(effort.short for effort in (*first, *second))
    stopped = sum(effort.stopped for effort in (*first, *second)) - short
    if stopped:
        said.append(
            f"{stopped} configurations stopped early count with their last value, which may be "
            "below what they would have reached."
        )
    if short:
        said.append(
            f"{short} configurations were stopped before all of their cells had run; a part cannot "
            "be compared with the whole, so they count as the worst that was reached."
        )
    return said


def tuned_sentence(found: Tuned, goal: MetricGoal, label: str, command: str) -> str:
    """Whether the tuned configuration is worse on test than the default."""
    where = f"{label}, {found.task}: " if found.task else f"{label}: "
    if found.chosen == found.default:
        return f"{where}the default, trial {found.default}, was selected; tuning changed nothing."
    if found.stopped:
        return (
            f"{where}overtuning cannot be said: the default, trial {found.default}, did not run to "
            "its end."
        )
    if found.found is None or found.interval is None:
        return (
            f"{where}overtuning cannot be said before the test data of trial {found.chosen} and of "
            f"the default, trial {found.default}, are read: {command}"
        )
    gains = (
        f"tuning (trial {found.chosen}) gained {found.found.dev_gain:+.4f} on dev and "
        f"{found.found.test_gain:+.4f} on test over the default (trial {found.default})"
    )
    interval = found.interval
    if found.found.worse_than_first:
        verdict = "overtuned: the tuned one is worse on test than the default"
    elif found.found.value > 0:
        verdict = (
            f"an earlier best was better on test by {found.found.value:.4f} "
            f"({100 * found.found.relative:.0f} % of what tuning had gained)"
        )
    else:
        verdict = "not overtuned"
    sure = ""
    if not interval.bounded:
        sure = f"; {interval.count} cells cannot say whether other seeds would agree"
    elif not interval.excludes_zero:
        sure = (
            f"; the test difference may be {interval.low:+.4f} to {interval.high:+.4f}, so other "
            "seeds may say otherwise"
        )
    return f"{where}{gains}: {verdict}{sure}."


def _difference(found: Contrast) -> str:
    interval, name = found.interval, found.goal.name
    if found.aggregate == "worst":
        name += " on the worst task of each"
    mean = f"A − B = {interval.value:+.4f} in {name}"
    percent = f"{100 * interval.level:g} %"
    if found.cells == 1:
        return f"{mean} on the one shared cell: one cell says nothing of other seeds."
    better = "A" if found.goal.better(interval.value, 0.0) else "B"
    if interval.low == interval.high:
        if interval.value == 0:
            return f"A and B are equal in {name} on all {found.cells} shared cells."
        return f"{better} is better: {mean}, the same on all {found.cells} shared cells."
    if not interval.bounded:
        low, high = min(found.differences), max(found.differences)
        return (
            f"{mean}, from {low:+.4f} to {high:+.4f} on {found.cells} shared cells; A is better "
            f"on {found.ahead} of them. So few cells carry no {percent} interval: whether A is "
            "better cannot be concluded; run more seeds."
        )
    ends = f"{percent} interval {interval.low:+.4f} to {interval.high:+.4f}"
    few = f", from {found.cells} cells, so it is wide" if found.cells < _FEW else ""
    if not interval.excludes_zero:
        return (
            f"A and B cannot be told apart: {mean}, {ends}{few}. That does not show that they are "
            "equal."
        )
    return f"{better} is better: {mean}, {ends}{few}."


def _same(first: Side, second: Side) -> Iterator[str]:
    tasks = {cell.task for cell, trial in first.cells.items() if trial == second.cells.get(cell)}
    if tasks:
        yield f"On {', '.join(sorted(tasks))} A and B are the same trial."


def _units(found: Contrast) -> Iterator[str]:
    if found.over_tasks:
        yield (
            "Every task has one seed: the interval is over tasks like these, and holds the noise "
            "of seeds as well."
        )
    elif len(found.tasks) > 1 and found.interval.bounded:
        yield "The interval is over seeds, on these tasks: it says nothing of other tasks."
    one, two = found.alone
    if one or two:
        yield f"Left out, because the other side lacks the cell: {one} of A, {two} of B."


def _order(found: Contrast) -> Iterator[str]:
    tested = [task for task in found.tasks if task.over and task.under]
    if not tested:
        if found.cells > 1:
            yield "ε_min needs several seeds of a task; here every task has one."
        return
    over = [task.task for task in tested if task.over and task.over.dominates]
    under = [task.task for task in tested if task.under and task.under.dominates]
    level = tested[0].over.level if tested[0].over else math.nan
    corrected = f", Bonferroni over {len(found.tasks)} tasks" if len(found.tasks) > 1 else ""
    terms = (
        f"ε_min < {THRESHOLD} and the means apart by permutation at {100 * level:.4g} %{corrected}"
    )
    size = min(len(task.first) for task in tested)
    if size < _FEW:
        yield (
            f"ε_min of {size} scores a side says little: two equal methods are fully apart once in "
            f"{round(1 / (2 * chance_of_separation(size, size)))} tries, and then it is 0."
        )
        return
    for name, other, tasks in (("A", "B", over), ("B", "A", under)):
        if tasks:
            yield f"{name} almost stochastically dominates {other} on {', '.join(tasks)} ({terms})."
    if not over and not under:
        yield f"Neither almost stochastically dominates the other on any task ({terms})."


def _selection(found: Contrast, first: Side, second: Side) -> Iterator[str]:
    if found.goal.name.startswith("test/"):
        return
    for name, side in (("A", first), ("B", second)):
        if side.among > 1:
            yield (
                f"{name} is the best of {side.among} configurations by these very numbers, so they "
                f"are too good for it; its test data say more."
            )
    if first.among != second.among and min(first.among, second.among) > 0:
        yield "The two were selected from unequal numbers of configurations; see the budgets."


def _sources(found: Contrast, first: Side, second: Side) -> Iterator[str]:
    if "data_digest" in found.sources:
        yield "Warning: A and B are of different data (data_digest): the pairing is by name only."
    if "encoder_digest" in found.sources:
        yield "A and B have different encoders: the difference is not the settings' alone."
    if "code" in found.sources:
        yield "A and B were made by different versions of the code."
    one, two = first.settings(), second.settings()
    differ = [name for name in one if one[name] != two.get(name, {None})]
    differ += [name for name in two if name not in one and two[name] != {None}]
    if differ:
        more = f" and {len(differ) - 8} more" if len(differ) > 8 else ""
        yield f"Settings that differ: {', '.join(differ[:8])}{more}."
    elif found.cells:
        yield "No setting differs between A and B."


def _ahead(shared: Sequence[int], ahead: Sequence[int]) -> str:
    if not shared:
        return "no budget is in both sweeps."
    most = shared[-1]
    if len(ahead) == len(shared):
        return f"A's expected best is ahead at every budget shown, up to {most} configurations."
    if not ahead:
        return f"A's expected best is ahead at no budget shown, up to {most} configurations."
    return (
        f"A's expected best is ahead at {', '.join(map(str, ahead))} of the budgets "
        f"{', '.join(map(str, shared))}: who is better depends on the budget."
    )
