"""Report sections on the best so far over time, and on when each slot was busy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from raysearch.devices import kinds_of
from raysearch.findings.sweep import History, Span
from raysearch.leaderboard.keys import distinct
from raysearch.printable import counted
from raysearch.render.format import duration
from raysearch.render.report.figure import (
    Figure,
    Note,
    Section,
    View,
    colour,
    label,
    percent,
    short,
    tidy,
)
from raysearch.render.report.sweep import Contest, SweepView

__all__ = ["device_words", "progress_section", "timeline_section"]

_POINTS = 400
"""Most points of single trials, to keep the page of a long sweep fast."""


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
    """``GPU`` if all rows were trained on one, ``CPU`` if none was, else ``device``."""
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
        if index == 0:  # single trials of the first contest only: more would hide the lines
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
    """The corners of the line, and its end."""
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


_BARS = 1500
"""Most bars; with more rows, neighbours of one lane and state are merged."""
_LONG_SECONDS = 120.0
_STATES = ("complete", "pruned", "failed")


def timeline_section(found: Sequence[Span]) -> Section:
    """A lane per slot, a bar per row."""
    if not found:
        text = "No row says when it was finished, so there is no time line."
        return Section(name="Time line", blocks=[Note(title="Slots and nodes", text=text)])
    lanes = sorted({(span.host, span.slot) for span in found})
    names = {lane: label(f"{lane[0] or 'a node'} · slot {lane[1]}") for lane in lanes}
    bars = found if len(found) <= _BARS else _joined(found)
    traces = [_trace(state, bars, names) for state in _STATES]
    layout = {
        "barmode": "overlay",
        "xaxis": {"type": "date", "title": {"text": "UTC"}},
        "yaxis": {
            "type": "category",
            "autorange": "reversed",
            "categoryorder": "array",
            "categoryarray": [names[lane] for lane in lanes],
        },
        "bargap": 0.25,
    }
    joined = "" if bars is found else " Neighbouring rows of one state are drawn as one bar."
    view = View(
        name="slots",
        traces=[trace for trace in traces if trace["y"]],
        layout=layout,
        caption=_busy_words(found, lanes) + joined,
    )
    height = min(140 + 26 * len(lanes), 900)
    return Section(
        name="Time line", blocks=[Figure(title="Slots and nodes", views=[view], height=height)]
    )


def _trace(state: str, bars: Sequence[Span], names: dict[tuple[str, int], str]) -> dict[str, Any]:
    own = [span for span in bars if span.state == state]
    return {
        "type": "bar",
        "orientation": "h",
        "name": state,
        "y": [names[span.host, span.slot] for span in own],
        "base": [_time(span.start) for span in own],
        "x": [max(round((span.end - span.start).total_seconds() * 1000), 1) for span in own],
        "text": [label(f"trial {span.trial}, {span.task} seed {span.seed}") for span in own],
        "textposition": "none",
        "hovertemplate": "%{text}<br>%{base} to %{x}<extra></extra>",
        "marker": {"color": f"${state}", "line": {"width": 1, "color": "$card"}},
    }


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _joined(found: Sequence[Span]) -> list[Span]:
    """Merge neighbours of one lane and state until at most `_BARS` spans are left."""
    first, last = min(s.start for s in found), max(s.end for s in found)
    lanes = len({(span.host, span.slot) for span in found})
    gap = (last - first) * lanes / _BARS
    open_: dict[tuple[str, int, str], Span] = {}
    done = []
    for span in found:
        key = (span.host, span.slot, span.state)
        before = open_.get(key)
        if before is None or span.start - before.end > gap or before.end - before.start > 4 * gap:
            if before is not None:
                done.append(before)
            open_[key] = span
            continue
        names = ("host", "slot", "trial", "task", "seed", "state", "start")
        same = {name: getattr(before, name) for name in names}
        open_[key] = Span(**same, end=span.end)
    return [*done, *open_.values()]


def _busy_words(found: Sequence[Span], lanes: Sequence[tuple[str, int]]) -> str:
    """How busy the slots were, and the longest pause."""
    begin, end = min(span.start for span in found), max(span.end for span in found)
    whole = (end - begin).total_seconds()
    busy = sum((span.end - span.start).total_seconds() for span in found)
    share = busy / (whole * len(lanes)) if whole else 1.0
    nodes = len({host for host, _ in lanes})
    text = (
        f"{counted(len(lanes), 'slot')} on {counted(nodes, 'node')} trained for "
        f"{percent(min(share, 1.0))} of {duration(whole)} from the first start to the last end."
    )
    until, longest, when = begin, 0.0, begin
    for span in sorted(found, key=lambda span: span.start):
        pause = (span.start - until).total_seconds()
        if pause > longest:
            longest, when = pause, until
        until = max(until, span.end)
    if longest > max(_LONG_SECONDS, 0.05 * whole):
        text += f" Nothing was trained for {duration(longest)} from {when:%Y-%m-%d %H:%M} UTC."
    return text + (
        " A bar ends when its row was finished and is as long as its training: after an "
        "interruption it seems to begin too late. Slots are lanes of rows that do not overlap."
    )
