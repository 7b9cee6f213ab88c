"""How is a comparison of two configurations or sweeps shown on a terminal?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from raysearch.findings.comparison import Contrast, ExpectedBest, Side, TaskContrast, Tuned
from raysearch.render.format import Glyphs, duration, glyphs_for, score
from raysearch.render.table import bare_table, note
from raysearch.statistics.stochastic_order import StochasticOrder
from raysearch.statistics.validation_curve import ESTIMATORS

__all__ = ["Comparison", "ComparisonBoard", "mean_and_sd", "with_encoders"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that two sides say of each other.

    Attributes:
        first: A.
        second: B.
        contrasts: Metric by metric, each with its sentences.
        efforts: Expected best of A's sweep and of B's; empty where a side is no sweep's best.
        effort_notes: What the curves say.
        tuning: Per search what its selected trial is on test beside the default, and a sentence.
    """

    first: Side
    second: Side
    contrasts: Sequence[tuple[Contrast, Sequence[str]]]
    efforts: tuple[Sequence[ExpectedBest], Sequence[ExpectedBest]] = ((), ())
    effort_notes: Sequence[str] = ()
    tuning: Sequence[tuple[Tuned, str]] = ()


@dataclass(frozen=True)
class ComparisonBoard:
    """A comparison that is ready to be printed.

    Attributes:
        comparison: What was found.
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
    word = "trials" if len(side.numbers) > 1 else "trial"
    return f"{word} {numbers}, {len(side.cells)} cells{with_encoders(side)}"


def with_encoders(side: Side) -> str:
    """`` with package:minilm (first 2 layers)``; nothing where rows name none."""
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
        ends = map(score, result.aggregate_value)
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
