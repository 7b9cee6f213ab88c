"""How much contrast do labels hold: their distributions, and the entropy of the targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raysearch.render.experiment.plot import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["labels_figure"]

Record = Mapping[str, Any]

_BANDS = ((0, 0.12), (1, 0.3), (2, 0.5), (3, 0.75), (4, 1.0))
"""From the d-th decile to the one as far from the other end, and how dark it is."""
_SCALINGS: Mapping[str, Any] = {"scale": "-", "standardised": ":"}


def labels_figure(records: Sequence[Record], panels: Mapping[str, tuple[str, str]]) -> Figure:
    """Above, valence and arousal of each corpus after min-max; below, entropy by temperature.

    Args:
        records: With the columns of `methods.carl.evaluation.measures.label_spread`.
        panels: Geometry to the title of its panel and the label of the axis, in their order.

    Raises:
        ValueError: There is no record.
    """
    from matplotlib.figure import Figure

    if not records:
        raise ValueError("a figure of labels must have records, but got none")
    corpora = list(dict.fromkeys(record["corpus"] for record in records))
    geometries = [name for name in panels if any(r["geometry"] == name for r in records)]
    top = 0.9 + 0.3 * len(corpora)
    figure = Figure(figsize=(8.0, top + 3.3), dpi=200, layout="constrained")
    (upper,), (lower,) = figure.subfigures(2, 1, squeeze=False, height_ratios=(top, 3.3))
    above = upper.subplots(1, 2, sharey=True, squeeze=False)[0]
    for axis, name in zip(above, ("valence", "arousal"), strict=True):
        _distribution(axis, records, corpora, name)
    axes = lower.subplots(1, len(geometries), sharey=True, squeeze=False)[0]
    for axis, geometry in zip(axes, geometries, strict=True):
        _entropy(axis, [r for r in records if r["geometry"] == geometry], corpora)
        title, across = panels[geometry]
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(across)
    axes[0].set_ylabel("entropy of the target / ln B")
    lower.legend(
        handles=list(_keys(corpora)), loc="outside lower center", ncols=len(corpora) + 2, fontsize=8
    )
    return figure


def _distribution(axis: Axes, records: Sequence[Record], corpora: Sequence[str], name: str) -> None:
    """A bar for each corpus, darker towards the median; the middle of the scale is a line."""
    for place, corpus in enumerate(reversed(corpora)):
        own = next(r for r in records if r["corpus"] == corpus and r["scaling"] == "scale")
        colour = COLOURS[corpora.index(corpus) % len(COLOURS)]
        for decile, dark in _BANDS:
            low, high = own[f"{name}_d{decile}"], own[f"{name}_d{10 - decile}"]
            axis.barh(place, high - low, left=low, height=0.6, color=_tint(colour, dark))
        middle = own[f"{name}_d5"]
        axis.plot([middle, middle], [place - 0.3, place + 0.3], color="black", linewidth=1.5)
    axis.axvline(0.5, color="#666666", linewidth=0.8, linestyle="--", zorder=0)
    axis.set_yticks(range(len(corpora)), list(reversed(corpora)))
    axis.set_xlim(0, 1)
    axis.grid(False, axis="y")
    axis.set_xlabel(f"{name} after min-max; bands hold 20, 40, 60, 80, 100 %", fontsize=8)


def _tint(colour: str, share: float) -> tuple[float, ...]:
    """The colour on white, without transparency: bands lie on each other."""
    from matplotlib.colors import to_rgb

    return tuple(1 - share * (1 - part) for part in to_rgb(colour))


def _entropy(axis: Axes, records: Sequence[Record], corpora: Sequence[str]) -> None:
    for number, corpus in enumerate(corpora):
        for scaling, dash in _SCALINGS.items():
            own = [r for r in records if r["corpus"] == corpus and r["scaling"] == scaling]
            own.sort(key=lambda record: float(record["temperature"]))
            axis.plot(
                [record["temperature"] for record in own],
                [record["entropy"] for record in own],
                linestyle=dash,
                marker=MARKERS[number % len(MARKERS)],
                markersize=4,
                color=COLOURS[number % len(COLOURS)],
            )
    axis.axhline(1.0, color="#666666", linewidth=0.8, linestyle="--", zorder=0)
    axis.set_xscale("log")
    axis.set_ylim(0, 1.05)


def _keys(corpora: Sequence[str]) -> Iterator[Any]:
    from matplotlib.lines import Line2D

    for number, corpus in enumerate(corpora):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        yield Line2D([], [], color=colour, marker=marker, markersize=4, label=corpus)
    for scaling, dash in _SCALINGS.items():
        name = "min-max" if scaling == "scale" else scaling
        yield Line2D([], [], color="#666666", linestyle=dash, label=name)
