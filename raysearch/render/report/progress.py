"""How fast did the best come: against trials, encoder steps and device seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysearch.devices import kinds_of
from raysearch.findings.sweep import History
from raysearch.leaderboard.keys import distinct
from raysearch.render.format import duration
from raysearch.render.report.figure import Figure, Note, Section, View, colour, label, tidy
from raysearch.render.report.sweep import Contest, SweepView
from raysearch.render.report.words import counted, percent, short

__all__ = ["device_words", "progress_section"]

_POINTS = 400
"""Points of single trials at most, so that a long sweep stays a quick page."""


def progress_section(sweep: SweepView, histories: Mapping[str, History]) -> Section:
    """Best so far, of each contest."""
    found = [(c, histories[c.name]) for c in sweep.contests if c.name in histories]
    if not found:
        note = Note(title="Best so far", text="No trial is complete, so there is no best yet.")
        return Section(name="Progress", blocks=[note])
    caption = " ".join(_words(sweep, contest, history) for contest, history in found)
    seconds = f"{device_words(sweep)} seconds"
    views = [
        _view("trials", "trials that have ended", found, sweep, caption),
        _view("encoder steps", "encoder steps, all cells", found, sweep, caption),
        _view(seconds, f"{seconds}, all cells", found, sweep, caption),
    ]
    figure = Figure(title="Best so far", views=views, choose="against", height=360)
    return Section(name="Progress", blocks=[figure])


def device_words(sweep: SweepView) -> str:
    """``GPU`` where all rows were trained on one, ``CPU`` where none was, else ``device``."""
    kinds = kinds_of(distinct(sweep.record.table, "device"))
    for kind in ("CPU", "GPU"):
        if kinds == {kind}:
            return kind
    return "device"


def _view(
    name: str,
    title: str,
    found: Sequence[tuple[Contest, History]],
    sweep: SweepView,
    caption: str,
) -> View:
    traces: list[dict[str, Any]] = []
    for index, (contest, history) in enumerate(found):
        axis = _axis(name, history)
        kept = _kept(history)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "line": {"shape": "hv", "color": colour(index), "width": 2},
                "name": label(contest.name),
                "x": tidy(axis[kept]),
                "y": tidy(history.best[kept]),
            }
        )
        if index == 0:  # single trials of the first contest only, else they hide the lines
            traces.insert(0, _trials(contest, history, axis))
    layout = {
        "xaxis": {"title": {"text": title}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": label(sweep.metric)}},
    }
    return View(name=name, traces=traces, layout=layout, caption=caption)


def _trials(contest: Contest, history: History, axis: Any) -> dict[str, Any]:
    done = np.flatnonzero(np.isfinite(history.scores))
    if len(done) > _POINTS:
        done = done[np.linspace(0, len(done) - 1, _POINTS).astype(int)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"complete trials, {label(contest.name)}",
        "marker": {"color": "$quiet", "size": 6},
        "x": tidy(axis[done]),
        "y": tidy(history.scores[done]),
        "text": [f"trial {history.trials[index]}" for index in done],
        "hovertemplate": "%{text}: %{y}<extra></extra>",
    }


def _axis(name: str, history: History) -> Any:
    if name == "trials":
        return np.arange(1, len(history.trials) + 1)
    return history.steps if name == "encoder steps" else history.seconds


def _kept(history: History) -> list[int]:
    """Where the line has a corner, and its end."""
    return [*history.improved, len(history.trials) - 1]


def _words(sweep: SweepView, contest: Contest, history: History) -> str:
    last = history.improved[-1]
    total = len(history.trials)
    where = "" if len(sweep.contests) == 1 else f"{contest.name}: "
    spent = history.seconds[last] / history.seconds[-1] if history.seconds[-1] else 1.0
    gain = abs(history.best[last] - history.best[history.improved[0]])
    text = (
        f"{where}The best, trial {history.trials[last]}, was the {_ordinal(last + 1)} of "
        f"{counted(total, 'trial')} to end, after {percent(spent)} of "
        f"{duration(float(history.seconds[-1]))} of training"
    )
    if len(history.improved) == 1:
        return text + "; nothing was better than the first complete trial."
    changes = counted(len(history.improved) - 1, "improvement")
    since = total - 1 - last
    idle = "" if since else "; it was the last to end, so more trials may still help"
    return f"{text}: {changes}, together {short(gain)}{idle}."


def _ordinal(number: int) -> str:
    if 10 < number % 100 < 14:
        return f"{number:,}th"
    return f"{number:,}" + {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
