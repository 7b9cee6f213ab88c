from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from raysearch.analysis.experiment import answer, arms_of
from raysearch.render.experiment.figures import draw
from raysearch.render.experiment.maps import map_figure
from raysearch.render.experiment.plot import style, svg
from raysearch.run import Cell, MetricGoal, Run, RunState

NAN = float("nan")


def records_of(trial: int, corpus: str, labels: list[str], *, rated: bool, task: str = "sample"):
    random = np.random.default_rng(trial)
    for row, label in enumerate(labels):
        names = ("pca_x", "pca_y", "tsne_x", "tsne_y")
        yield {
            "trial": trial,
            "task": task,
            "seed": 0,
            "corpus": corpus,
            "row": row,
            **dict(zip(names, random.normal(size=4).tolist(), strict=True)),
            "pca_x_share": 0.25,
            "pca_y_share": 0.1,
            "valence": row / 10 if rated else NAN,
            "arousal": 1 - row / 10 if rated else NAN,
            "label": label,
        }


def drawn(figure):
    """Titles, names of rows, and points of every panel, row by row."""
    panels = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    columns = sum(bool(axis.get_title()) for axis in panels)
    lines = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    return (
        [axis.get_title() for axis in lines[0]],
        [line[0].get_ylabel() for line in lines],
        [[axis.collections[0] for axis in line] for line in lines],
    )


def test_a_column_for_each_arm_and_rows_for_classes_and_ratings():
    records = []
    for trial in (0, 3):
        records += records_of(trial, "sample", ["high"] * 10, rated=True)
        records += records_of(trial, "emotions", ["joy", "fear", "joy"], rated=False)
    with style():
        figure = map_figure(records, names={3: "carl"})
        text = svg(figure)
    titles, rows, points = drawn(figure)
    assert titles == ["trial 0", "carl"]
    assert rows == [
        *("PCA\nemotions", "t-SNE\nemotions"),
        *("PCA\nsample", "t-SNE\nsample"),
        *("PCA\nsample", "t-SNE\nsample"),
    ]
    own = [r for r in records if r["trial"] == 3 and r["corpus"] == "emotions"]
    wanted = [[record["tsne_x"], record["tsne_y"]] for record in own]
    assert np.allclose(points[1][1].get_offsets(), wanted)
    fear, joy = to_rgba("#0072b2", 0.8), to_rgba("#d55e00", 0.8)
    assert np.allclose(points[1][1].get_facecolors(), [joy, fear, joy])
    shades = points[2][0].get_array()
    assert np.allclose(shades, [row / 10 for row in range(10)])
    assert points[2][0].get_clim() == points[3][1].get_clim() == pytest.approx((0.0, 0.9))
    for said in ("35% of variance", "joy", "fear", "valence", "arousal"):
        assert said in text


def test_without_classes_quadrants_are_shown_and_without_ratings_no_shades():
    rated = list(records_of(0, "sample", ["low", "high"], rated=True))
    assert drawn(map_figure(rated))[1] == ["PCA\nsample", "t-SNE\nsample"] * 3
    classed = list(records_of(0, "mr", ["bad", "good"], rated=False))
    assert drawn(map_figure(classed))[1] == ["PCA\nmr", "t-SNE\nmr"]


def test_of_many_classes_the_rare_ones_share_a_colour():
    labels = [f"class {number}" for number in range(8) for _ in range(9 - number)]
    figure = map_figure(list(records_of(0, "emotions", labels, rated=False)))
    colours = drawn(figure)[2][0][0].get_facecolors()
    grey = [math.isclose(colour[0], colour[1]) for colour in colours]
    assert grey == [label in ("class 6", "class 7") for label in labels]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()][-2:] == ["class 5", "other"]


def test_several_tasks_are_named():
    records = [
        *records_of(0, "mr", ["bad", "good"], rated=False, task="a"),
        *records_of(0, "mr", ["bad", "good"], rated=False, task="b"),
    ]
    assert drawn(map_figure(records))[0] == ["trial 0\na", "trial 0\nb"]


def test_without_records_there_is_no_figure():
    with pytest.raises(ValueError, match="got none"):
        map_figure([])


def test_a_study_calls_its_columns_as_its_table_does_and_in_its_order():
    trials = [
        Run(
            sweep="carl",
            number=number,
            cell=Cell("sample", 0),
            method="carl",
            state=RunState.COMPLETE,
            config={"variant": variant},
            metrics={"dev/f1": 0.5},
        )
        for number, variant in enumerate(("carl", "frozen", "simcse"))
    ]
    arms = arms_of(trials, lambda config: {"variant": config["variant"]}, lambda settings: True)
    found = answer(
        arms[::-1], MetricGoal("dev/f1"), reference={"variant": "frozen"}, self_naming=["variant"]
    )
    measured = [r for n in range(4) for r in records_of(n, "mr", ["bad", "good"], rated=False)]
    figure = draw("map", found, measured=measured)  # 3 is no arm of the answer
    assert drawn(figure)[0] == ["simcse", "frozen", "carl"]
