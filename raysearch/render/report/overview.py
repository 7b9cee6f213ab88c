"""Report sections on whole configurations: parallel coordinates, and metric against cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raysearch.leaderboard.card import SearchRange
from raysearch.leaderboard.keys import Floats
from raysearch.leaderboard.rank import Ranked
from raysearch.objective import pareto
from raysearch.printable import counted
from raysearch.render.format import duration, setting
from raysearch.render.report.figure import (
    Figure,
    Note,
    Section,
    View,
    between,
    label,
    listed,
    short,
    tidy,
)
from raysearch.render.report.progress import device_words
from raysearch.render.report.sweep import Contest, SweepView
from raysearch.statistics.intervals import rank_correlation

__all__ = ["fronts_section", "parallel_section"]

_LINES = 600
_POINTS = 800
_FEWEST = 8
_FIFTHS = (
    ("best fifth", "$best"),
    ("second", "$c4"),
    ("third", "$quiet"),
    ("fourth", "$c5"),
    ("last", "$c0"),
)


def parallel_section(sweep: SweepView) -> Section:
    """One line per complete configuration through all of its settings, coloured by the metric."""
    contests = [contest for contest in sweep.contests if len(contest.complete) > 1]
    ranges = [one for one in sweep.ranges if one.size > 1]
    if not contests or not ranges:
        text = "Fewer than two trials are complete, so there are no configurations to compare."
        return Section(name="Configurations", blocks=[Note(title="Configurations", text=text)])
    views = [_lines(sweep, contest, ranges) for contest in contests]
    figure = Figure(
        title="Configurations in parallel",
        views=views,
        height=440,
        least_width=100 * len(ranges),
    )
    return Section(name="Configurations", blocks=[figure])


def fronts_section(sweep: SweepView) -> Section:
    """The metric against its cost in seconds, and pair against pair in a joint sweep."""
    views = [_price(sweep, contest) for contest in sweep.contests if len(contest.complete) > 1]
    if sweep.card.mode == "joint" and len(sweep.per_task) > 1 and views:
        names = [contest.task for contest in sweep.per_task]
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        views += [_between(sweep, a, b) for a, b in pairs[:15]]
    if not views:
        text = "Fewer than two trials are complete, so there is nothing to weigh up."
        return Section(name="Trade-offs", blocks=[Note(title="Pareto front", text=text)])
    figure = Figure(title="Pareto front", views=views, choose="objectives", height=380)
    return Section(name="Trade-offs", blocks=[figure])


def _lines(sweep: SweepView, contest: Contest, ranges: Sequence[SearchRange]) -> View:
    """One trace per fifth of the ranking, the best on top; the legend toggles them."""
    items = _thin(contest.complete, _LINES)
    axes = [label(one.name) for one in ranges]
    heights = np.stack([_heights(one, items) for one in ranges], axis=1)
    count = min(len(_FIFTHS), len(items))
    parts = np.array_split(np.arange(len(items)), count)
    traces: list[dict[str, Any]] = []
    for part, (name, tint) in list(zip(parts, _FIFTHS, strict=False))[::-1]:
        x: list[Any] = []
        y: list[Any] = []
        texts: list[str] = []
        for index in part:
            text = f"trial {items[index].trial}: {short(items[index].score)}"
            x += [*axes, None]
            y += [*tidy(heights[index]), None]
            texts += [text] * (len(axes) + 1)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": x,
                "y": y,
                "text": texts,
                "hovertemplate": "%{text}<extra></extra>",
                "line": {"color": tint, "width": 2 if name == _FIFTHS[0][0] else 1},
                "marker": {"color": tint, "size": 4},
                "opacity": 1 if name == _FIFTHS[0][0] else 0.6,
            }
        )
    layout = {
        "xaxis": {"type": "category", "categoryorder": "array", "categoryarray": axes},
        "yaxis": {"visible": False, "range": [-0.14, 1.12], "fixedrange": True},
        "annotations": [mark for one in ranges for mark in _marks(one)],
        "legend": {"traceorder": "reversed", "orientation": "h", "y": 1.02, "yanchor": "bottom"},
    }
    left = len(contest.complete) - len(items)
    more = f" {len(items):,} of {len(contest.complete):,} lines are drawn." if left else ""
    use = " A click in the legend hides a fifth of the ranking, two clicks show it alone."
    words = _quarter_words(sweep, contest, ranges) + use + more
    return View(name=contest.name, traces=traces, layout=layout, caption=words)


def _heights(one: SearchRange, items: Sequence[Ranked]) -> Floats:
    """Where each configuration crosses an axis, 0 to 1; NaN if the setting is not active."""
    found = np.full(len(items), np.nan)
    for index, item in enumerate(items):
        if not one.active(item.config):
            continue
        value = item.config[one.name]
        if one.choices:
            found[index] = one.choices.index(value) / max(len(one.choices) - 1, 1)
        else:
            low, high, at = one.low, one.high, float(value or 0)
            if one.log:
                low, high, at = float(np.log(low)), float(np.log(high)), float(np.log(at))
            found[index] = (at - low) / (high - low)
    return found


def _marks(one: SearchRange) -> list[dict[str, Any]]:
    """The ends of an axis, or its choices, as text beside it."""
    if one.choices:
        last = max(len(one.choices) - 1, 1)
        ends = [(i / last, setting(choice) or "null") for i, choice in enumerate(one.choices)]
    else:
        ends = [(-0.07, setting(one.low)), (1.07, setting(one.high))]
    return [
        {
            "x": label(one.name),
            "y": height,
            "text": label(text),
            "showarrow": False,
            "font": {"size": 11, "color": "$soft"},
            "xshift": 4 if one.choices else 0,
            "xanchor": "left" if one.choices else "center",
        }
        for height, text in ends
    ]


def _quarter_words(sweep: SweepView, contest: Contest, ranges: Sequence[SearchRange]) -> str:
    """The settings in which the best quarter is narrower than the search."""
    best = contest.complete[: len(contest.complete) // 4]
    if len(contest.complete) < _FEWEST:
        have = counted(len(contest.complete), "complete trial")
        return f"With {have} the best quarter says nothing about where to search."
    parts = []
    for one in ranges:
        points = one.points([item.config for item in best])
        points = points[points >= 0]
        if one.choices or len(points) < 2:
            continue
        share = (int(points.max()) - int(points.min()) + 1) / one.size
        # n uniform points span (n − 1) / (n + 1) of a range on average.
        if share < 0.5 * (len(points) - 1) / (len(points) + 1):
            values = [float(item.config[one.name] or 0) for item in best if one.active(item.config)]
            parts.append(
                f"{one.name} within {setting(min(values))} … {setting(max(values))} of "
                f"{setting(one.low)} … {setting(one.high)}"
            )
    lead = f"The best quarter ({counted(len(best), 'trial')})"
    if not parts:
        return (
            f"{lead} is spread over the whole range of every setting: no part can be left out yet."
        )
    return f"{lead} has {listed(parts)}; with so few trials that is a hint, no test."


def _thin(items: Sequence[Ranked], most: int) -> list[Ranked]:
    """The first half unchanged, and every n-th of the others."""
    if len(items) <= most:
        return list(items)
    half = most // 2
    rest = np.linspace(half, len(items) - 1, most - half).astype(int)
    return [*items[:half], *(items[index] for index in rest)]


def _price(sweep: SweepView, contest: Contest) -> View:
    items = contest.complete
    scores, seconds = [item.score for item in items], [item.seconds for item in items]
    front = pareto(scores, seconds, (sweep.higher, False))
    kind = device_words(sweep)
    found = rank_correlation(seconds, [-loss for loss in sweep.losses(items)])
    first, last = items[front[0]], items[front[-1]]
    text = f"{counted(len(front), 'trial')} of {len(items):,} on the front. "
    if len(front) > 1:
        text += (
            f"From trial {last.trial} ({short(last.score)} in {duration(last.seconds)}) to trial "
            f"{first.trial} ({short(first.score)} in {duration(first.seconds)}). "
        )
    if found.bounded:
        verdict = "is" if found.significant else "is not"
        text += (
            f"Time and metric go together by ρ = {between(found)}, which {verdict} significant "
            f"(p = {found.p_value:.3f})."
        )
    name = f"{contest.name}: metric and {kind} seconds"
    return _scatter(name, items, seconds, scores, front, (f"{kind} seconds", sweep.metric), text)


def _between(sweep: SweepView, first: str, second: str) -> View:
    items = [
        item
        for item in sweep.contests[0].complete
        if np.isfinite(item.by_task.get(first, np.nan))
        and np.isfinite(item.by_task.get(second, np.nan))
    ]
    x, y = [i.by_task[first] for i in items], [i.by_task[second] for i in items]
    front = pareto(x, y, (sweep.higher, sweep.higher))
    found = rank_correlation(x, y)
    if len(front) == 1:
        text = f"Trial {items[front[0]].trial} is best on both {first} and {second}."
    else:
        numbers = listed([items[index].trial for index in front])
        text = (
            f"No trial is best on both: trials {numbers} are the front, each better on one of "
            f"{first} and {second} than any that is better on the other."
        )
    if found.bounded:
        text += f" Over {counted(len(items), 'trial')} the pairs agree by ρ = {between(found)}."
    titles = (f"{sweep.metric}, {first}", f"{sweep.metric}, {second}")
    return _scatter(f"{first} and {second}", items, x, y, front, titles, text)


def _scatter(
    name: str,
    items: Sequence[Ranked],
    x: Sequence[float],
    y: Sequence[float],
    front: Sequence[int],
    titles: tuple[str, str],
    caption: str,
) -> View:
    shown = np.linspace(0, len(items) - 1, min(len(items), _POINTS)).astype(int)

    def at(indices: Sequence[int]) -> dict[str, Any]:
        return {
            "type": "scatter",
            "x": tidy([x[index] for index in indices]),
            "y": tidy([y[index] for index in indices]),
            "text": [f"trial {items[index].trial}" for index in indices],
            "hovertemplate": "%{text}: %{x}, %{y}<extra></extra>",
        }

    points = {
        **at(shown.tolist()),
        "mode": "markers",
        "name": "complete trials",
        "marker": {"color": "$quiet", "size": 7},
    }
    line = {
        **at(front),
        "mode": "lines+markers",
        "name": "front",
        "line": {"color": "$best", "width": 2, "dash": "dot"},
        "marker": {"color": "$best", "size": 10},
    }
    layout = {
        "xaxis": {"title": {"text": label(titles[0])}},
        "yaxis": {"title": {"text": label(titles[1])}},
    }
    return View(name=name, traces=[points, line], layout=layout, caption=caption)
