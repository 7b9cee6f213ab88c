from __future__ import annotations

import pytest

from raysearch.methods.carl.description import MEASURES
from raysearch.render.experiment.maps import labels_figure
from raysearch.render.experiment.plot import style, svg

LABELS = MEASURES["labels"]


def records_of(corpus: str, shift: float):
    deciles = {
        f"{name}_d{part}": part / 20 + shift
        for name in ("valence", "arousal")
        for part in range(11)
    }
    for scaling in ("scale", "standardised"):
        for geometry in ("cos_uncentred", "gauss"):
            for temperature in (1.0, 0.01):
                yield {
                    "corpus": corpus,
                    "scaling": scaling,
                    "geometry": geometry,
                    "temperature": temperature,
                    "entropy": temperature / 2 if scaling == "scale" else temperature,
                    **deciles,
                }


def test_distributions_above_and_entropies_below():
    with style():
        figure = labels_figure([*records_of("emobank", 0.2), *records_of("facebook", 0.0)], LABELS)
        text = svg(figure)
    valence, arousal, cosine, gauss = figure.axes
    assert [label.get_text() for label in valence.get_yticklabels()] == ["facebook", "emobank"]
    bars = [bar for bar in arousal.patches if bar.get_y() > 0.5]  # emobank stands on top
    assert [bar.get_x() for bar in bars] == pytest.approx([0.2, 0.25, 0.3, 0.35, 0.4])
    assert [bar.get_width() for bar in bars] == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1])
    curves = [line for line in cosine.lines if len(line.get_xdata()) == 2 and line.get_marker()]
    curves = [line for line in curves if line.get_marker() != "None"]
    assert len(curves) == 4
    assert list(curves[0].get_xdata()) == [0.01, 1.0]
    assert list(curves[0].get_ydata()) == [0.005, 0.5]
    assert gauss.get_xlabel() == "width σ"
    for said in ("emobank", "facebook", "standardised", "min-max", "Gaussian kernel"):
        assert said in text


def test_without_records_there_is_no_figure():
    with pytest.raises(ValueError, match="got none"):
        labels_figure([], LABELS)
