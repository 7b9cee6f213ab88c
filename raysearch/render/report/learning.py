"""Report section on learning curves and early stopping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysearch.leaderboard.keys import Floats, column_values, group_rows
from raysearch.leaderboard.rank import Ranked, RankStatus
from raysearch.printable import counted
from raysearch.render.report.figure import (
    Figure,
    Note,
    Section,
    View,
    between,
    label,
    percent,
    tidy,
)
from raysearch.render.report.sweep import Contest, SweepView
from raysearch.statistics.intervals import rank_correlation

__all__ = ["Curve", "curves_of", "learning_section"]

_SHOWN = 60
"""Most curves of each state: the best of the complete ones, and some of the others."""
_SIGNS = {RankStatus.PRUNED: "x", RankStatus.FAILED: "triangle-up"}

Curve = tuple[Floats, Floats]
"""Steps and values of a trial's reports, means over its cells, (R,) each."""


def learning_section(sweep: SweepView) -> Section:
    """The metric against steps, one line per configuration."""
    views = []
    for contest in sweep.contests:
        curves = curves_of(sweep, contest, sweep.metric)
        if curves:
            views.append(_view(sweep, contest, curves))
    if not views:
        text = f"No trial has reported {sweep.metric} during training, so there are no curves."
        return Section(name="Learning", blocks=[Note(title="Learning curves", text=text)])
    figure = Figure(title="Learning curves", views=views, height=400)
    stopped = any(item.status is RankStatus.PRUNED for item in sweep.whole.items)
    finding = _stopped_words(sweep, sweep.whole) if stopped else ""
    return Section(name="Learning", blocks=[figure], finding=finding)


def curves_of(sweep: SweepView, contest: Contest, metric: str) -> dict[int, Curve]:
    """Trial to its curve of a metric: means over the cells that reached the same report."""
    table, column = sweep.record.curves, f"metric/{metric}"
    if column not in table.column_names or not table.num_rows:
        return {}
    trial = column_values(table, "trial")
    values, steps = column_values(table, column), column_values(table, "step")
    wanted = np.isfinite(values)
    if contest.task:
        same = [task == contest.task for task in table.column("task").to_pylist()]
        wanted &= np.array(same, dtype=bool)
    group, count = group_rows(table, ("trial", "rung"))
    size = np.bincount(group[wanted], minlength=count)
    first = np.zeros(count, dtype=np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(group[wanted], values[wanted], minlength=count) / size
        step = np.bincount(group[wanted], steps[wanted], minlength=count) / size
    there = np.flatnonzero(size)
    owner = trial[first[there]].astype(np.int64)
    order = np.lexsort((step[there], owner))
    owner, there = owner[order], there[order]
    begin = np.flatnonzero(np.diff(owner, prepend=-1))
    return {
        int(owner[start]): (step[there[start:end]], mean[there[start:end]])
        for start, end in zip(begin, [*begin, len(owner)][1:], strict=True)
    }


def _view(sweep: SweepView, contest: Contest, curves: Mapping[int, Curve]) -> View:
    traces: list[dict[str, Any]] = []
    shown = 0
    for status in (RankStatus.PRUNED, RankStatus.FAILED, RankStatus.PARTIAL, RankStatus.COMPLETE):
        items = [i for i in contest.items if i.status is status and i.trial in curves]
        items = _some(items)
        shown += len(items)
        if items:
            traces += _lines(items, curves, status)
    best = contest.complete[0] if contest.complete else None
    if best and best.trial in curves:
        traces.append(_best(best, curves[best.trial]))
    paper = contest.numbered(contest.paper)
    if paper and paper.trial in curves and paper is not best:
        traces.append(_paper(paper, curves[paper.trial]))
    left = len(curves) - shown
    more = (
        f" {shown:,} of {len(curves):,} curves are drawn, the best among them." if left > 0 else ""
    )
    layout = {
        "xaxis": {"title": {"text": "steps"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": label(sweep.metric)}},
    }
    words = _stopped_words(sweep, contest) + _overtaken(sweep, contest, curves) + more
    return View(name=contest.name, traces=traces, layout=layout, caption=words)


def _some(items: Sequence[Ranked]) -> list[Ranked]:
    """The first of them, and every n-th of the others."""
    if len(items) <= _SHOWN:
        return list(items)
    half = _SHOWN // 2
    rest = np.linspace(half, len(items) - 1, _SHOWN - half).astype(int)
    return [*items[:half], *(items[index] for index in rest)]


def _lines(
    items: Sequence[Ranked], curves: Mapping[int, Curve], status: RankStatus
) -> list[dict[str, Any]]:
    """All curves of a state as one trace with gaps, and a marker where each was stopped."""
    x: list[Any] = []
    y: list[Any] = []
    texts: list[str] = []
    for item in items:
        steps, values = curves[item.trial]
        x += [*tidy(steps), None]
        y += [*tidy(values), None]
        texts += [f"trial {item.trial}"] * (len(steps) + 1)
    name = {RankStatus.PRUNED: "stopped early"}.get(status, str(status))
    tint = "$quiet" if status is RankStatus.COMPLETE else f"${_tint(status)}"
    lines = {
        "type": "scatter",
        "mode": "lines+markers" if status is RankStatus.COMPLETE else "lines",
        "name": name,
        "legendgroup": name,
        "x": x,
        "y": y,
        "text": texts,
        "line": {"color": tint, "width": 1.2},
        "marker": {"size": 4, "color": tint},
        "hovertemplate": "%{text}, step %{x}: %{y}<extra></extra>",
        "showlegend": status not in _SIGNS,
    }
    if status not in _SIGNS:
        return [lines]
    ends = [curves[item.trial] for item in items]
    signs = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "legendgroup": name,
        "x": tidy([float(steps[-1]) for steps, _ in ends]),
        "y": tidy([float(values[-1]) for _, values in ends]),
        "text": [label(f"trial {item.trial}: {item.reason}") for item in items],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": _SIGNS[status], "size": 8, "color": tint},
    }
    return [lines, signs]


def _tint(status: RankStatus) -> str:
    return {RankStatus.PARTIAL: "quiet"}.get(status, str(status))


def _best(item: Ranked, curve: Curve) -> dict[str, Any]:
    return _accent(f"best, trial {item.trial}", curve, "$best", "solid")


def _paper(item: Ranked, curve: Curve) -> dict[str, Any]:
    return _accent(f"paper's own, trial {item.trial}", curve, "$ink", "dash")


def _accent(name: str, curve: Curve, tint: str, dash: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": tidy(curve[0]),
        "y": tidy(curve[1]),
        "line": {"color": tint, "width": 2.5, "dash": dash},
        "marker": {"size": 6, "color": tint},
    }


def _stopped_words(sweep: SweepView, contest: Contest) -> str:
    """How many were stopped early, at which report, and how much that saved."""
    stopped = [item for item in contest.items if item.status is RankStatus.PRUNED]
    total = len(contest.items)
    if not stopped:
        return f"None of {counted(total, 'trial')} was stopped early."
    whole = [item.steps for item in contest.items if item.status is RankStatus.COMPLETE]
    text = f"{len(stopped):,} of {counted(total, 'trial')} were stopped early"
    if not whole:
        return text + "."
    full = float(np.median(whole))
    spent = sum(item.steps for item in stopped)
    saved = 1 - spent / (full * len(stopped)) if full else 0.0
    share = f"which saved {percent(saved)} of the steps that they would have taken"
    return f"{text}, {share} (complete trials take {full:,.0f})."


def _overtaken(sweep: SweepView, contest: Contest, curves: Mapping[int, Curve]) -> str:
    """Whether the order at the first report predicts that at the last."""
    ends = [
        (values[0], values[-1])
        for item in contest.complete
        if item.trial in curves and len(values := curves[item.trial][1]) > 1
    ]
    found = rank_correlation([a for a, _ in ends], [b for _, b in ends])
    if not found.bounded:
        return ""
    verdict = (
        "so the first report says something of the end"
        if found.significant and found.value > 0
        else "so what is early says nothing certain of the end, and an early stop may cost a good "
        "trial"
    )
    return (
        f" Over the {counted(len(ends), 'complete trial')}, first and last report agree in order "
        f"by ρ = {between(found)}, {verdict}."
    )
