"""Figures of experiments' measures: maps of embeddings, and the contrast between labels.

A map has a column for each arm, and rows for PCA and t-SNE: by class, and by valence and arousal.
An arm's axes have arbitrary units, so they have no numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from raysearch.methods.description import Measure
from raysearch.render.experiment.plot import COLOURS, MARKERS

__all__ = ["labels_figure", "map_figure"]

Record = Mapping[str, Any]

_MAPS = {"pca": "PCA", "tsne": "t-SNE"}
_CLASS_COLOURS = COLOURS[:6]
_REST = "#bbbbbb"
_REST_NAME = "other"
_PANEL = 1.45
"""Height of a row in inches."""
_WIDTH, _ROOM, _NARROWEST = 8.0, 1.1, 1.2
"""Width in inches, the part of the colour bars, and least width of a panel: more arms widen it."""
_DPI = 120
"""Resolution of the points, which are an image: as SVG paths five arms would take megabytes."""
_AREA = 5.0
"""Size of a point, in square points."""


def map_figure(records: Sequence[Record], *, names: Mapping[int, str] | None = None) -> Figure:
    """Maps of the first corpus with classes and of the first with valence and arousal.

    Without a corpus of classes the first rows show the quadrants of the other. Colours are
    colour-blind safe; of more than six classes the six most frequent have one.

    Args:
        records: From the measure ``embedding``, one for each sentence and arm.
        names: Trial number to the title of its column; by default ``trial 3``.

    Raises:
        ValueError: There is no record.
    """
    if not records:
        raise ValueError("a map must have records, but got none")
    arms = _arms(records, names or {})
    rated = next((r["corpus"] for r in records if _is_rated(r)), None)
    classed = next((r["corpus"] for r in records if not _is_rated(r)), rated)
    rows = [(classed, "label", kind) for kind in _MAPS]
    if rated is not None:
        rows += [(rated, name, kind) for name in ("valence", "arousal") for kind in _MAPS]
    width = max(_WIDTH, _ROOM + _NARROWEST * len(arms))
    height = _PANEL * len(rows) + 0.5
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    axes = figure.subplots(len(rows), len(arms), squeeze=False)
    for line, (corpus, name, kind) in zip(axes, rows, strict=True):
        shown = [[r for r in own if r["corpus"] == corpus] for own in arms.values()]
        for axis, own in zip(line, shown, strict=True):
            _bare(axis, own if kind == "pca" else ())
        if name == "label":
            colours = _classes(line, shown, kind)
        else:
            _shades(figure, line, shown, kind, name)
        line[0].set_ylabel(f"{_MAPS[kind]}\n{corpus}", fontsize=8)
    for axis, title in zip(axes[0], arms, strict=True):
        axis.set_title(title, fontsize=9)
    _legend(figure, colours)
    return figure


def _is_rated(record: Record) -> bool:
    return not math.isnan(record["valence"])


def _arms(records: Sequence[Record], names: Mapping[int, str]) -> dict[str, list[Record]]:
    """Title of a column to its records: trial and, if there are several, task."""
    several = len({record["task"] for record in records}) > 1
    found: dict[str, list[Record]] = {}
    for record in records:
        title = names.get(record["trial"], f"trial {record['trial']}")
        if several:
            title = f"{title}\n{record['task']}"
        found.setdefault(title, []).append(record)
    return found


def _bare(axis: Axes, records: Sequence[Record]) -> None:
    """Remove ticks; for a PCA label the explained fraction of variance."""
    axis.grid(False)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.margins(0.04)
    if records:
        share = records[0]["pca_x_share"] + records[0]["pca_y_share"]
        axis.set_xlabel(f"{share:.0%} of variance", fontsize=7, labelpad=2)


def _points(records: Sequence[Record], kind: str) -> tuple[list[float], list[float]]:
    return [r[f"{kind}_x"] for r in records], [r[f"{kind}_y"] for r in records]


def _classes(line: Sequence[Axes], shown: Sequence[Sequence[Record]], kind: str) -> dict[str, str]:
    """Draw classes and return their colours; points keep the order of the rows."""
    labels = [record["label"] for own in shown for record in own]
    frequent = [name for name, _ in Counter(labels).most_common(len(_CLASS_COLOURS))]
    colours = dict(zip(sorted(frequent), _CLASS_COLOURS, strict=False))
    for axis, own in zip(line, shown, strict=True):
        across, up = _points(own, kind)
        paint = [colours.get(record["label"], _REST) for record in own]
        axis.scatter(across, up, s=_AREA, c=paint, linewidths=0, alpha=0.8, rasterized=True)
    return colours | ({_REST_NAME: _REST} if set(labels) - set(colours) else {})


def _legend(figure: Figure, colours: Mapping[str, str]) -> None:
    """A legend above all panels, so that every arm has the same width."""
    figure.legend(
        [
            Line2D([], [], marker="o", linestyle="", color=paint, markersize=5)
            for paint in colours.values()
        ],
        list(colours),
        loc="outside upper center",
        ncols=len(colours),
        fontsize=8,
        handletextpad=0.2,
        columnspacing=1.2,
    )


def _shades(
    figure: Figure,
    line: Sequence[Axes],
    shown: Sequence[Sequence[Record]],
    kind: str,
    name: str,
) -> None:
    """One scale for all arms, from the 2nd to the 98th percentile, to leave out extreme labels."""
    values = [record[name] for own in shown for record in own]
    low, high = np.percentile(values, (2, 98)) if values else (0.0, 1.0)
    image: Any = None
    for axis, own in zip(line, shown, strict=True):
        across, up = _points(own, kind)
        image = axis.scatter(
            across,
            up,
            s=_AREA,
            c=[record[name] for record in own],
            cmap="viridis",
            vmin=low,
            vmax=high,
            linewidths=0,
            rasterized=True,
        )
    bar = figure.colorbar(image, ax=list(line), label=name, extend="both", aspect=12, pad=0.01)
    bar.ax.tick_params(labelsize=7)


_BANDS = ((0, 0.12), (1, 0.3), (2, 0.5), (3, 0.75), (4, 1.0))
"""Band from the d-th decile to its mirror image, and how dark it is."""
_DASHES: Sequence[Any] = ("-", ":")


def labels_figure(records: Sequence[Record], measure: Measure) -> Figure:
    """Above, valence and arousal of each corpus after min-max; below, entropy by temperature.

    Args:
        records: With the columns ``corpus``, ``scaling``, ``geometry``, ``temperature``,
            ``entropy`` and deciles such as ``valence_d0``.
        measure: The measure of the records; names geometries and scalings.

    Raises:
        ValueError: There is no record.
    """
    if not records:
        raise ValueError("a figure of labels must have records, but got none")
    corpora = list(dict.fromkeys(record["corpus"] for record in records))
    geometries = [name for name in measure.panels if any(r["geometry"] == name for r in records)]
    top = 0.9 + 0.3 * len(corpora)
    figure = Figure(figsize=(8.0, top + 3.3), dpi=200, layout="constrained")
    (upper,), (lower,) = figure.subfigures(2, 1, squeeze=False, height_ratios=(top, 3.3))
    above = upper.subplots(1, 2, sharey=True, squeeze=False)[0]
    plain = [record for record in records if record["scaling"] == next(iter(measure.lines))]
    for axis, name in zip(above, ("valence", "arousal"), strict=True):
        _distribution(axis, plain, corpora, name)
    axes = lower.subplots(1, len(geometries), sharey=True, squeeze=False)[0]
    for axis, geometry in zip(axes, geometries, strict=True):
        drawn = [record for record in records if record["geometry"] == geometry]
        _entropy(axis, drawn, corpora, tuple(measure.lines))
        title, across = measure.panels[geometry]
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(across)
    axes[0].set_ylabel("entropy of the target / ln B")
    lower.legend(
        handles=list(_keys(corpora, measure.lines.values())),
        loc="outside lower center",
        ncols=len(corpora) + 2,
        fontsize=8,
    )
    return figure


def _distribution(axis: Axes, records: Sequence[Record], corpora: Sequence[str], name: str) -> None:
    """A bar per corpus, darker towards the median, and a line at the middle of the scale."""
    for row, corpus in enumerate(reversed(corpora)):
        own = next(r for r in records if r["corpus"] == corpus)
        colour = COLOURS[corpora.index(corpus) % len(COLOURS)]
        for decile, dark in _BANDS:
            low, high = own[f"{name}_d{decile}"], own[f"{name}_d{10 - decile}"]
            axis.barh(row, high - low, left=low, height=0.6, color=_tint(colour, dark))
        middle = own[f"{name}_d5"]
        axis.plot([middle, middle], [row - 0.3, row + 0.3], color="black", linewidth=1.5)
    axis.axvline(0.5, color="#666666", linewidth=0.8, linestyle="--", zorder=0)
    axis.set_yticks(range(len(corpora)), list(reversed(corpora)))
    axis.set_xlim(0, 1)
    axis.grid(False, axis="y")
    axis.set_xlabel(f"{name} after min-max; bands hold 20, 40, 60, 80, 100 %", fontsize=8)


def _tint(colour: str, share: float) -> tuple[float, ...]:
    """The colour blended with white, without transparency, since bands overlap."""
    return tuple(1 - share * (1 - part) for part in to_rgb(colour))


def _entropy(
    axis: Axes, records: Sequence[Record], corpora: Sequence[str], scalings: Sequence[str]
) -> None:
    for number, corpus in enumerate(corpora):
        for scaling, dash in zip(scalings, _DASHES, strict=True):
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


def _keys(corpora: Sequence[str], scalings: Iterable[str]) -> Iterator[Any]:
    for number, corpus in enumerate(corpora):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        yield Line2D([], [], color=colour, marker=marker, markersize=4, label=corpus)
    for name, dash in zip(scalings, _DASHES, strict=True):
        yield Line2D([], [], color="#666666", linestyle=dash, label=name)
