"""Leaderboards: the origin of the numbers, then trials in order, or the best settings by task.

If not all settings that differ fit, those with the strongest association with the metric are
columns, and the rest is listed below with the best trial's values. By parameter, the best value is
followed by the setting's association with the metric within the pair, with the paper's own value
below. Everything here is a rich renderable; nothing prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from raysearch.findings.sweep import Association, TaskColumn
from raysearch.leaderboard.card import SweepCard, used_up_text
from raysearch.leaderboard.keys import Summary, summarize
from raysearch.leaderboard.rank import Ranked, Ranking, RankStatus, rank
from raysearch.leaderboard.tasks import task_names
from raysearch.printable import counted
from raysearch.render.format import UNICODE, Glyphs, duration, glyphs_for, score, setting
from raysearch.render.table import GAP, Layout, ranked_table
from raysearch.scalars import size_text
from raysearch.statistics.permutation import FEWEST

__all__ = [
    "Board",
    "ParameterBoard",
    "count_words",
    "make_board",
    "make_parameter_board",
    "make_task_board",
    "more_settings",
    "origin_lines",
]

_REASONS = 3


@dataclass(frozen=True, kw_only=True)
class Board:
    """A printable leaderboard.

    Attributes:
        rows: The configurations to show, in order.
        left: Number of configurations that are not shown.
        layout: The ranking metric and the columns.
        summary: Origin of the numbers.
        counts: Status to number of configurations.
        parameters: Settings that differ, the strongest association first.
        reasons: Reason of failure to trials.
        lacking: Missing metric to otherwise complete trials.
        note: A sentence on how to read it; empty for none.
    """

    rows: Sequence[Ranked]
    left: int
    layout: Layout
    summary: Summary
    counts: Mapping[RankStatus, int]
    parameters: Sequence[str]
    reasons: Mapping[str, Sequence[int]]
    lacking: Mapping[str, Sequence[int]]
    note: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = glyphs_for(options.encoding)
        yield from origin_lines(self.summary, self.layout, glyphs)
        dot = f" {glyphs.dot} "
        trained = f"{duration(self.summary.seconds)} of training"
        if self.summary.gpu_peak is not None:
            trained += f"{dot}up to {size_text(self.summary.gpu_peak)} of a GPU"
        yield Text(f"{count_words(self.counts)}{dot}{trained}")
        yield Text()
        table, hidden = ranked_table(
            self.rows, self.layout, self.parameters, width=options.max_width, glyphs=glyphs
        )
        yield table
        yield from self._below(hidden, glyphs)

    def _below(self, hidden: Sequence[str], glyphs: Glyphs) -> Iterator[Text]:
        notes = [Text(f"{self.left} more: --top 0 shows all")] if self.left else []
        if self.note:
            notes.append(Text(self.note))
        tasks = [name for name in hidden if name in self.layout.tasks]
        if tasks:
            notes.append(Text(f"no room for {', '.join(tasks)}: --by pair shows every pair"))
        settings = [name for name in hidden if name not in tasks]
        if settings and self.rows:
            notes.append(Text(self._hidden_words(settings, glyphs)))
        notes += [
            Text(f"trial {_some(trials)} is not ranked: {reason}")
            for reason, trials in list(self.lacking.items())[:_REASONS]
        ]
        notes += _failures(self.reasons)
        if notes:
            yield Text()
        yield from notes

    def _hidden_words(self, hidden: Sequence[str], glyphs: Glyphs) -> str:
        if self.layout.split:
            return f"{more_settings(hidden)}: --by parameter shows those that were searched"
        first = self.rows[0]
        values = ", ".join(
            f"{name}={setting(first.config.get(name)) or glyphs.none}" for name in hidden
        )
        return f"{more_settings(hidden)}; trial {first.trial} has {values}"


def make_board(
    table: pa.Table, card: SweepCard, ranking: Ranking, parameters: Sequence[str], *, top: int = 0
) -> Board:
    """The leaderboard of the rows of *trials*, over all their tasks.

    Args:
        table: Rows of one sweep. If every task was searched separately, those with equal
            settings are one configuration.
        card: The sweep's card.
        ranking: Their ranking (`rank_all`).
        parameters: Settings that differ, the strongest association first.
        top: Number of configurations to show; 0 for all.
    """
    tasks = task_names(table, card.tasks)
    alone = card.mode == "per_task" and len(tasks) > 1
    own = "trials of equal settings are one, under the lowest number; best per pair: --by pair"
    notes = [f"every pair was searched by itself: {own}"] if alone else []
    return Board(
        rows=ranking[: top or None],
        left=max(len(ranking) - top, 0) if top else 0,
        layout=Layout(
            goal=card.goal,
            cells=card.cells_of_all,
            tasks=tasks if len(tasks) > 1 else (),
            worst=card.aggregate == "worst" and len(tasks) > 1,
        ),
        summary=summarize(table),
        counts=ranking.counts(),
        parameters=parameters,
        reasons=ranking.reasons(RankStatus.FAILED),
        lacking=ranking.reasons(RankStatus.PARTIAL),
        note="\n".join([*notes, *_used_up(card)]),
    )


def make_task_board(
    table: pa.Table,
    card: SweepCard,
    rankings: Mapping[str, Ranking],
    parameters: Sequence[str],
    *,
    top: int = 0,
) -> Board:
    """The leaderboard with a section per task, its configurations ranked within it.

    Args:
        table: Rows of one sweep.
        card: The sweep's card.
        rankings: Task to its ranking (`rank_tasks`), in the order of the sections.
        parameters: Settings that differ, the strongest association first.
        top: Number of configurations to show for each task; 0 for all.
    """
    rows = [row for ranking in rankings.values() for row in ranking[: top or None]]
    whole = rank(table, card.goal, cells=card.cells)
    return Board(
        rows=rows,
        left=sum(map(len, rankings.values())) - len(rows),
        layout=Layout(goal=card.goal, cells=card.cells_of_task, split=True),
        summary=summarize(table),
        counts=whole.counts(),
        parameters=parameters,
        reasons=whole.reasons(RankStatus.FAILED),
        lacking=whole.reasons(RankStatus.PARTIAL),
        note="\n".join(_used_up(card)),
    )


def _used_up(card: SweepCard) -> list[str]:
    return [used_up_text(card.used_up)] if card.used_up else []


def origin_lines(summary: Summary, layout: Layout, glyphs: Glyphs) -> list[Text]:
    """Sweep, method, corpora and encoders of the numbers, and the ranking metric."""
    line = Text(", ".join(summary.sweeps), style="bold")
    origin = f"  {', '.join(summary.methods)}"
    if summary.tasks:
        encoders = ", ".join(summary.encoders) or "an encoder that is not recorded"
        origin += f" on {', '.join(summary.tasks)} with {encoders}"
    line.append(origin, style="not bold")
    over = f": mean {glyphs.plus_minus} sd (cells)" if summary.rows > summary.configurations else ""
    better = "higher" if layout.goal.direction == "maximize" else "lower"
    rule = ", ranked by the worst pair" if layout.worst else ""
    rule = ", ranked within each pair" if layout.split else rule
    return [line, Text(f"{layout.goal.name}, {better} is better{rule}{over}")]


def more_settings(hidden: Sequence[str]) -> str:
    """How many of the settings that differ are not shown."""
    if len(hidden) == 1:
        return "1 more setting differs"
    return f"{len(hidden)} more settings differ"


def count_words(counts: Mapping[RankStatus, int]) -> str:
    """For example ``25 trials: 14 complete, 9 pruned, 2 failed``."""
    total = sum(counts.values())
    parts = ", ".join(f"{count} {status}" for status, count in counts.items())
    return f"{counted(total, 'trial')}: {parts}" if parts else "no trials"


def _failures(reasons: Mapping[str, Sequence[int]]) -> list[Text]:
    """The first few reasons of failures."""
    lines = []
    for reason, trials in list(reasons.items())[:_REASONS]:
        lines.append(Text(f"trial {_some(trials)} failed: {reason}", style="red"))
    if len(reasons) > _REASONS:
        lines.append(Text(f"and {len(reasons) - _REASONS} more reasons: --format csv shows them"))
    return lines


def _some(trials: Sequence[int]) -> str:
    """The first few numbers, and how many more there are."""
    more = f" and {len(trials) - _REASONS} more" if len(trials) > _REASONS else ""
    return ", ".join(map(str, trials[:_REASONS])) + more


_CUT = "..."

_LEGEND = (
    "beside a value: Spearman's rank correlation of setting and metric over the pair's complete "
    "trials, above 0 where larger does better; e: the share η of names, without a sign; * "
    "significant by permutation, corrected for all that are shown; without it, it may be chance"
)


@dataclass(frozen=True, kw_only=True)
class ParameterBoard:
    """A printable table of settings by task.

    Attributes:
        columns: Each task's column.
        names: Settings, the strongest association first.
        papers: Task to the paper's values for it.
        layout: The ranking metric.
        summary: Origin of the numbers.
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
        heads = self._heads()
        room = options.max_width - max(map(cell_len, heads)) - GAP
        blocks = [_block(self._values(column, glyphs), room) for column in self.columns]
        yield from _side_by_side(heads, blocks, options.max_width)
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
        """Value and association of each line."""
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
        card: The sweep's card.
        papers: Task to the paper's values for it, by setting; empty if there are none.
        columns: Each task's column.
        names: Settings, the strongest association first.
    """
    return ParameterBoard(
        columns=columns,
        names=names,
        papers=papers,
        layout=Layout(goal=card.goal, cells=card.cells_of_task, split=True),
        summary=summarize(table),
    )


def _block(lines: Sequence[tuple[str, str]], room: int) -> list[str]:
    """The lines of one task, padded to the same width; of a longer value its end."""
    marks = max(cell_len(mark) for _, mark in lines)
    values = [_end_of(value, room - 1 - marks) for value, _ in lines]
    width = max(map(cell_len, values))
    return [
        " " * (width - cell_len(value)) + f"{value} {mark:>{marks}}"
        for value, (_, mark) in zip(values, lines, strict=True)
    ]


def _end_of(text: str, room: int) -> str:
    """The text, or as much of its end as fits: paths differ there."""
    if cell_len(text) <= room:
        return text
    while text and cell_len(text) > room - len(_CUT):
        text = text[1:]
    return _CUT + text


def _side_by_side(
    heads: Sequence[str], blocks: Sequence[Sequence[str]], width: int
) -> Iterator[Text]:
    """As many tasks side by side as fit, the others below them."""
    lead = max(map(cell_len, heads))
    rest = list(blocks)
    while rest:
        room, count = width - lead, 0
        while count < len(rest) and (room := room - GAP - cell_len(rest[count][0])) >= 0:
            count += 1
        now, rest = rest[: max(count, 1)], rest[max(count, 1) :]
        yield Text()
        for index, parts in enumerate(zip(heads, *now, strict=True)):
            line = (" " * GAP).join([parts[0].ljust(lead), *parts[1:]]).rstrip()
            style = "bold" if index == 0 else "dim" if parts[0].startswith(" ") else ""
            yield Text(line, style=style, no_wrap=True)


def _mark(found: Association | None) -> str:
    """``+.42`` for a correlation, ``e.42`` for η, ``*`` for a significant one."""
    if found is None:
        return ""
    size = f"{abs(found.value):.2f}"
    digits = "1.0" if size == "1.00" else size[1:]
    sign = ("-" if found.value < 0 else "+") if found.signed else "e"
    return f"{sign}{digits}{'*' if found.significant else ' '}"


def _scalar(value: Any) -> Any:
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else value
