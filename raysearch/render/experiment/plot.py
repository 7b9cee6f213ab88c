"""The style of experiments' figures, with identical bytes for identical numbers.

Figures are SVG, which works in a Markdown page and in a paper. Lettering stays text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raysearch.printable import printable

__all__ = ["COLOURS", "MARKERS", "panels", "style", "svg"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's colour-blind safe palette."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE: Mapping[str, Any] = {
    "svg.hashsalt": "raysearch",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "axes.edgecolor": "#888888",
    "legend.frameon": False,
    "figure.facecolor": "white",
}
_WIDTH = 8.0
"""Width in inches; 800 px on a page."""


@contextmanager
def style() -> Iterator[None]:
    """The style of all figures, for making and writing them."""
    with matplotlib.rc_context(dict(_STYLE)):
        yield


def panels(count: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side, over the width of a page.

    Args:
        count: Panels.
        height: Inches.
        **options: Options of matplotlib's ``Figure.subplots``, such as ``sharey``.
    """
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False, **options)
    return figure, list(axes[0])


def svg(figure: Figure) -> str:
    """The figure as SVG text, without a date or characters that XML or readers lack."""
    stream = io.StringIO()
    with style():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in printable(stream.getvalue()).splitlines()) + "\n"
