"""A comparison of two configurations or sweeps on a terminal, with sentences on its conclusions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from raysearch.findings.comparison import Contrast, ExpectedBest, Side, TaskContrast, Tuned
from raysearch.printable import counted, plural
from raysearch.render.format import Glyphs, duration, glyphs_for, score
from raysearch.render.table import bare_table, note
from raysearch.run import MetricGoal
from raysearch.statistics.stochastic_order import THRESHOLD, StochasticOrder, chance_of_separation
from raysearch.statistics.tuning import ESTIMATORS

__all__ = [
    "Comparison",
    "ComparisonBoard",
    "contrast_sentences",
    "effort_sentences",
    "mean_and_sd",
    "tuned_sentence",
    "with_encoders",
]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All results of comparing two sides.

    Attributes:
        first: A.
        second: B.
        contrasts: Metric by metric, each with its sentences.
        efforts: Expected best of A's sweep and of B's; empty if a side is not a sweep's best.
        effort_notes: Sentences on the curves.
        tuning: For each search its selected trial on test beside the default, and a sentence.
    """

    first: Side
    second: Side
    contrasts: Sequence[tuple[Contrast, Sequence[str]]]
    efforts: tuple[Sequence[ExpectedBest], Sequence[ExpectedBest]] = ((), ())
    effort_notes: Sequence[str] = ()
    tuning: Sequence[tuple[Tuned, str]] = ()


@dataclass(frozen=True)
class ComparisonBoard:
    """A printable comparison.

    Attributes:
        comparison: The results.
    """

    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = glyphs_for(options.encoding)
        found = self.comparison
        for name, side in (("A", found.first), ("B", found.second)):
            yield Text(f"{name}  {side.label}, {_trials(side)}", style="bold", overflow="fold")
        for result, sentences in found.contrasts:
            yield Text()
            way = "higher" if result.goal.direction == "maximize" else "lower"
            yield Text(f"{result.goal.name}, {way} is better", style="bold")
            yield _tasks(result, glyphs)
            yield Text()
            yield from map(note, sentences)
        if all(found.efforts):
            yield Text()
            yield Text("expected best of n configurations", style="bold")
            yield from _budgets(*found.efforts)
            names = "; ".join(f"{name}: {what}" for name, what in ESTIMATORS.items())
            yield Text(names, style="dim")
            yield Text()
            yield from map(note, found.effort_notes)
        if found.tuning:
            yield Text()
            yield Text("overtuning", style="bold")
            yield from (note(sentence) for _, sentence in found.tuning)


def mean_and_sd(values: Sequence[float], sign: str = "±") -> str:
    """``0.6120 ± 0.0040``; no spread from one value."""
    spread = f" {sign} {score(float(np.std(values, ddof=1)))}" if len(values) > 1 else ""
    return score(float(np.mean(values))) + spread


def _trials(side: Side) -> str:
    numbers = ", ".join(map(str, side.numbers))
    word = plural(len(side.numbers), "trial")
    return f"{word} {numbers}, {counted(len(side.cells), 'cell')}{with_encoders(side)}"


def with_encoders(side: Side) -> str:
    """`` with package:minilm (first 2 layers)``; empty if rows name no encoder."""
    return f" with {', '.join(side.encoders)}" if side.encoders else ""


def _tasks(result: Contrast, glyphs: Glyphs) -> Table:
    table = bare_table()
    table.add_column("task", overflow="fold")
    heads = ("cells", "A", "B", "A - B", "ε_min A>B" if glyphs.dot == "·" else "e_min A>B", "B>A")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for task in result.tasks:
        table.add_row(*map(Text, _line(task, glyphs)))
    if len(result.tasks) > 1:
        name = "all tasks" if result.aggregate == "mean" else "worst task"
        ends = map(score, result.values)
        cells = [str(result.cells), *ends, f"{result.interval.value:+.4f}", "", ""]
        table.add_row(*map(Text, [name, *cells]), style="bold")
    return table


def _line(task: TaskContrast, glyphs: Glyphs) -> list[str]:
    return [
        task.task,
        str(len(task.first)),
        mean_and_sd(task.first, glyphs.plus_minus),
        mean_and_sd(task.second, glyphs.plus_minus),
        f"{float(np.mean(task.differences)):+.4f}",
        _bound(task.over, glyphs),
        _bound(task.under, glyphs),
    ]


def _bound(order: StochasticOrder | None, glyphs: Glyphs) -> str:
    return glyphs.none if order is None else f"{order.bound:.2f}"


def _budgets(first: Sequence[ExpectedBest], second: Sequence[ExpectedBest]) -> RenderResult:
    for one in first:
        for two in second:
            if one.task != two.task:
                continue
            if one.task:
                yield Text(one.task)
            table = bare_table()
            table.add_column("n", justify="right", no_wrap=True)
            for side in ("A", "B"):
                for name in ESTIMATORS:
                    table.add_column(f"{side}\n{name}", justify="right", no_wrap=True)
                table.add_column("\ntime", justify="right", no_wrap=True)
            for budget in sorted({*one.points, *two.points}):
                table.add_row(str(budget), *_points(one, budget), *_points(two, budget))
            yield table


def _points(effort: ExpectedBest, budget: int) -> list[str]:
    point = effort.points.get(budget)
    if point is None:
        return [""] * (len(ESTIMATORS) + 1)
    return [*(score(point[name]) for name in ESTIMATORS), duration(budget * effort.seconds)]


_FEW = 5
"""Scores below which ε_min and an interval get a warning (Ulmer et al. 2022, sec. 4.2)."""


def contrast_sentences(found: Contrast, first: Side, second: Side) -> list[str]:
    """Conclusions on A and B by one metric, including their limits."""
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
    """Which side is ahead at the same budget, and the assumptions of the curves."""
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
            f"{counted(stopped, 'configuration')} stopped early "
            f"{plural(stopped, 'counts with its', 'count with their')} last value, which may be "
            f"below what {plural(stopped, 'it', 'they')} would have reached."
        )
    if short:
        said.append(
            f"{counted(short, 'configuration')} {plural(short, 'was', 'were')} stopped before all "
            f"of {plural(short, 'its', 'their')} cells had run; a part cannot be compared with the "
            f"whole, so {plural(short, 'it counts', 'they count')} as the worst that was reached."
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
        sure = f"; {counted(interval.count, 'cell')} cannot say whether other seeds would agree"
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
    few = f", from {counted(found.cells, 'cell')}, so it is wide" if found.cells < _FEW else ""
    if not interval.excludes_zero:
        return (
            f"A and B are not distinguishable: {mean}, {ends}{few}. That does not show that they "
            "are equal."
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
                f"{name} is the best of {side.among:,} configurations by these very numbers, so "
                f"they are too good for it; its test data say more."
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
    most = counted(shared[-1], "configuration")
    if len(ahead) == len(shared):
        return f"A's expected best is ahead at every budget shown, up to {most}."
    if not ahead:
        return f"A's expected best is ahead at no budget shown, up to {most}."
    return (
        f"A's expected best is ahead at {', '.join(map(str, ahead))} of the budgets "
        f"{', '.join(map(str, shared))}: who is better depends on the budget."
    )
