"""An experiment as a Markdown page and on a terminal: question, answer, table, figure, command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from raysearch.findings.experiment import Answer, ArmResult
from raysearch.leaderboard.keys import encoder_name, made_by
from raysearch.leaderboard.openings import count_of
from raysearch.printable import counted, printable
from raysearch.render.experiment.words import (
    difference,
    interval_text,
    names_of,
    spread,
    tuned_text,
)
from raysearch.render.format import duration, glyphs_for, interval_record, json_number, score
from raysearch.render.readings import READ_ONCE, read_words
from raysearch.render.table import GAP, bare_table, note
from raysearch.render.table_export import code, markdown_rows, prose
from raysearch.run import Run

__all__ = ["Provenance", "StudyBoard", "answer_record", "markdown_table", "study_page"]

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
    """Heads and rows: arm, score, difference, its interval, cells, tuning, tasks, metrics."""
    name = names_of(answer)
    beside = list(dict.fromkeys(name for result in answer.results for name in result.beside))
    tasks = answer.tasks if len(answer.tasks) > 1 else ()
    percent = f"{100 * answer.level:g} % interval"
    tuned = any(result.arm.tuned for result in answer.results)
    heads = ["arm", answer.goal.name, "difference", percent, "cells"]
    heads += [*(["tuned"] if tuned else []), *tasks, *beside]
    rows = []
    for result in answer.results:
        row = [
            name(result.arm),
            spread(result),
            difference(result) or "reference",
            _interval(result),
            str(len(result.values)),
            *([tuned_text(result.arm)] if tuned else []),
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
        "tuned": dict(result.arm.tuned),
        "tried": result.arm.tried,
        "paper": result.arm.paper,
        "trials": list(result.arm.numbers),
        "cells": len(result.values),
        "mean": result.mean,
        "sd": json_number(result.sd),
        "by_task": dict(result.by_task),
        "beside": dict(result.beside),
        "beside_difference": {n: interval_record(i) for n, i in result.beside_difference.items()},
        "difference": None if result.difference is None else interval_record(result.difference),
        "jointly": None if result.jointly is None else interval_record(result.jointly),
    }


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Origin of an experiment's numbers.

    Attributes:
        command: Command that reproduces them.
        sources: Distinct commits or versions that trained and read, in the format of `made_by`.
        encoder: Name and layers.
        corpora: Training data.
        steps: Fewest and most optimizer steps of a trial.
        devices: Distinct devices.
        seconds: Training and evaluation, all cells together.
        cells: Number of complete rows.
        opened: How often the test data was opened for their readings, if not once.
    """

    command: str
    sources: tuple[str, ...]
    encoder: str
    corpora: str
    steps: tuple[int, int]
    devices: tuple[str, ...]
    seconds: float
    cells: int
    opened: str = ""

    @classmethod
    def of(cls, trials: Sequence[Run], command: str) -> Provenance:
        """The origin as recorded in the rows.

        Args:
            trials: At least one row.
            command: The command that made them.
        """
        marks = dict.fromkeys(made_by(trial.provenance) for trial in trials)
        steps = [trial.steps for trial in trials]
        opened = read_words((trial.number, count_of(trial)) for trial in trials)
        return cls(
            command=command,
            sources=tuple(marks),
            encoder=", ".join(dict.fromkeys(encoder_name(trial.config) for trial in trials)),
            corpora=", ".join(dict.fromkeys(t.provenance.get("corpora", "") for t in trials)),
            steps=(min(steps), max(steps)),
            devices=tuple(dict.fromkeys(trial.device for trial in trials)),
            seconds=sum(trial.seconds for trial in trials),
            cells=len(trials),
            opened="" if opened == READ_ONCE else opened,
        )


def study_page(
    name: str,
    question: str,
    answer: Answer,
    sentences: Sequence[str],
    *,
    limits: Sequence[str],
    origin: Provenance,
    figure: str,
) -> str:
    """The page in Markdown.

    Args:
        name: The study's name.
        question: Its question.
        answer: The results.
        sentences: Conclusions.
        limits: What it cannot show.
        origin: Origin of the numbers.
        figure: Path of the figure relative to the page; "" for none.
    """
    reference = names_of(answer)(answer.reference.arm)
    lines = [f"# {prose(name)}", "", f"**{prose(question)}**", "", *_items(sentences), ""]
    lines += [*markdown_table(answer), ""]
    lines += [
        f"{code(answer.goal.name)}: mean over tasks ± sd between seeds. Differences are to "
        f"**{prose(reference)}**, paired over cells (task and seed), with Student's interval.",
        "",
    ]
    if figure:
        lines += [f"![{prose(question)}]({figure})", ""]
    if limits:
        lines += ["## What it cannot say", "", *_items(limits), ""]
    return "\n".join([*lines, "## How it was made", "", *_origin(origin), ""])


def _items(sentences: Sequence[str]) -> list[str]:
    return [f"- {prose(sentence)}" for sentence in sentences]


def _origin(origin: Provenance) -> list[str]:
    few, most = origin.steps
    steps = f"{few}" if few == most else f"{few} to {most}"
    return [
        "```bash",
        printable(origin.command, lines=False),
        "```",
        "",
        prose(
            f"{origin.encoder} on {origin.corpora}, {steps} steps; "
            f"{counted(origin.cells, 'cell')}, {duration(origin.seconds)} of one slot, on "
            f"{', '.join(origin.devices)}; {', '.join(origin.sources)}."
            + (f" Test was {origin.opened}." if origin.opened else "")
        ),
    ]
