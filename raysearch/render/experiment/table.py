"""The arms of an experiment as a table, on a terminal and in Markdown, and as a JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from raysearch.findings.experiment import Answer, ArmResult
from raysearch.render.experiment.words import difference, interval_text, names_of, spread
from raysearch.render.format import glyphs_for, json_number, score
from raysearch.render.table import GAP, bare_table, note
from raysearch.render.table_export import markdown_rows
from raysearch.statistics.intervals import Interval

__all__ = ["StudyBoard", "answer_record", "markdown_table"]

_FIXED = 3
"""Columns that are shown at any width: the arm, its score, its difference."""


@dataclass(frozen=True)
class StudyBoard:
    """A printable result of an experiment.

    Attributes:
        title: Name and question.
        answer: The results.
        sentences: Conclusions.
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
    return markdown_rows(heads, rows, left=1)


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
    """The columns that fit, in order; always the first few."""
    shown: list[int] = []
    for index, width in enumerate(widths):
        if index < _FIXED or width + GAP <= room:
            shown.append(index)
            room -= width + GAP
    return shown


def answer_record(
    answer: Answer, *, name: str, question: str, sentences: Sequence[str]
) -> dict[str, Any]:
    """All numbers of the result; unknown ones are null.

    Args:
        answer: The results.
        name: The study's name.
        question: Its question.
        sentences: Conclusions.
    """
    call = names_of(answer)
    return {
        "study": name,
        "question": question,
        "metric": answer.goal.name,
        "direction": answer.goal.direction,
        "reference": call(answer.reference.arm),
        "answer": list(sentences),
        "arms": [
            {
                **_arm(result, call(result.arm)),
                "same_as": None if result.twin is None else call(result.twin),
            }
            for result in answer.results
        ],
        "effects": [
            {
                "setting": effect.name,
                "means": [{"value": v, "mean": mean} for v, mean in effect.means.items()],
                "p_value": effect.test.p_value,
                "blocks": effect.test.blocks,
            }
            for effect in answer.effects
        ],
        "overall": None
        if answer.overall is None
        else {
            "untested": list(answer.untested),
            "p_value": json_number(answer.overall.p_value),
            "blocks": answer.overall.blocks,
        },
    }


def _arm(result: ArmResult, name: str) -> dict[str, Any]:
    return {
        "arm": name,
        "settings": dict(result.arm.settings),
        "paper": result.arm.paper,
        "trials": list(result.arm.numbers),
        "cells": len(result.values),
        "mean": result.mean,
        "sd": json_number(result.sd),
        "by_task": dict(result.by_task),
        "beside": dict(result.beside),
        "beside_difference": {n: _interval_record(i) for n, i in result.beside_difference.items()},
        "difference": None if result.difference is None else _interval_record(result.difference),
        "jointly": None if result.jointly is None else _interval_record(result.jointly),
    }


def _interval_record(interval: Interval) -> dict[str, Any]:
    return {
        "mean": interval.value,
        "low": json_number(interval.low),
        "high": json_number(interval.high),
        "level": interval.level,
    }
