"""Shows readings of test and oracle data: mean ± sd over the cells, and selection regret."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from statistics import stdev

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from raysearch.findings.sweep import Regret, oracle_goal
from raysearch.leaderboard.keys import encoder_name
from raysearch.objective import deciding_cells, task_mean
from raysearch.render.format import Glyphs, glyphs_for, score
from raysearch.render.table import GAP, bare_table
from raysearch.run import Cell, MetricGoal, Run

__all__ = ["READ_ONCE", "RegretTable", "mean_sd", "read_words", "readings_table", "worst_words"]

READ_ONCE = "read once"
"""Result of `read_words` for data that was never opened a second time."""


def readings_table(
    readings: Sequence[Run], title: str = "test, read once", first: str = ""
) -> Table | PairReadings:
    """A table of readings.

    Args:
        readings: Trials whose metrics are shown; at least one. With one task there is a row per
            metric and a column per configuration; with several a row per task and
            configuration, and a row for the mean of a configuration over its tasks.
        title: The data that the metrics were measured on.
        first: The metric to show first, without its role; the others follow by name, or, with
            several tasks, in the method's order.
    """
    origin = readings[0]
    names = dict.fromkeys(name for trial in readings for name in trial.metrics)
    if len({trial.cell.task for trial in readings}) > 1:
        own = sorted(names, key=lambda name: _short(name) != first)
        return PairReadings(tuple(readings), tuple(own), title)
    table = Table(
        title=f"{origin.sweep}: {title}\ncorpora {origin.provenance.get('corpora', '')}\n"
        f"encoder {encoder_name(origin.config)}",
        title_justify="left",
    )
    table.add_column("metric")
    numbers = sorted({trial.number for trial in readings})
    for number in numbers:
        cells = [trial for trial in readings if trial.number == number]
        table.add_column(f"trial {number} (n={len(cells)})", justify="right")
    for name in sorted(names, key=lambda name: (_short(name) != first, name)):
        row = [mean_sd(_values(readings, name, number)) for number in numbers]
        table.add_row(name.removeprefix("test/"), *row)
    return table


def worst_words(readings: Sequence[Run], goal: MetricGoal) -> list[str]:
    """Each configuration's worst task, if the sweep ranks by that.

    Args:
        readings: Trials whose metrics were read; those of a single task are skipped.
        goal: The metric as it was read, and its direction.
    """
    said = []
    for number in sorted({trial.number for trial in readings}):
        own = [trial for trial in readings if trial.number == number]
        values = {t.cell: t.metrics.get(goal.name, math.nan) for t in own}
        known = {cell: value for cell, value in values.items() if math.isfinite(value)}
        if len({cell.task for cell in known}) < 2:
            continue
        worst = deciding_cells(known, goal, "worst")
        said.append(
            f"trial {number}: {goal.name} {mean_sd(worst)} on "
            f"{next(iter(worst)).task}, its worst pair; the sweep ranks by the worst"
        )
    return said


@dataclass(frozen=True)
class PairReadings:
    """A printable table of readings over several tasks.

    Attributes:
        readings: The readings.
        names: Their metrics in the order to show.
        title: The data that they were measured on.
    """

    readings: Sequence[Run]
    names: Sequence[str]
    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = glyphs_for(options.encoding)
        origin = self.readings[0]
        yield Text(f"{origin.sweep}: {self.title}", style="bold")
        yield Text(f"encoder {encoder_name(origin.config)}; mean {glyphs.plus_minus} sd (cells)")
        yield Text()
        rows = self._rows()
        table = bare_table()
        for head in ("pair", "trial", "cells"):
            table.add_column(head, justify="left" if head == "pair" else "right", no_wrap=True)
        room = options.max_width - sum(
            GAP + max([len(head), *(len(row[index]) for row in rows)])
            for index, head in enumerate(("pair", "trial", "cells"))
        )
        shown: list[list[str]] = []
        hidden: list[str] = []
        for name in self.names:
            values = [self._value(name, row, glyphs) for row in rows]
            need = max(map(len, [_short(name), *values])) + GAP
            if need <= room:
                table.add_column(_short(name), justify="right", no_wrap=True)
                shown.append(values)
                room -= need
            else:
                hidden.append(_short(name))
        for index, row in enumerate(rows):
            style = "bold" if row[0] == _ALL else ""
            cells = [*row[:2], str(row[2]), *(values[index] for values in shown)]
            table.add_row(*map(Text, cells), style=style)
        yield table
        if hidden:
            yield Text()
            yield Text(f"in a wider terminal: {', '.join(hidden)}")

    def _rows(self) -> list[tuple[str, str, str]]:
        """Task, trial and cells of every row; at the end, per configuration, all of its tasks."""
        tasks = list(dict.fromkeys(trial.cell.task for trial in self.readings))
        numbers = sorted({trial.number for trial in self.readings})
        rows = []
        for task in (*sorted(tasks), ""):
            for number in numbers:
                cells = [t for t in self.readings if t.number == number and _of(t, task)]
                if len({t.cell.task for t in cells}) > (0 if task else 1):
                    rows.append((task or _ALL, str(number), str(len(cells))))
        return rows

    def _value(self, name: str, row: tuple[str, str, str], glyphs: Glyphs) -> str:
        task = "" if row[0] == _ALL else row[0]
        cells = [trial for trial in self.readings if _of(trial, task)]
        text = mean_sd(_values(cells, name, int(row[1])))
        return text.replace("±", glyphs.plus_minus).replace("–", glyphs.none)


def read_words(counts: Iterable[tuple[int, int]]) -> str:
    """How often data was opened: ``read once``, or the trials that it was opened again for.

    Args:
        counts: Trial's number and `count_of` of each reading.
    """
    most: dict[int, int] = {}
    for number, count in counts:
        most[number] = max(count, most.get(number, 1))
    often = [f"{count} times for trial {number}" for number, count in most.items() if count > 1]
    return f"opened {', '.join(often)}" if often else READ_ONCE


_ALL = "all pairs"


def mean_sd(values: Mapping[Cell, float]) -> str:
    """``0.612 ± 0.004``; no spread for a single cell, and a dash for none.

    The mean is that of `objective.task_mean`, the spread over cells.
    """
    if not values:
        return "–"
    spread = f" ± {stdev(values.values()):.3f}" if len(values) > 1 else ""
    return f"{task_mean(values):.3f}{spread}"


def _of(trial: Run, task: str) -> bool:
    return not task or trial.cell.task == task


def _short(name: str) -> str:
    """``test/f1`` without its role."""
    return name.partition("/")[2] or name


def _values(readings: Sequence[Run], name: str, number: int) -> dict[Cell, float]:
    return {t.cell: t.metrics[name] for t in readings if t.number == number and name in t.metrics}


@dataclass(frozen=True)
class RegretTable:
    """A printable table of selection regret.

    Attributes:
        goal: The selecting metric, for example ``dev/f1``.
        role: The oracle's role, for example ``target_dev``.
        rows: Regret per task; an empty task means all of them.
        folder: The sweep's folder.
        read: How often the oracle's data was opened, from `read_words`.
    """

    goal: MetricGoal
    role: str
    rows: Sequence[Regret]
    folder: str
    read: str = READ_ONCE

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = glyphs_for(options.encoding)
        judges = oracle_goal(self.goal, self.role).name
        short = judges.partition("/")[2]
        yield Text(f"{self.folder}: selection regret", style="bold")
        yield Text(f"selected by {self.goal.name}; the oracle selects by {judges}")
        yield Text()
        table = bare_table()
        table.add_column("pair", no_wrap=True, vertical="bottom")
        heads = [
            "chosen",
            "its F1",
            "oracle's",
            "its F1",
            "regret",
            "rank\ncorr.",
            "read",
            "missing",
        ]
        for head in heads:
            table.add_column(
                head.replace("F1", short), justify="right", no_wrap=True, vertical="bottom"
            )
        for row in self.rows:
            table.add_row(*map(Text, _line(row, glyphs)), style="" if row.task else "bold")
        yield table
        yield Text()
        yield Text(
            f"chosen, oracle's: trial numbers; {short}: {judges}, mean over the cells; rank "
            "corr.: of the two metrics over the trials read; missing: complete, but not read"
        )
        if not all(row.task for row in self.rows):
            yield Text("one trial is chosen for all pairs, so that a pair's regret may be below 0")
        if self.read != READ_ONCE:
            yield Text(f"{self.role.replace('_', ' ')} was {self.read}")
        if any(row.missing for row in self.rows):
            again = f"python -m raysearch evaluate {quote(self.folder)} --oracle"
            yield Text(f"read what is missing: {again}")


def _line(row: Regret, glyphs: Glyphs) -> list[str]:
    none = glyphs.none
    return [
        row.task or "all pairs",
        none if row.chosen is None else str(row.chosen),
        score(row.chosen_value) or none,
        none if row.oracle is None else str(row.oracle),
        score(row.oracle_value) or none,
        none if math.isnan(row.value) else f"{row.value:+.4f}" if row.value else "0.0000",
        none if math.isnan(row.agreement) else f"{row.agreement:+.2f}",
        str(row.read),
        str(row.missing),
    ]
