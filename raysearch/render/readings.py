"""How are readings of test data shown: one row a configuration, mean ± sd over its cells."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from rich.table import Table

from raysearch.leaderboard.summary import encoder_name
from raysearch.trial import Trial

__all__ = ["readings_table"]


def readings_table(readings: Sequence[Trial], title: str = "test, read once") -> Table:
    """A table with a row per metric and a column per configuration.

    Args:
        readings: Trials whose metrics are to be shown; at least one.
        title: Which data the metrics were measured on.
    """
    first = readings[0]
    table = Table(
        title=f"{first.sweep}: {title}\ncorpora {first.provenance.get('corpora', '')}\n"
        f"encoder {encoder_name(first.config)}",
        title_justify="left",
    )
    table.add_column("metric")
    numbers = sorted({trial.number for trial in readings})
    for number in numbers:
        cells = [trial for trial in readings if trial.number == number]
        table.add_column(f"trial {number} (n={len(cells)})", justify="right")
    for name in sorted({name for trial in readings for name in trial.metrics}):
        row = [
            mean_sd([t.metrics[name] for t in readings if t.number == number and name in t.metrics])
            for number in numbers
        ]
        table.add_row(name.removeprefix("test/"), *row)
    return table


def mean_sd(values: Sequence[float]) -> str:
    """``0.612 ± 0.004``; no spread from a single cell, and a dash from none."""
    if not values:
        return "–"
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{fmean(values):.3f}{spread}"
