"""A mean in a figure is that of the table: over tasks, of the means over their seeds."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from raysearch.analysis.experiment import answer, arms_of
from raysearch.findings.experiment import Answer
from raysearch.render.experiment.figures import draw
from raysearch.run import Cell, MetricGoal, Report, Run, RunState, Scalar

SCORES = {1: (0.3, 0.9), 2: (0.4, 0.8)}
"""Of k, the scores on tasks a (three seeds) and b (one): 0.6 on average, not 0.45 or 0.5."""


def row(number: int, cell: Cell, value: float, **config: Scalar) -> Run:
    report = Report(rung=1, step=8, seconds=1.0, metrics={"dev/f1": value})
    return Run(
        sweep="s", number=number, cell=cell, method="carl", state=RunState.COMPLETE,
        config=config, metrics={"dev/f1": value}, curve=(report,),
    )  # fmt: skip


def unbalanced() -> Answer:
    """Task b has one seed, a has three; the paper's setting is k = 1."""
    trials = []
    for number, (k, (a, b)) in enumerate(SCORES.items()):
        config = {"k": k, "m": 5}
        trials += [row(number, Cell("a", seed), a, **config) for seed in range(3)]
        trials.append(row(number, Cell("b", 0), b, **config))

    def varied(config: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        return config

    arms = arms_of(trials, varied, lambda settings: True)
    return answer(arms, MetricGoal("dev/f1"), reference={"k": 1})


def heights(axis: Axes, *, along: int = 1) -> list[float]:
    """Middles of the whiskers, in their order."""
    bars = [one for one in axis.containers if isinstance(one, ErrorbarContainer)]
    return [float(value) for one in bars for value in one.lines[0].get_data()[along]]


def test_the_mean_of_a_line_weights_tasks_equally() -> None:
    figure = draw("lines", unbalanced(), x=["k"])
    assert heights(figure.axes[0]) == pytest.approx([0.6, 0.6])
    stars = [line for line in figure.axes[0].lines if line.get_marker() == "*"]
    assert [float(star.get_ydata()[0]) for star in stars] == pytest.approx([0.6])


def test_a_line_for_each_task_has_that_tasks_mean() -> None:
    figure = draw("lines", unbalanced(), x=["k"], lines="task")
    assert heights(figure.axes[0]) == pytest.approx([0.3, 0.4, 0.9, 0.8])


def test_so_does_a_bar_and_its_dots_are_of_whole_seeds() -> None:
    everything, a, b = draw("bars", unbalanced()).axes
    assert heights(everything, along=0) == pytest.approx([0.6, 0.6])
    assert heights(a, along=0) == pytest.approx([0.4, 0.3])  # the first arm is on top
    assert heights(b, along=0) == pytest.approx([0.8, 0.9])
    dots = [line.get_xdata() for line in everything.lines if line.get_marker() == "."]
    assert [list(one) for one in dots] == [pytest.approx([0.6]), pytest.approx([0.6])]


def test_so_do_a_heat_map_and_a_curve() -> None:
    heat = draw("heat", unbalanced(), x=["k"], y="m")
    assert heat.axes[0].images[0].get_array().tolist() == [pytest.approx([0.6, 0.6])]
    curve = draw("curves", unbalanced(), y="dev/f1")
    assert heights(curve.axes[0]) == pytest.approx([0.6, 0.6])
