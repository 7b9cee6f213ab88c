"""Formats ranked configurations as a table of a given width.

The identifying columns are always shown; means of tasks and settings follow in order while they
fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from raysearch.leaderboard.rank import Ranked, RankStatus
from raysearch.render.format import Glyphs, duration, score, setting
from raysearch.run import MetricGoal

__all__ = ["GAP", "Layout", "bare_table", "note", "ranked_table"]

_STYLES = {
    RankStatus.COMPLETE: "",
    RankStatus.PARTIAL: "cyan",
    RankStatus.PRUNED: "dim",
    RankStatus.FAILED: "red",
}
GAP = 2
"""Spaces between columns."""
_FOLD = 6
"""Names up to this length are never broken."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The columns of a table of ranked configurations, beside their settings.

    Attributes:
        goal: Its name heads the column of means.
        cells: Cells of a complete configuration; 0 if unknown.
        tasks: Tasks whose means are columns.
        worst: Whether the worst task ranks, so that its mean is a column.
        split: Whether the rows are ranked within their tasks, one task after the other.
    """

    goal: MetricGoal
    cells: int = 0
    tasks: Sequence[str] = ()
    worst: bool = False
    split: bool = False


@dataclass(frozen=True)
class _Column:
    """Head and values; `name` of a task or setting, listed elsewhere if it does not fit."""

    head: str
    values: Sequence[str]
    name: str = ""

    @property
    def width(self) -> int:
        return _width(self.head, self.values)


def ranked_table(
    rows: Sequence[Ranked], layout: Layout, parameters: Sequence[str], *, width: int, glyphs: Glyphs
) -> tuple[Table, list[str]]:
    """The configurations as a table of at most `width` columns.

    Args:
        rows: In the order to show.
        layout: The columns.
        parameters: Settings to show, by priority.
        width: Width in characters.
        glyphs: Characters of the terminal.

    Returns:
        The table, and the tasks and settings that did not fit.
    """
    fixed = _fixed_columns(rows, layout, glyphs)
    room = width - sum(column.width + GAP for column in fixed)
    shown = []
    for column in _optional_columns(rows, layout, parameters, glyphs):
        if column.width + GAP <= room:
            shown.append(column)
            room -= column.width + GAP
    table = bare_table()
    columns = fixed + shown
    for column in columns:
        table.add_column(
            column.head, justify=_justify(column.values), no_wrap=True, vertical="bottom"
        )
    apart = layout.split and len(rows) > len({row.tasks for row in rows})
    for index, row in enumerate(rows):
        if apart and index and rows[index - 1].tasks != row.tasks:
            table.add_row()
        style = "bold" if row.rank == 1 else _STYLES[row.status]
        table.add_row(*(Text(column.values[index]) for column in columns), style=style)
    names = {column.name for column in shown}
    return table, [name for name in (*layout.tasks, *parameters) if name not in names]


def bare_table() -> Table:
    """A table without lines, its columns two spaces apart."""
    return Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")


def note(sentence: str) -> Table:
    """The sentence after a dash, with its further lines aligned to the first."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    style = "bold yellow" if sentence.startswith("Warning") else ""
    grid.add_row("-", Text(sentence, style=style))
    return grid


def _width(head: str, values: Sequence[str]) -> int:
    return max((cell_len(text) for text in [*head.split("\n"), *values]), default=0)


def _fold(name: str, values: Sequence[str]) -> str:
    """Break a long name at underscores, no narrower than its values."""
    words = name.replace("_", "_\n").split("\n")
    limit = max(_FOLD, max(map(len, words)), _width("", values))
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > limit:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)


def _fixed_columns(rows: Sequence[Ranked], layout: Layout, glyphs: Glyphs) -> list[_Column]:
    """The columns of every board, without uninformative ones."""
    columns = []
    if layout.split:
        before = ["", *(row.tasks for row in rows)]
        firsts = [row.tasks if row.tasks != before[i] else "" for i, row in enumerate(rows)]
        columns.append(_Column("pair", firsts))
    columns += [
        # The reason takes the place of the rank if there is none.
        _Column(
            "rank", [str(row.rank or row.status.replace("complete", glyphs.none)) for row in rows]
        ),
        _Column("trial", [str(row.trial) for row in rows]),
    ]
    if layout.worst:
        columns.append(_Column("worst", [score(row.score) or glyphs.none for row in rows]))
    columns.append(_Column(layout.goal.name, _scores(rows, layout.cells, glyphs)))
    if not layout.tasks:
        columns.append(_time(rows))
    if len({row.method for row in rows}) > 1:
        columns.append(_Column("method", [row.method for row in rows]))
    return columns


def _optional_columns(
    rows: Sequence[Ranked], layout: Layout, parameters: Sequence[str], glyphs: Glyphs
) -> list[_Column]:
    """Means of tasks and settings; the time comes last if tasks take the space."""
    columns = []
    for task in layout.tasks:
        means = [score(row.by_task.get(task, math.nan)) or glyphs.none for row in rows]
        columns.append(_Column(task, means, task))
    for name in parameters:
        values = [setting(row.config.get(name)) or glyphs.none for row in rows]
        columns.append(_Column(_fold(name, values), values, name))
    if layout.tasks:
        columns.append(_time(rows))
    return columns


def _time(rows: Sequence[Ranked]) -> _Column:
    return _Column("time", [duration(row.seconds) for row in rows])


def _scores(rows: Sequence[Ranked], cells: int, glyphs: Glyphs) -> list[str]:
    """``mean ± sd (cells)``, aligned by part; the last two only with several cells."""
    parts = [[score(row.mean) or glyphs.none for row in rows]]
    if cells > 1 or any(row.cells > 1 for row in rows):
        parts.append([score(row.sd) and f"{glyphs.plus_minus} {score(row.sd)}" for row in rows])
        parts.append(
            [f"({row.cells}/{cells})" if row.cells < cells else f"({row.cells})" for row in rows]
        )
    widths = [max(map(len, part), default=0) for part in parts]
    return [
        " ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True))
        for texts in zip(*parts, strict=True)
    ]


def _justify(values: Sequence[str]) -> Literal["left", "right"]:
    return "right" if any(value[:1].isdigit() or value[:1] in "-+" for value in values) else "left"
