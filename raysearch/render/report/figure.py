"""What is a page made of: figures with views to choose from, tables, and what they say.

A figure is plain data as plotly.js takes it; the page draws it. Colours are names that begin
with ``$`` (see ``page.js``), so that a figure can be drawn anew for a light or a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    *("Block", "Figure", "Note", "Section", "TableBlock", "View"),
    *("colour", "label", "rho_map", "tidy"),
]

_COLOURS = 6


@dataclass(frozen=True, kw_only=True)
class View:
    """One way to look at a figure.

    Attributes:
        name: What the reader chooses it by, for example a pair.
        traces: As plotly.js takes them.
        layout: What differs from the page's own layout.
        caption: What was found, as plain text.
    """

    name: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    caption: str


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure.

    Attributes:
        title: What it shows.
        views: At least one; the first is shown first.
        height: In pixels.
        least_width: Below it the figure is scrolled sideways, in pixels; 0 where it shrinks.
        choose: What a view is, for example ``pair``.
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
        title: What it shows.
        heads: Names of the columns.
        rows: A text or number per column.
        caption: What was found.
        search: Whether the reader can filter the rows.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str | float | int]]
    caption: str
    search: bool = False


@dataclass(frozen=True, kw_only=True)
class Note:
    """Where there is nothing to draw: why, or commands to copy.

    Attributes:
        title: What would be shown.
        text: A sentence.
        commands: Lines for a terminal.
    """

    title: str
    text: str
    commands: Sequence[str] = ()


Block = Figure | TableBlock | Note


@dataclass(frozen=True, kw_only=True)
class Section:
    """A question of the page and what answers it.

    Attributes:
        name: Short, for the page's own links.
        blocks: In order.
        finding: What the reader should take away, a line each; empty for nothing.
    """

    name: str
    blocks: Sequence[Block]
    finding: str = ""


def colour(index: int) -> str:
    """One of six colours that colour-blind readers tell apart."""
    return f"$c{index % _COLOURS}"


def label(text: object) -> str:
    """A text as plotly.js shows it to the letter: it would read tags and entities."""
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
    """Numbers for a figure: five digits, null for what is not finite."""
    return [_number(value) for value in np.asarray(values).tolist()]


def _number(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.5g}") if math.isfinite(value) else None
