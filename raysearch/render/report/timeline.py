"""Which slot of which node was busy when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from raysearch.findings.sweep import Span
from raysearch.render.format import duration
from raysearch.render.report.figure import Figure, Note, Section, View, label
from raysearch.render.report.words import counted, percent

__all__ = ["timeline_section"]

_BARS = 1500
"""Bars drawn at most; of more rows, neighbours of one lane and state are drawn as one."""
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
        caption=_words(found, lanes) + joined,
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
    """Neighbours of one lane and state as one span, so that at most `_BARS` are left."""
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


def _words(found: Sequence[Span], lanes: Sequence[tuple[str, int]]) -> str:
    """How busy the slots were, and where the longest pause lies."""
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
