"""Were the trials in good health: what the methods measure of themselves, over the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysearch.leaderboard.keys import column_values
from raysearch.leaderboard.rank import RankStatus
from raysearch.render.report.figure import (
    Block,
    Figure,
    Note,
    Section,
    TableBlock,
    View,
    label,
    tidy,
)
from raysearch.render.report.learning import Curve, curves_of
from raysearch.render.report.sweep import SweepView
from raysearch.render.report.words import between, counted, listed, percent, short
from raysearch.statistics.intervals import RankCorrelation, rank_correlation
from raysearch.statistics.permutation import corrected

__all__ = ["health_section"]

_FLAG = "metric/health/"
_VIEWS = 24
"""Diagnostics that the page offers at most."""


def health_section(sweep: SweepView) -> Section:
    """Signatures of failure, and each diagnostic's course over all trials."""
    blocks: list[Block] = []
    flags, finding = _flags(sweep)
    if flags is not None:
        blocks.append(flags)
    curves = {name: curves_of(sweep, sweep.whole, name) for name in _names(sweep)}
    found = _correlations(sweep, curves)
    views = [
        view
        for name, courses in curves.items()
        if (view := _view(sweep, name, courses, found.get(name))) is not None
    ]
    if views:
        title = "Diagnostics over training"
        blocks.append(Figure(title=title, views=views, choose="measure", height=360))
    if not blocks:
        text = "The trials reported nothing beside the metric, so nothing can be said of health."
        blocks.append(Note(title="Diagnostics", text=text))
    return Section(name="Health", blocks=blocks, finding=finding)


def _names(sweep: SweepView) -> list[str]:
    """Diagnostics in the rows' order: what training and its stages report, not scores of dev."""
    found = [name[7:] for name in sweep.record.curves.column_names if name.startswith("metric/")]
    own = [n for n in found if not n.startswith(("dev/", "health/", "test/"))]
    quality = ("alignment", "uniformity", "hallucinated", "predicted", "changed", "auc", "mass")
    told = [n for n in found if n.startswith("dev/") and any(word in n for word in quality)]
    return [*own, *told][:_VIEWS]


def _flags(sweep: SweepView) -> tuple[TableBlock | None, str]:
    """In how many rows each signature of failure was seen."""
    table = sweep.record.table
    rows: list[list[str | int]] = []
    seen: list[str] = []
    for name in table.column_names:
        if not name.startswith(_FLAG):
            continue
        values = column_values(table, name)
        known = np.isfinite(values)
        hit = known & (values > 0)
        numbers = sorted(set(column_values(table, "trial")[hit].astype(int).tolist()))
        short_name = name.removeprefix(_FLAG)
        rows.append([short_name, int(hit.sum()), int(known.sum()), listed(numbers, 12) or "–"])
        if numbers:
            seen.append(f"{short_name} in {counted(int(hit.sum()), 'row')}")
    if not rows:
        return None, ""
    if seen:
        caption = f"Seen at the end of a trial: {listed(seen)}."
    else:
        caption = f"No signature of failure was seen in any row ({len(rows)} were looked for)."
    heads = ("signature", "rows that show it", "rows", "trials")
    block = TableBlock(title="Signatures of failure", heads=heads, rows=rows, caption=caption)
    return block, caption if seen else ""


def _correlations(
    sweep: SweepView, curves: Mapping[str, Mapping[int, Curve]]
) -> dict[str, RankCorrelation]:
    """How the end of each diagnostic goes with the metric, corrected for how many there are."""
    if len(sweep.per_task) > 1 and sweep.card.mode == "per_task":
        return {}  # scores of different pairs do not compare
    found = {}
    for name, courses in curves.items():
        done = [item for item in sweep.whole.complete if item.trial in courses]
        ends = [float(courses[item.trial][1][-1]) for item in done]
        found[name] = rank_correlation(ends, [-loss for loss in sweep.losses(done)])
    return corrected(found)


def _view(
    sweep: SweepView, name: str, curves: Mapping[int, Curve], found: RankCorrelation | None
) -> View | None:
    contest = sweep.whole
    groups = {
        "complete": [i.trial for i in contest.items if i.standing is RankStatus.COMPLETE],
        "stopped early": [i.trial for i in contest.items if i.standing is RankStatus.PRUNED],
        "failed": [i.trial for i in contest.items if i.standing is RankStatus.FAILED],
    }
    tints = {"complete": "$complete", "stopped early": "$pruned", "failed": "$failed"}
    traces: list[dict[str, Any]] = []
    for group, trials in groups.items():
        own = [curves[trial] for trial in trials if trial in curves]
        if own:
            traces += _band(group, own, tints[group])
    if not traces:
        return None
    layout = {
        "xaxis": {"title": {"text": "report"}, "dtick": 1 if _longest(curves) < 12 else None},
        "yaxis": {"title": {"text": label(name)}},
    }
    return View(name=name, traces=traces, layout=layout, caption=_words(sweep, name, curves, found))


def _band(name: str, curves: Sequence[Curve], tint: str) -> list[dict[str, Any]]:
    """Median over trials and the middle 80 %, by report."""
    longest = max(len(values) for _, values in curves)
    table = np.full((len(curves), longest), np.nan)
    for row, (_, values) in enumerate(curves):
        table[row, : len(values)] = values
    low, middle, high = np.nanquantile(table, [0.1, 0.5, 0.9], axis=0)
    x = list(range(1, longest + 1))
    wide = len(curves) > 2 and name == "complete"
    spread = ", middle 80 %" if wide else ""
    band = {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *x[::-1]],
        "y": tidy([*high, *low[::-1]]),
        "fill": "toself",
        "fillcolor": "$band",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": name,
    }
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{name}: median of {counted(len(curves), 'trial')}{spread}",
        "legendgroup": name,
        "x": x,
        "y": tidy(middle),
        "line": {"color": tint, "width": 2},
        "marker": {"color": tint, "size": 5},
    }
    return [band, line] if wide else [line]


def _longest(curves: Mapping[int, Curve]) -> int:
    return max(len(values) for _, values in curves.values())


def _words(
    sweep: SweepView, name: str, curves: Mapping[int, Curve], found: RankCorrelation | None
) -> str:
    """Where it begins and ends, and whether it goes with the metric."""
    contest = sweep.whole
    done = [item for item in contest.complete if item.trial in curves]
    if not done:
        return f"{name} of {counted(len(curves), 'trial')}; none of them is complete."
    first = float(np.median([curves[item.trial][1][0] for item in done]))
    ends = [float(curves[item.trial][1][-1]) for item in done]
    last = float(np.median(ends))
    grew = np.mean([curves[i.trial][1][-1] > curves[i.trial][1][0] for i in done])
    text = (
        f"Over {counted(len(done), 'complete trial')} the median of {name} goes from "
        f"{short(first)} to {short(last)}"
    )
    text += f" (it grew in {percent(float(grew))})." if first != last else " and stays there."
    if found is not None and found.bounded:
        tells = "told from none" if found.told else "not told from none"
        text += f" Its end and {sweep.metric} go together by ρ = {between(found)}: {tells}."
    return text
