"""How are the arms of a study set in a table: for a terminal, and in Markdown?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from raysearch.findings.experiment import Answer, ArmResult
from raysearch.render import table_export
from raysearch.render.experiment.words import difference, interval_text, names_of, spread
from raysearch.render.format import glyphs_for, score
from raysearch.render.table import GAP, bare_table, note

__all__ = ["StudyBoard", "markdown_table"]

_FIXED = 3
"""Columns that are shown in any width: the arm, its score, its difference."""


@dataclass(frozen=True)
class StudyBoard:
    """A study's answer that is ready to be printed.

    Attributes:
        title: Name and question.
        answer: What was computed.
        sentences: What may be said of it.
    """

    title: str
    answer: Answer
    sentences: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = glyphs_for(options.encoding)
        yield Text(self.title, style="bold")
        yield Text()
        heads, rows = _columns(self.answer)
        plain = [
            [cell.replace("±", glyphs.plus_minus).replace("–", glyphs.none) for cell in row]
            for row in rows
        ]
        widths = [
            max(cell_len(text) for text in (head, *(row[index] for row in plain)))
            for index, head in enumerate(heads)
        ]
        shown = _that_fit(widths, options.max_width)
        table = bare_table()
        for index in shown:
            table.add_column(
                heads[index],
                justify="right" if index else "left",
                no_wrap=bool(index),
                overflow="fold",
            )
        reference = self.answer.results.index(self.answer.reference)
        for number, row in enumerate(plain):
            style = "bold" if number == reference else ""
            table.add_row(*(Text(row[index]) for index in shown), style=style)
        yield table
        hidden = [head for index, head in enumerate(heads) if index not in shown]
        if hidden:
            yield Text(f"in a wider terminal: {', '.join(hidden)}", style="dim")
        yield Text()
        yield from map(note, self.sentences)


def markdown_table(answer: Answer) -> list[str]:
    """The lines of the table in Markdown, the reference in bold."""
    heads, rows = _columns(answer)
    reference = answer.results.index(answer.reference)
    rows[reference] = [f"**{cell}**" if cell else cell for cell in rows[reference]]
    return table_export.table(heads, rows, left=1)


def _columns(answer: Answer) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: arm, score, difference, its interval, cells, tasks, further metrics."""
    name = names_of(answer)
    beside = list(dict.fromkeys(name for result in answer.results for name in result.beside))
    tasks = answer.tasks if len(answer.tasks) > 1 else ()
    percent = f"{100 * answer.level:g} % interval"
    heads = ["arm", answer.goal.name, "difference", percent, "cells", *tasks, *beside]
    rows = []
    for result in answer.results:
        row = [
            name(result.arm),
            spread(result),
            difference(result) or "reference",
            _interval(result),
            str(len(result.values)),
        ]
        row += [score(result.by_task[task]) if task in result.by_task else "–" for task in tasks]
        row += [score(result.beside[key]) if key in result.beside else "–" for key in beside]
        rows.append(row)
    return heads, rows


def _interval(result: ArmResult) -> str:
    return "" if result.difference is None else interval_text(result.difference)


def _that_fit(widths: Sequence[int], room: int) -> list[int]:
    """The columns that have room, in order; the first few in any case."""
    shown: list[int] = []
    for index, width in enumerate(widths):
        if index < _FIXED or width + GAP <= room:
            shown.append(index)
            room -= width + GAP
    return shown
