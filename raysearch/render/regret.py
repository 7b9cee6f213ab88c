"""How is shown what selection on source data lost, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from raysearch.findings.sweep import Regret, oracle_goal
from raysearch.render.format import Glyphs, glyphs_for, score
from raysearch.render.readings import READ_ONCE
from raysearch.render.table import bare_table
from raysearch.run import MetricGoal

__all__ = ["RegretTable"]


@dataclass(frozen=True)
class RegretTable:
    """A table of selection regret that is ready to be printed.

    Attributes:
        goal: What selects, for example ``dev/f1``.
        role: The oracle's role, for example ``target_dev``.
        rows: Regret per task; an empty task stands for all of them.
        folder: The sweep's folder.
        read: How often the oracle's data was opened, as `read_words` has it.
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
