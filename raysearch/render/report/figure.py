"""The elements of a report: figures with selectable views, tables, and formatted numbers.

A figure is plain data for plotly.js, which the page draws. Colours are names that begin with ``$``
(see ``page.js``), so that a figure can be redrawn for a light or a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysearch.printable import counted
from raysearch.render.format import score
from raysearch.statistics.intervals import Interval

__all__ = [
    "Block",
    "Figure",
    "Note",
    "Section",
    "TableBlock",
    "View",
    "between",
    "colour",
    "label",
    "listed",
    "of_mean",
    "percent",
    "rho_map",
    "short",
    "tidy",
]

_COLOURS = 6


@dataclass(frozen=True, kw_only=True)
class View:
    """One view of a figure.

    Attributes:
        name: Its name in the menu, for example a pair.
        traces: In the format of plotly.js.
        layout: Differences from the page's own layout.
        caption: The finding, as plain text.
    """

    name: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    caption: str


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure.

    Attributes:
        title: Its title.
        views: At least one; the first is shown first.
        height: In pixels.
        least_width: Width in pixels below which it scrolls sideways; 0 if it shrinks.
        choose: Label of the menu of views, for example ``pair``.
    """

    title: str
    views: Sequence[View]
    height: int = 380
    least_width: int = 0
    choose: str = "pair"


@dataclass(frozen=True, kw_only=True)
class TableBlock:
    """A table.

    Attributes:
        title: Its title.
        heads: Names of the columns.
        rows: A text or number per column.
        caption: The finding.
        search: Whether the reader can filter the rows.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str | float | int]]
    caption: str
    search: bool = False


@dataclass(frozen=True, kw_only=True)
class Note:
    """A replacement for a missing figure: the reason, or commands to copy.

    Attributes:
        title: Title of the missing figure.
        text: A sentence.
        commands: Lines for a terminal.
    """

    title: str
    text: str
    commands: Sequence[str] = ()


Block = Figure | TableBlock | Note


@dataclass(frozen=True, kw_only=True)
class Section:
    """A question of the page with its answer.

    Attributes:
        name: Short name, for the page's own links.
        blocks: In order.
        finding: What the reader should take away, one item per line; empty for nothing.
    """

    name: str
    blocks: Sequence[Block]
    finding: str = ""


def colour(index: int) -> str:
    """One of six colour-blind safe colours."""
    return f"$c{index % _COLOURS}"


def label(text: object) -> str:
    """A text escaped for plotly.js, which would interpret tags and entities."""
    plain = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace("$", "&#36;") if plain.startswith("$") else plain


def rho_map(
    columns: Sequence[str],
    rows: Sequence[str],
    values: Sequence[Sequence[float | None]],
    texts: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """A heat map of Spearman's ρ, from -1 to 1, with a text in each field; all (rows, columns)."""
    return {
        "type": "heatmap",
        "x": [label(name) for name in columns],
        "y": [label(name) for name in rows],
        "z": values,
        "text": texts,
        "texttemplate": "%{text}",
        "hovertemplate": "%{y}, %{x}: ρ = %{text}<extra></extra>",
        "zmin": -1,
        "zmax": 1,
        "colorscale": "RdBu",
        "reversescale": True,
        "colorbar": {"title": {"text": "ρ"}, "thickness": 12},
    }


def tidy(values: Any) -> list[Any]:
    """Numbers for a figure: five digits, null if not finite."""
    return [_number(value) for value in np.asarray(values).tolist()]


def _number(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.5g}") if math.isfinite(value) else None


def short(value: float) -> str:
    """A number in four digits, a dash for none."""
    return score(value) or "–"


def listed(names: Sequence[object], most: int = 6) -> str:
    """``a, b and c``; of many the first few."""
    shown = [str(name) for name in names]
    if len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def percent(share: float) -> str:
    """``12 %``; below one percent with a decimal."""
    if math.isnan(share):
        return "–"
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 else f"{100 * share:.0f} %"


def between(interval: Interval, digits: int = 2) -> str:
    """``+0.42 [0.11, 0.67]``."""
    if not interval.bounded:
        return f"{interval.value:+.{digits}f}"
    ends = f"[{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]"
    return f"{interval.value:+.{digits}f} {ends}"


def of_mean(mean: float, sd: float, cells: int) -> str:
    """``0.4012 ± 0.0121 over 3 cells``."""
    spread = "" if math.isnan(sd) else f" ± {short(sd)}"
    return f"{short(mean)}{spread} over {counted(cells, 'cell')}"
