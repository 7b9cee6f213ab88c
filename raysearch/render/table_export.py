"""Boards as text: LaTeX that needs no packages, Markdown, and records for CSV and JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from raysearch.config import as_scalar
from raysearch.findings.sweep import TaskColumn
from raysearch.leaderboard import Ranking, SweepCard, summarize
from raysearch.leaderboard.keys import distinct
from raysearch.leaderboard.rank import Ranked
from raysearch.printable import counted, printable
from raysearch.render.format import score, setting
from raysearch.run import MetricGoal

__all__ = [
    "board_text",
    "code",
    "escape",
    "markdown_rows",
    "markdown_rows",
    "prose",
    "records",
    "setting_records",
    "spreadsheet_cell",
    "tabular",
]

_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "ε": r"$\varepsilon$",
    "β": r"$\beta$",
    "ρ": r"$\rho$",
    "…": r"\ldots{}",
    "×": r"$\times$",
}
"""Characters that are commands in LaTeX, or missing from its default font."""


def escape(text: str) -> str:
    """Text escaped for LaTeX; line ends become spaces, invisible characters escapes."""
    shown = printable(text.replace("\n", " "), lines=False)
    return "".join(_SIGNS.get(sign, sign) for sign in shown)


def tabular(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    rules_before: Sequence[int] = (),
) -> str:
    """A ``tabular`` of escaped cells, its first `left` columns flush left, the others right.

    Args:
        heads: Heads of the columns.
        rows: Cells, as many per row as there are heads.
        left: Number of columns with words.
        rules_before: Indices of rows with a rule above.
    """
    form = "l" * left + "r" * (len(heads) - left)
    lines = [rf"\begin{{tabular}}{{{form}}}", r"\hline", _row(heads), r"\hline"]
    for index, row in enumerate(rows):
        if index in rules_before:
            lines.append(r"\hline")
        lines.append(_row(row))
    return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def _row(cells: Sequence[str]) -> str:
    # A hyphen before a digit is a minus sign.
    signed = (re.sub(r"(?<![\w.])-(?=\d)", "−", cell) for cell in cells)
    return " & ".join(map(escape, signed)) + r" \\"


_SETTINGS = 5
"""Number of settings with a column: those with the strongest association with the metric."""


def board_text(
    table: pa.Table,
    card: SweepCard,
    rankings: Mapping[str, Ranking],
    names: Sequence[str],
    *,
    form: Literal["latex", "markdown"],
    top: int = 10,
) -> str:
    """The ranked configurations of a sweep, and a line on their origin.

    Args:
        table: Rows of *trials* of one sweep.
        card: The sweep's card.
        rankings: Task to its ranking; a single "" if configurations are ranked over all tasks.
        names: Settings, the strongest association first; the first few have a column.
        form: Format of the text.
        top: Ranked configurations to show, for each task if each was searched separately.
    """
    alone, names = "" not in rankings, names[:_SETTINGS]
    heads = [*(["pair"] if alone else []), "rank", "trial", card.goal.name, *names]
    rows: list[list[str]] = []
    begins = []
    for task, ranking in rankings.items():
        begins.append(len(rows))
        for item in _shown(ranking, top):
            rows.append([*([task] if alone else []), *_cells(item, names)])
    said = _said(table, card, rankings)
    if form == "latex":
        body = tabular(heads, rows, left=1 if alone else 0, rules_before=begins[1:])
        return f"% {printable(said, lines=False)}\n{body}"
    lines = markdown_rows(heads, rows, left=1 if alone else 0)
    return "\n".join([*lines, "", prose(said), ""])


def _shown(ranking: Ranking, top: int) -> list[Ranked]:
    return [item for item in ranking[: top or None] if item.rank]


def _cells(item: Ranked, names: Sequence[str]) -> list[str]:
    spread = f" ± {score(item.score_sd)}" if item.score_sd == item.score_sd else ""
    values = [setting(item.config.get(name)) or "–" for name in names]
    return [str(item.rank), str(item.trial), score(item.score) + spread, *values]


def _said(table: pa.Table, card: SweepCard, rankings: Mapping[str, Ranking]) -> str:
    """The origin of the table, in one line."""
    summary = summarize(table)
    way = "higher" if card.goal.direction == "maximize" else "lower"
    complete = sum(sum(item.rank is not None for item in ranking) for ranking in rankings.values())
    worst = card.aggregate == "worst" and len(summary.tasks) > 1
    cells = card.cells_of_task
    return (
        f"{', '.join(summary.sweeps)}: {card.goal.name}{' on the worst task' if worst else ''}, "
        f"{way} is better, mean ± sd over "
        f"{counted(cells, 'cell') if cells else 'its cells'} of a task; {complete} of "
        f"{counted(summary.configurations, 'configuration')} complete; on "
        f"{', '.join(summary.tasks)} with {', '.join(summary.encoders)}"
    )


_TAG = re.compile(r"<(?=[A-Za-z/!?])")
"""Matches the beginning of HTML, or of a link in angle brackets."""


def prose(text: str) -> str:
    """Text on one line in which neither HTML nor a link or an image begins."""
    return _TAG.sub("&lt;", _line_of(text)).replace("](", r"]\(").replace("]:", r"]\:")


def code(text: str) -> str:
    """Text as inline code, whatever backticks it contains."""
    plain = _line_of(text)
    ticks = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    pad = " " if "`" in plain else ""
    return f"{ticks}{pad}{plain}{pad}{ticks}"


def markdown_rows(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 10**6
) -> list[str]:
    """The lines of a table; characters that end a cell or begin a tag are escaped.

    Args:
        heads: Heads of the columns.
        rows: Cells, as many per row as there are heads.
        left: Number of columns with words; those after them are right-aligned.
    """
    rule = ["---" if index < left else "---:" for index in range(len(heads))]
    return [_line(heads), f"|{'|'.join(rule)}|", *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    plain = _line_of(text).replace("\\", "\\\\").replace("|", "\\|")
    return plain.replace("<", "&lt;").replace("](", r"]\(")


def _line_of(text: str) -> str:
    return printable(text.replace("\n", " "), lines=False)


_FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""Characters that start a formula in a spreadsheet, including full-width ones."""


def records(ranking: Iterable[Ranked], goal: MetricGoal) -> list[dict[str, Any]]:
    """One mapping per configuration, every value a scalar; unknown ones are None or NaN.

    The order of names is that of the table: rank, identity, score, costs, reason, with several
    tasks the mean of each as ``mean/*``, then ``config/*`` and ``metric/*`` (means over the
    cells that have it).
    """
    return [
        {
            "rank": item.rank,
            "sweep": item.sweep,
            "trial": item.trial,
            "method": item.method,
            "tasks": item.tasks,
            "state": str(item.status),
            "cells": item.cells,
            "goal": goal.name,
            "direction": goal.direction,
            "score": item.score,
            "mean": item.mean,
            "sd": item.sd,
            "seconds": item.seconds,
            "steps": item.steps,
            "reason": item.reason,
            **(
                {f"mean/{name}": value for name, value in item.by_task.items()}
                if len(item.by_task) > 1
                else {}
            ),
            **{f"config/{name}": value for name, value in item.config.items()},
            **{f"metric/{name}": value for name, value in item.metrics.items()},
        }
        for item in ranking
    ]


def setting_records(
    table: pa.Table,
    card: SweepCard,
    papers: Mapping[str, Mapping[str, Any]],
    columns: Sequence[TaskColumn],
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """One mapping per task and setting, in the order of the board by parameter.

    Args:
        table: Rows of *trials* of one sweep.
        card: The sweep's card.
        papers: Task to the paper's values for it, by setting; empty if there are none.
        columns: Each task's column.
        names: Settings, the strongest association first.
    """
    found = []
    for column in columns:
        best = column.best
        for name in names:
            known = column.associations.get(name)
            found.append(
                {
                    "sweep": ", ".join(distinct(table, "sweep")),
                    "task": column.task,
                    "goal": card.goal.name,
                    "direction": card.goal.direction,
                    "trial": best.trial if best else None,
                    "score": best.score if best else None,
                    "complete": column.complete,
                    "setting": name,
                    "value": best.config.get(name) if best else None,
                    "paper": as_scalar(papers.get(column.task, {}).get(name)),
                    "association": known.value if known else None,
                    "measure": ("spearman" if known.signed else "eta") if known else None,
                    "told": known.significant if known else None,
                }
            )
    return found


def spreadsheet_cell(value: Any) -> Any:
    """A cell that a spreadsheet does not execute: formulas get a quote before them.

    Numbers are unchanged, also as text.
    """
    if not isinstance(value, str):
        return value
    quote = "'" if value[:1] in _FORMULA and not _is_number(value) else ""
    return quote + printable(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == ""
    return True
