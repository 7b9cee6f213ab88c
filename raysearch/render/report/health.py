"""Report sections on how the trials ended, and on the methods' own diagnostics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysearch.leaderboard.keys import column_values
from raysearch.leaderboard.rank import Ranked, RankStatus
from raysearch.methods.description import LEAST_MOVED
from raysearch.printable import counted
from raysearch.render.format import duration
from raysearch.render.report.figure import (
    Block,
    Figure,
    Note,
    Section,
    TableBlock,
    View,
    between,
    label,
    listed,
    percent,
    short,
    tidy,
)
from raysearch.render.report.learning import Curve, curves_of
from raysearch.render.report.sweep import SweepView
from raysearch.statistics.intervals import RankCorrelation, rank_correlation
from raysearch.statistics.permutation import corrected

__all__ = ["endings_section", "health_section"]

_FLAG = "metric/health/"
_VIEWS = 24
"""Most diagnostics on the page."""


def health_section(sweep: SweepView) -> Section:
    """Failure signatures, and each diagnostic over training for all trials."""
    blocks: list[Block] = []
    flags, finding = _flags(sweep)
    if flags is not None:
        blocks.append(flags)
    unmoved = _unmoved(sweep)
    if unmoved is not None:
        blocks.append(unmoved)
        finding = " ".join(part for part in (unmoved.text, finding) if part)
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
    """Diagnostics in the rows' order: values of training and its stages, not scores on dev."""
    found = [name[7:] for name in sweep.record.curves.column_names if name.startswith("metric/")]
    own = [n for n in found if not n.startswith(("dev/", "health/", "test/"))]
    words = sweep.record.notes.diagnostics
    shared = [n for n in found if n.startswith("dev/") and any(word in n for word in words)]
    return [*own, *shared][:_VIEWS]


def _flags(sweep: SweepView) -> tuple[TableBlock | None, str]:
    """Number of rows with each failure signature."""
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


def _unmoved(sweep: SweepView) -> Note | None:
    """Trials whose encoder hardly moved: no results of the method."""
    name, table = f"metric/dev/{sweep.record.notes.moved}", sweep.record.table
    if not sweep.record.notes.moved or name not in table.column_names:
        return None
    hit = column_values(table, name) < LEAST_MOVED
    numbers = sorted(set(column_values(table, "trial")[hit].astype(int).tolist()))
    if not numbers:
        return None
    text = (
        f"The embeddings moved by less than {100 * LEAST_MOVED:g} % of their spread in "
        f"{counted(len(numbers), 'trial')} ({listed(numbers, 12)}): their scores are those of the "
        "untrained encoder, not results of the method."
    )
    return Note(title="Encoders that hardly moved", text=text)


def _correlations(
    sweep: SweepView, curves: Mapping[str, Mapping[int, Curve]]
) -> dict[str, RankCorrelation]:
    """Correlation of each diagnostic's end with the metric, corrected for their number."""
    if len(sweep.per_task) > 1 and sweep.card.mode == "per_task":
        return {}  # scores of different pairs are not comparable
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
        "complete": [i.trial for i in contest.items if i.status is RankStatus.COMPLETE],
        "stopped early": [i.trial for i in contest.items if i.status is RankStatus.PRUNED],
        "failed": [i.trial for i in contest.items if i.status is RankStatus.FAILED],
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
    """Its values at both ends, and whether it is associated with the metric."""
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
        verdict = "significant" if found.significant else "not significant"
        text += f" Its end and {sweep.metric} go together by ρ = {between(found)}: {verdict}."
    return text


_REASONS = 100
_NUMBERS = 12


def endings_section(sweep: SweepView) -> Section:
    """Counts of states per pair, and a reason for each that did not finish."""
    counts = [
        (c.name, {s: sum(i.status is s for i in c.items) for s in RankStatus})
        for c in sweep.contests
    ]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": str(status),
            "y": [label(name) for name, _ in counts],
            "x": [found[status] for _, found in counts],
            "text": [str(found[status] or "") for _, found in counts],
            "textposition": "inside",
            "marker": {"color": _TINTS[status]},
        }
        for status in RankStatus
        if any(found[status] for _, found in counts)
    ]
    layout = {
        "barmode": "stack",
        "xaxis": {"title": {"text": "trials"}},
        "yaxis": {"type": "category", "autorange": "reversed"},
    }
    rows = _reasons(sweep)
    words = _ending_words(sweep)
    view = View(name="states", traces=traces, layout=layout, caption=words)
    figure = Figure(title="States", views=[view], height=130 + 36 * len(counts))
    blocks: list[Figure | TableBlock] = [figure]
    if rows:
        shown = rows[:_REASONS]
        left = len(rows) - len(shown)
        caption = (
            f"{left} more reasons: raysearch leaderboard --format csv shows them."
            if left
            else "Reasons that differ only in figures stand together, with the first one's figures."
        )
        heads = ("state", "reason", "trials", "which", "time spent")
        table = TableBlock(title="Not finished, and why", heads=heads, rows=shown, caption=caption)
        blocks.append(table)
    failed = any(found[RankStatus.FAILED] for _, found in counts)
    return Section(name="Endings", blocks=blocks, finding=words if failed else "")


_TINTS: Mapping[RankStatus, str] = {
    RankStatus.COMPLETE: "$complete",
    RankStatus.PARTIAL: "$quiet",
    RankStatus.PRUNED: "$pruned",
    RankStatus.FAILED: "$failed",
}


def _unfinished(sweep: SweepView) -> list[Ranked]:
    return [item for item in sweep.whole.items if item.status is not RankStatus.COMPLETE]


def _reasons(sweep: SweepView) -> list[list[str | int]]:
    """Similar reasons together, failures first, then by number of trials."""
    groups: dict[tuple[RankStatus, str], list[Ranked]] = {}
    for item in _unfinished(sweep):
        alike = re.sub(r"[-+]?\d[\d.]*(e[-+]?\d+)?", "#", item.reason)
        groups.setdefault((item.status, alike), []).append(item)
    order = (RankStatus.FAILED, RankStatus.PARTIAL, RankStatus.PRUNED)
    ordered = sorted(groups.items(), key=lambda pair: (order.index(pair[0][0]), -len(pair[1])))
    return [
        [
            str(status),
            items[0].reason
            or ("not all of its cells are in" if status is RankStatus.PARTIAL else "–"),
            len(items),
            listed(sorted(item.trial for item in items), _NUMBERS),
            duration(sum(item.seconds for item in items)),
        ]
        for (status, _), items in ordered
    ]


def _ending_words(sweep: SweepView) -> str:
    total = len(sweep.whole.items)
    ended = _unfinished(sweep)
    if not ended:
        return f"All {counted(total, 'trial')} are complete."
    parts = []
    for status, word in (
        (RankStatus.PRUNED, "stopped early"),
        (RankStatus.FAILED, "failed"),
        (RankStatus.PARTIAL, "not complete yet, some of their cells are missing"),
    ):
        own = [item for item in ended if item.status is status]
        if own:
            parts.append(f"{len(own):,} {word} ({duration(sum(i.seconds for i in own))})")
    done = total - len(ended)
    text = f"Of {counted(total, 'trial')} {done:,} are complete, {listed(parts)}."
    failed = sum(item.status is RankStatus.FAILED for item in ended)
    if failed > 0.2 * total:
        text += f" {percent(failed / total)} failed: the ranges may reach too far."
    return text
