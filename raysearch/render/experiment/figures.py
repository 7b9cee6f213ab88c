"""Figures of experiments: dots with whiskers, lines, a heat map, curves, or measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import stdev
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raysearch.findings.experiment import Answer, ArmResult
from raysearch.methods.description import Measure
from raysearch.objective import mean_by_cell, task_mean, whole_seeds
from raysearch.render.experiment.maps import labels_figure, map_figure
from raysearch.render.experiment.plot import COLOURS, MARKERS, panels, style
from raysearch.render.experiment.words import names_of
from raysearch.render.format import setting
from raysearch.run import Cell, Scalar

__all__ = ["draw"]

_PANELS = 4
"""Most tasks with a panel of their own; with more only the mean is drawn."""


def draw(
    kind: str,
    answer: Answer,
    *,
    x: Sequence[str] = (),
    lines: str = "",
    y: str = "",
    measured: Sequence[Mapping[str, Any]] = (),
    measure: Measure | None = None,
) -> Figure:
    """The figure of an answer.

    Args:
        kind: ``bars``, ``lines``, ``heat``, ``curves``, ``map`` or ``labels``.
        answer: The results.
        x: Settings along the axis of ``lines`` and ``heat``, one panel each.
        lines: What distinguishes lines: a setting, ``task``, or "".
        y: The other setting of ``heat``, or the metric of ``curves``.
        measured: Records for ``map`` and ``labels``.
        measure: The measure of the records; required for ``labels``.

    Raises:
        KeyError: The kind is unknown.
    """
    kinds: Mapping[str, Callable[[], Figure]] = {
        "bars": lambda: _bars(answer),
        "lines": lambda: _lines(answer, x, lines),
        "heat": lambda: _heat(answer, x, y),
        "curves": lambda: _curves(answer, y),
        "map": lambda: _map(answer, measured),
        "labels": lambda: _labels(measured, measure),
    }
    with style():
        return kinds[kind]()


def _labels(measured: Sequence[Mapping[str, Any]], measure: Measure | None) -> Figure:
    assert measure is not None, "a figure of labels is of a measure"
    return labels_figure(measured, measure)


def _bars(answer: Answer) -> Figure:
    """A row for each arm: its cells, their mean and sd; a panel for each task, and for all."""
    tasks: list[str] = list(answer.tasks)
    shown = ["", *tasks] if 1 < len(tasks) <= _PANELS else [""]
    figure, axes = panels(len(shown), 0.9 + 0.32 * len(answer.results), sharey=True)
    name = names_of(answer)
    for axis, task in zip(axes, shown, strict=True):
        for row, result in enumerate(reversed(answer.results)):
            values = _points(result, task)
            colour = COLOURS[1] if result is answer.reference else COLOURS[0]
            axis.plot(values, [row] * len(values), ".", color=colour, alpha=0.35)
            mean, sd = _mean(result, task), _error(values)
            axis.errorbar(mean, row, xerr=sd, fmt="o", color=colour, capsize=3)
        axis.axvline(_mean(answer.reference, task), color=COLOURS[1], lw=0.8, ls="--")
        axis.set_title(task or ("mean of tasks" if len(tasks) > 1 else tasks[0]), fontsize=9)
        axis.set_xlabel(answer.goal.name)
        axis.tick_params(axis="x", labelrotation=30)
    axes[0].set_yticks(
        range(len(answer.results)), [name(result.arm) for result in reversed(answer.results)]
    )
    return figure


def _mean(result: ArmResult, task: str) -> float:
    return result.by_task.get(task, math.nan) if task else result.mean


def _points(result: ArmResult, task: str) -> list[float]:
    """Scores by seed: of a task, or the means over tasks of the seeds that every task has."""
    if task:
        return [value for cell, value in result.values.items() if cell.task == task]
    return list(whole_seeds(result.values).values())


def _lines(answer: Answer, names: Sequence[str], lines: str) -> Figure:
    """A panel for each setting of the axis; the paper's own setting is a star."""
    figure, axes = panels(len(names), 3.4, sharey=True)
    for axis, name in zip(axes, names, strict=True):
        arms = [r for r in answer.results if not r.arm.literal and name in r.arm.settings]
        levels = _levels([result.arm.settings[name] for result in arms])
        position = _axis(axis, levels, name)
        for number, key in enumerate(_keys(answer, arms, lines)):
            colour, marker = COLOURS[number % 8], MARKERS[number % 8]
            points = []
            for level in levels:
                chosen = _chosen(arms, name, level, lines, key)
                values = [value for cells in chosen for value in cells.values()]
                if values:
                    mean = task_mean(mean_by_cell(chosen))
                    points.append((position(level), mean, _error(values)))
            across, up, error = _columns(points)
            axis.errorbar(across, up, error, marker=marker, color=colour, capsize=3, label=key)
            _paper_star(axis, answer, name, position, lines, key, colour)
        _without(axis, answer, name)
        axis.set_xlabel(name)
    axes[0].set_ylabel(f"{answer.goal.name}, mean ± sd between cells")
    if axes[-1].get_legend_handles_labels()[1]:
        axes[-1].legend(fontsize=8, title=lines or None)
    return figure


def _without(axis: Axes, answer: Answer, name: str) -> None:
    """A level line for each arm in which the setting is not active, such as the untrained one."""
    call = names_of(answer)
    for result in answer.results:
        if not result.arm.literal and name not in result.arm.settings:
            axis.axhline(result.mean, color="#555555", ls="--", lw=1, label=call(result.arm))


def _keys(answer: Answer, arms: Sequence[ArmResult], lines: str) -> list[str]:
    if not lines:
        return [""]
    if lines == "task":
        return list(answer.tasks)
    return list(dict.fromkeys(setting(r.arm.settings.get(lines)) for r in arms))


def _chosen(
    arms: Sequence[ArmResult], name: str, level: Scalar, lines: str, key: str
) -> list[dict[Cell, float]]:
    """Of each arm with this value, the scores that belong to a line."""
    return [
        {c: value for c, value in result.values.items() if lines != "task" or c.task == key}
        for result in arms
        if result.arm.settings[name] == level
        if lines in ("", "task") or setting(result.arm.settings.get(lines)) == key
    ]


def _paper_star(
    axis: Axes,
    answer: Answer,
    name: str,
    position: Callable[[Scalar], float],
    lines: str,
    key: str,
    colour: str,
) -> None:
    """The paper's own value of the setting, which may differ between tasks."""
    for result in answer.results:
        if not result.arm.paper or lines not in ("", "task"):
            continue
        values = {c: v for c, v in result.values.items() if lines != "task" or c.task == key}
        if not values:
            continue
        value = result.arm.cells[next(iter(values))].config.get(name)
        at = position(value)
        if math.isfinite(at):
            axis.plot([at], [task_mean(values)], "*", color=colour, ms=12, mec="white", zorder=5)


def _heat(answer: Answer, names: Sequence[str], y: str) -> Figure:
    """A panel for each setting of the axis: the mean over all arms with both values."""
    figure, axes = panels(len(names), 3.2, sharey=True)
    grids = []
    for name in names:
        arms = [
            r for r in answer.results if not r.arm.literal and {name, y} <= r.arm.settings.keys()
        ]
        across = _levels([result.arm.settings[name] for result in arms])
        down = _levels([result.arm.settings[y] for result in arms])
        grid = np.full((len(down), len(across)), np.nan)
        for i, low in enumerate(down):
            for j, high in enumerate(across):
                chosen = [
                    result.values
                    for result in arms
                    if result.arm.settings[name] == high and result.arm.settings[y] == low
                ]
                grid[i, j] = task_mean(mean_by_cell(chosen)) if any(chosen) else np.nan
        grids.append((name, across, down, grid))
    low, high = _shades(answer, [grid for *_, grid in grids])
    image: Any = None
    for axis, (name, across, down, grid) in zip(axes, grids, strict=True):
        image = axis.imshow(
            grid, origin="lower", aspect="auto", vmin=low, vmax=high, cmap="cividis"
        )
        axis.grid(False)
        axis.set_xticks(range(len(across)), [setting(value) or "null" for value in across])
        axis.set_yticks(range(len(down)), [setting(value) or "null" for value in down])
        axis.set_xlabel(name)
        for (i, j), value in np.ndenumerate(grid):
            if math.isfinite(value):
                dark = value < (low + high) / 2
                axis.text(j, i, f"{value:.3f}", ha="center", va="center",
                          color="white" if dark else "black", fontsize=7)  # fmt: skip
    axes[0].set_ylabel(y)
    figure.colorbar(image, ax=axes, label=answer.goal.name)
    return figure


def _shades(answer: Answer, grids: Sequence[Any]) -> tuple[float, float]:
    """Ends of the colour scale: at least an sd between seeds to either side, so noise is pale."""
    low = min(float(np.nanmin(grid)) for grid in grids)
    high = max(float(np.nanmax(grid)) for grid in grids)
    known = [result.sd for result in answer.results if math.isfinite(result.sd)]
    noise = max(float(np.median(known)) if known else 0.0, 1e-9)
    middle = (low + high) / 2
    return min(low, middle - noise), max(high, middle + noise)


def _curves(answer: Answer, metric: str) -> Figure:
    """The metric at every report, mean over cells with its sd, one line for each arm."""
    figure, axes = panels(1, 3.4)
    name = names_of(answer)
    for number, result in enumerate(answer.results):
        by_step: dict[int, dict[Cell, float]] = {}
        for cell, trial in result.arm.cells.items():
            for report in trial.curve:
                if metric in report.metrics:
                    by_step.setdefault(report.step, {})[cell] = report.metrics[metric]
        points = [
            (step, task_mean(values), _error(list(values.values())))
            for step, values in sorted(by_step.items())
        ]
        if points:
            across, up, error = _columns(points)
            colour, marker = COLOURS[number % 8], MARKERS[number % 8]
            axes[0].errorbar(
                across, up, error, marker=marker, color=colour, capsize=2, label=name(result.arm)
            )
    axes[0].set_xlabel("step")
    axes[0].set_ylabel(f"{metric}, mean ± sd")
    varied = dict.fromkeys(n for result in answer.results for n in result.arm.settings)
    axes[0].legend(fontsize=8, title=next(iter(varied)) if len(varied) == 1 else None)
    return figure


def _map(answer: Answer, measured: Sequence[Mapping[str, Any]]) -> Figure:
    """A column for each arm, named and ordered as in the table."""
    name = names_of(answer)
    names = {n: name(result.arm) for result in answer.results for n in result.arm.numbers}
    order = list(names)
    known = [record for record in measured if record["trial"] in names]
    return map_figure(sorted(known, key=lambda r: order.index(r["trial"])), names=names)


def _columns(
    points: Sequence[tuple[float, float, float]],
) -> tuple[list[float], list[float], list[float]]:
    return [p[0] for p in points], [p[1] for p in points], [p[2] for p in points]


def _error(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


def _levels(values: Sequence[Scalar]) -> list[Scalar]:
    """Distinct values: numbers sorted, others in their order."""
    once = list(dict.fromkeys(values))
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in once):
        return sorted(once, key=lambda value: float(value))  # type: ignore[arg-type]
    return once


def _axis(axis: Axes, levels: Sequence[Scalar], name: str) -> Callable[[Scalar], float]:
    """Position of a value: to scale for numbers, logarithmic if they span much."""
    numbers = [float(v) for v in levels if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(levels):
        axis.set_xticks(range(len(levels)), [setting(value) or "null" for value in levels])
        positions = {value: float(index) for index, value in enumerate(levels)}
        return lambda value: positions.get(value, math.nan)
    if min(numbers) > 0 and max(numbers) / min(numbers) >= 8:
        axis.set_xscale("log")
    axis.set_xticks(numbers, [setting(value) for value in levels], minor=False)
    axis.set_xticks([], minor=True)
    return lambda value: float(value) if isinstance(value, int | float) else math.nan
