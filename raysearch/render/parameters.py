"""How is shown where the pairs of a sweep differ: their best settings, one column a pair.

Beside the best value stands how the setting goes with the metric within the pair; below it
the paper's own value, where the paper has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from raysearch.findings.sweep import Association, TaskColumn
from raysearch.leaderboard.card import SweepCard
from raysearch.leaderboard.keys import Summary, summarize
from raysearch.render.board import origin_lines
from raysearch.render.format import UNICODE, Glyphs, glyphs_for, score, setting
from raysearch.render.table import GAP, Layout
from raysearch.statistics.permutation import FEWEST

__all__ = ["ParameterBoard", "make_parameter_board"]

_LEGEND = (
    "beside a value: Spearman's rank correlation of setting and metric over the pair's complete "
    "trials, above 0 where larger does better; e: the share η of names, without a sign; * told "
    "from chance by permutation, corrected for all that stand here; without it, it may be chance"
)


@dataclass(frozen=True, kw_only=True)
class ParameterBoard:
    """A table of settings by task that is ready to be printed.

    Attributes:
        columns: What each task says.
        names: Settings, the most telling first.
        papers: Task to the paper's values of it.
        layout: What ranks.
        summary: What the numbers come from.
    """

    columns: Sequence[TaskColumn]
    names: Sequence[str]
    papers: Mapping[str, Mapping[str, Any]]
    layout: Layout
    summary: Summary

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = glyphs_for(options.encoding)
        yield origin_lines(self.summary, self.layout, glyphs)[0]
        yield Text(f"{self.layout.goal.name}: the best trial of each pair, and its settings")
        blocks = [_block(self._values(column, glyphs)) for column in self.columns]
        yield from _side_by_side(self._heads(), blocks, options.max_width)
        yield Text()
        if any(any(column.associations.values()) for column in self.columns):
            yield Text(_LEGEND if glyphs is UNICODE else _LEGEND.replace("η ", ""))
        else:
            yield Text(f"no pair has the {FEWEST} complete trials that a rank correlation needs")

    def _heads(self) -> list[str]:
        lines = ["", "best trial", self.layout.goal.name, "complete trials"]
        for name in self.names:
            lines += [name, "  paper"] if self._has_paper(name) else [name]
        return lines

    def _values(self, column: TaskColumn, glyphs: Glyphs) -> list[tuple[str, str]]:
        """Value and association of every line."""
        best, none = column.best, glyphs.none
        lines = [
            (column.task, ""),
            (str(best.trial) if best else none, ""),
            ((score(best.mean) if best else "") or none, ""),
            (str(column.complete), ""),
        ]
        for name in self.names:
            value = setting(best.config.get(name)) if best else ""
            lines.append((value or none, _mark(column.associations.get(name))))
            if self._has_paper(name):
                paper = self.papers.get(column.task, {}).get(name)
                lines.append((setting(_scalar(paper)) or none, ""))
        return lines

    def _has_paper(self, name: str) -> bool:
        return any(name in paper for paper in self.papers.values())


def make_parameter_board(
    table: pa.Table,
    card: SweepCard,
    papers: Mapping[str, Mapping[str, Any]],
    columns: Sequence[TaskColumn],
    names: Sequence[str],
) -> ParameterBoard:
    """The settings that the sweep searched, by task.

    Args:
        table: Rows of *trials* of one sweep.
        card: What ranks them.
        papers: Task to the paper's values of it, by setting; empty where there are none.
        columns: What each task says.
        names: Settings, the most telling first.
    """
    return ParameterBoard(
        columns=columns,
        names=names,
        papers=papers,
        layout=Layout(goal=card.goal, cells=card.cells_of_task, split=True),
        summary=summarize(table),
    )


def _block(lines: Sequence[tuple[str, str]]) -> list[str]:
    """The lines of one task, each as wide as the others."""
    widths = [max(len(line[part]) for line in lines) for part in (0, 1)]
    return [f"{value:>{widths[0]}} {mark:>{widths[1]}}" for value, mark in lines]


def _side_by_side(
    heads: Sequence[str], blocks: Sequence[Sequence[str]], width: int
) -> Iterator[Text]:
    """As many tasks side by side as there is room, the others below them."""
    lead = max(map(len, heads))
    rest = list(blocks)
    while rest:
        room, count = width - lead, 0
        while count < len(rest) and (room := room - GAP - len(rest[count][0])) >= 0:
            count += 1
        now, rest = rest[: max(count, 1)], rest[max(count, 1) :]
        yield Text()
        for index, parts in enumerate(zip(heads, *now, strict=True)):
            line = (" " * GAP).join([parts[0].ljust(lead), *parts[1:]]).rstrip()
            style = "bold" if index == 0 else "dim" if parts[0].startswith(" ") else ""
            yield Text(line, style=style, no_wrap=True)


def _mark(found: Association | None) -> str:
    """``+.42`` for a correlation, ``e.42`` for a share, ``*`` for one that is told."""
    if found is None:
        return ""
    size = f"{abs(found.value):.2f}"
    digits = "1.0" if size == "1.00" else size[1:]
    sign = ("-" if found.value < 0 else "+") if found.signed else "e"
    return f"{sign}{digits}{'*' if found.told else ' '}"


def _scalar(value: Any) -> Any:
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else value
