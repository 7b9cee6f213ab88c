"""How are the trials that run at the moment shown: how far each is, and its curve so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.table import Table

from raysearch.render.format import Glyphs, duration, score, sparkline
from raysearch.trial import Lease

__all__ = ["MOST_RUNNING", "Running", "bar", "running_table"]

MOST_RUNNING = 8
_BAR = 16
_SPARK = 16


@dataclass
class Running:
    """A lease that is being run.

    Attributes:
        lease: What runs, on which cell.
        since: When it began, by the picture's clock.
        share: Steps done of those to do, 0 to 1.
        curve: The goal's values reported so far; NaN where a report lacks it.
    """

    lease: Lease
    since: float
    share: float = 0.0
    curve: list[float] = field(default_factory=list)


def running_table(running: Iterable[Running], now: float, glyphs: Glyphs) -> Table:
    """A line per lease: trial, task and seed, how far, its curve, its last value, its time."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    for right in (False, False, False, True, False, True, True):
        table.add_column(justify="right" if right else "left", no_wrap=True)
    items = sorted(running, key=lambda item: item.lease.id)
    for item in items[:MOST_RUNNING]:
        cell = item.lease.cell
        table.add_row(
            f"trial {item.lease.number}",
            f"{cell.task} s{cell.seed}",
            bar(item.share, glyphs),
            f"{item.share:.0%}",
            sparkline(item.curve, _SPARK, glyphs.bars),
            score(item.curve[-1]) if item.curve else "",
            duration(now - item.since),
        )
    if len(items) > MOST_RUNNING:
        table.add_row(f"and {len(items) - MOST_RUNNING} more")
    return table


def bar(share: float, glyphs: Glyphs) -> str:
    """A bar of sixteen signs."""
    full = int(share * _BAR)
    return glyphs.full * full + glyphs.empty * (_BAR - full)
