"""How is a leaderboard shown: what the numbers come from, then the trials in order.

The table takes the width that it gets. When not every setting that differs has room, those
that go most with the metric are columns, and the rest stands below with the best trial's
values. Everything here is a value that rich can print; nothing prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from raysearch.leaderboard.association import most_telling
from raysearch.leaderboard.rank import rank, varying
from raysearch.leaderboard.ranked import Ranked, Standing
from raysearch.leaderboard.summary import Summary, summarize
from raysearch.render.format import Glyphs, duration, glyphs_for, score, setting
from raysearch.trial import MetricGoal

__all__ = ["Board", "count_words", "make_board", "more_settings", "origin_lines", "ranked_table"]

_STYLES = {
    Standing.COMPLETE: "",
    Standing.PARTIAL: "cyan",
    Standing.PRUNED: "dim",
    Standing.FAILED: "red",
}
_GAP = 2
_REASONS = 3
_FOLD = 6
"""Names up to this length are never broken."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """A leaderboard that is ready to be printed.

    Attributes:
        rows: The configurations to show, in order.
        total: How many there are.
        goal: What ranks them.
        summary: What the numbers come from.
        counts: How many stand how.
        parameters: Settings that differ, the most telling first.
        reasons: Why trials failed, and which.
        cells: Cells of a complete configuration; 0 when not known.
    """

    rows: Sequence[Ranked]
    total: int
    goal: MetricGoal
    summary: Summary
    counts: Mapping[Standing, int]
    parameters: Sequence[str]
    reasons: Mapping[str, Sequence[int]]
    cells: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = glyphs_for(options.encoding)
        yield from origin_lines(self.summary, self.goal, glyphs)
        dot = f" {glyphs.dot} "
        trained = f"{duration(self.summary.seconds)} of training"
        yield Text(f"{count_words(self.counts)}{dot}{trained}")
        yield Text()
        table, hidden = ranked_table(
            self.rows,
            self.goal,
            self.parameters,
            cells=self.cells,
            width=options.max_width,
            glyphs=glyphs,
        )
        yield table
        yield from self._below(hidden, glyphs)

    def _below(self, hidden: Sequence[str], glyphs: Glyphs) -> Iterator[Text]:
        left = self.total - len(self.rows)
        notes = [Text(f"{left} more: --top 0 shows all")] if left else []
        if hidden and self.rows:
            first = self.rows[0]
            values = ", ".join(
                f"{name}={setting(first.config.get(name)) or glyphs.none}" for name in hidden
            )
            notes.append(Text(f"{more_settings(hidden)}; trial {first.trial} has {values}"))
        notes += _failures(self.reasons)
        if notes:
            yield Text()
        yield from notes


def make_board(table: pa.Table, goal: MetricGoal, *, cells: int = 0, top: int = 0) -> Board:
    """The leaderboard of the rows of *trials*.

    Args:
        table: Rows of one sweep.
        goal: What ranks them.
        cells: How many cells a configuration must have to be ranked; 0 for any number.
        top: How many to show; 0 for all.

    Raises:
        ConfigError: No row has the metric.
    """
    ranking = rank(table, goal, cells=cells)
    return Board(
        rows=ranking[: top or None],
        total=len(ranking),
        goal=goal,
        summary=summarize(table),
        counts=ranking.counts(),
        parameters=most_telling(ranking, varying(table)),
        reasons=ranking.failures(),
        cells=cells,
    )


def origin_lines(summary: Summary, goal: MetricGoal, glyphs: Glyphs) -> list[Text]:
    """Which sweep, method, corpora and encoders the numbers come from, and what ranks them."""
    line = Text(", ".join(summary.sweeps), style="bold")
    origin = f"  {', '.join(summary.methods)}"
    if summary.tasks:
        encoders = ", ".join(summary.encoders) or "an encoder that is not recorded"
        origin += f" on {', '.join(summary.tasks)} with {encoders}"
    line.append(origin, style="not bold")
    over = f": mean {glyphs.plus_minus} sd (cells)" if summary.rows > summary.configurations else ""
    better = "higher" if goal.direction == "maximize" else "lower"
    return [line, Text(f"{goal.name}, {better} is better{over}")]


def more_settings(hidden: Sequence[str]) -> str:
    """How many settings that differ had no room."""
    if len(hidden) == 1:
        return "1 more setting differs"
    return f"{len(hidden)} more settings differ"


def count_words(counts: Mapping[Standing, int]) -> str:
    """For example ``25 trials: 14 complete, 9 pruned, 2 failed``."""
    total = sum(counts.values())
    noun = "trial" if total == 1 else "trials"
    parts = ", ".join(f"{count} {standing}" for standing, count in counts.items())
    return f"{total} {noun}: {parts}" if parts else "no trials"


def ranked_table(
    rows: Sequence[Ranked],
    goal: MetricGoal,
    parameters: Sequence[str],
    *,
    cells: int,
    width: int,
    glyphs: Glyphs,
) -> tuple[Table, list[str]]:
    """The configurations as a table of at most `width` columns.

    Args:
        rows: In the order to show.
        goal: Its name heads the column of means.
        parameters: Settings to show, first come first shown.
        cells: Cells of a complete configuration; 0 when not known.
        width: Room in characters.
        glyphs: Signs of the terminal.

    Returns:
        The table, and the settings that had no room.
    """
    fixed = _fixed_columns(rows, goal, cells, glyphs)
    columns = {
        name: [setting(row.config.get(name)) or glyphs.none for row in rows] for name in parameters
    }
    heads = {name: _fold(name, values) for name, values in columns.items()}
    room = width - sum(_width(head, values) + _GAP for head, values in fixed)
    shown = []
    for name, values in columns.items():
        need = _width(heads[name], values) + _GAP
        if need <= room:
            shown.append(name)
            room -= need
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for head, values in fixed:
        table.add_column(head, justify=_justify(values), no_wrap=True, vertical="bottom")
    for name in shown:
        table.add_column(heads[name], justify=_justify(columns[name]), no_wrap=True)
    for index, row in enumerate(rows):
        texts = [values[index] for _, values in fixed] + [columns[name][index] for name in shown]
        style = "bold" if row.rank == 1 else _STYLES[row.standing]
        table.add_row(*(Text(text) for text in texts), style=style)
    return table, [name for name in parameters if name not in shown]


def _fixed_columns(
    rows: Sequence[Ranked], goal: MetricGoal, cells: int, glyphs: Glyphs
) -> list[tuple[str, list[str]]]:
    """Head and values of the columns that every board has, where they say something."""
    columns = [
        # Who has no rank shows why in its place.
        ("rank", [str(row.rank or row.standing.replace("complete", glyphs.none)) for row in rows]),
        ("trial", [str(row.trial) for row in rows]),
        (goal.name, _scores(rows, cells, glyphs)),
        ("time", [duration(row.seconds) for row in rows]),
    ]
    if len({row.method for row in rows}) > 1:
        columns.append(("method", [row.method for row in rows]))
    return columns


def _scores(rows: Sequence[Ranked], cells: int, glyphs: Glyphs) -> list[str]:
    """``mean ± sd (cells)``, each part below its like; the last two where cells are several."""
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


def _width(head: str, values: Sequence[str]) -> int:
    return max((cell_len(text) for text in [*head.split("\n"), *values]), default=0)


def _fold(name: str, values: Sequence[str]) -> str:
    """Break a long name after underscores, no narrower than its values."""
    words = name.replace("_", "_\n").split("\n")
    limit = max(_FOLD, max(map(len, words)), _width("", values))
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > limit:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)


def _failures(reasons: Mapping[str, Sequence[int]]) -> list[Text]:
    """Why trials failed, the first few reasons."""
    lines = []
    for reason, trials in list(reasons.items())[:_REASONS]:
        more = f" and {len(trials) - _REASONS} more" if len(trials) > _REASONS else ""
        numbers = ", ".join(map(str, trials[:_REASONS])) + more
        lines.append(Text(f"trial {numbers} failed: {reason}", style="red"))
    if len(reasons) > _REASONS:
        lines.append(Text(f"and {len(reasons) - _REASONS} more reasons: --format csv shows them"))
    return lines
