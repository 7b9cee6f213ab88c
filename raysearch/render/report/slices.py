"""Report section on the metric by setting, with intervals, and the agreement of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysearch.leaderboard.card import SearchRange, is_number
from raysearch.leaderboard.rank import Ranked
from raysearch.printable import counted
from raysearch.render.format import setting
from raysearch.render.report.figure import (
    Block,
    Figure,
    Note,
    Section,
    View,
    between,
    colour,
    label,
    listed,
    rho_map,
    short,
    tidy,
)
from raysearch.render.report.sweep import Contest, SweepView
from raysearch.statistics.intervals import (
    Interval,
    RankCorrelation,
    mean_interval,
    rank_correlation,
)
from raysearch.statistics.permutation import FEWEST, corrected

__all__ = ["Found", "correlations", "setting_map", "slices_section"]

Found = Mapping[tuple[str, str], RankCorrelation]
"""Setting and contest to Spearman's ρ, its p-value corrected for the whole map."""


def correlations(sweep: SweepView) -> Found:
    """Spearman's ρ per numeric setting and contest, above 0 if larger values do better."""
    found = {}
    for one in sweep.ranges:
        if one.choices:
            continue
        for contest in sweep.contests:
            items = [item for item in contest.complete if one.active(item.config)]
            values = [float(item.config[one.name] or 0) for item in items]
            found[one.name, contest.name] = rank_correlation(
                values, [-loss for loss in sweep.losses(items)]
            )
    return corrected(found)


def setting_map(sweep: SweepView, ranges: Sequence[SearchRange], found: Found) -> Block:
    """Setting × pair: Spearman's ρ, marked if significant."""
    rows, title = [one for one in ranges if not one.choices], f"Setting × {sweep.noun}"
    if not rows:
        return Note(title=title, text="No number was searched, only choices.")
    values, texts, significant = [], [], 0
    for one in rows:
        line = [found[one.name, contest.name] for contest in sweep.contests]
        significant += sum(value.significant for value in line)
        values.append(tidy([value.value if value.bounded else np.nan for value in line]))
        texts.append(
            [f"{v.value:+.2f}{' *' if v.significant else ''}" if v.bounded else "–" for v in line]
        )
    columns = [contest.name for contest in sweep.contests]
    heat = rho_map(columns, [sweep.notes.title(one.name) for one in rows], values, texts)
    heat |= {"xgap": 2, "ygap": 2}
    total = sum(found[one.name, c.name].bounded for one in rows for c in sweep.contests)
    if not total:
        text = f"Fewer than {FEWEST} trials are complete in every contest: no ρ can be given."
        return Note(title=title, text=text)
    caption = (
        f"Spearman's ρ between setting and metric over complete trials; above 0 larger is better; "
        f"* where it is significant by permutation (p < 0.05, corrected for the {total} "
        f"cells): {significant} of them. Without any effect one map in 20 has a mark."
    )
    layout = {"yaxis": {"autorange": "reversed", "type": "category"}, "xaxis": {"type": "category"}}
    view = View(name="ρ", traces=[heat], layout=layout, caption=caption)
    return Figure(
        title=title,
        views=[view],
        height=130 + 32 * len(rows),
        least_width=200 + 70 * len(sweep.contests) if len(sweep.contests) > 2 else 0,
    )


_POINTS = 600
"""Most trials drawn for each pair; bands and numbers use all."""
_PER_BIN = 6
_BINS = 12


def slices_section(sweep: SweepView, found: Found) -> Section:
    """A view per setting with all pairs, and a map of setting × pair."""
    drawn = [contest for contest in sweep.per_task if len(contest.complete) > 1]
    leading = [*sweep.notes.leading]
    ranges = sorted(
        (one for one in sweep.ranges if one.size > 1),
        key=lambda one: leading.index(one.name) if one.name in leading else len(leading),
    )
    if not drawn or not ranges:
        text = "Fewer than two trials are complete, so no setting can be compared."
        return Section(name="Settings", blocks=[Note(title="Slices", text=text)])
    views = [_view(sweep, one, drawn, found) for one in ranges]
    blocks: list[Block] = [
        Figure(title="Slices: the metric by setting", views=views, choose="setting", height=400),
        setting_map(sweep, ranges, found),
    ]
    return Section(name="Settings", blocks=blocks)


def _view(sweep: SweepView, one: SearchRange, contests: Sequence[Contest], found: Found) -> View:
    traces: list[dict[str, Any]] = []
    for index, contest in enumerate(contests):
        items = [item for item in contest.complete if one.active(item.config)]
        if items:
            traces += _traces(one, contest, items, colour(index), first=index == 0)
    traces += _papers(sweep, one, contests)
    title = {"text": label(sweep.notes.title(one.name))}
    axis: dict[str, Any] = {"title": title, "type": "log" if one.log else "linear"}
    if one.choices:
        order = [label(setting(choice) or "null") for choice in one.choices]
        axis = {
            "title": title,
            "type": "category",
            "categoryorder": "array",
            "categoryarray": order,
        }
    elif one.log:
        axis |= (
            {"exponentformat": "power", "dtick": 1} if one.high / one.low > 30 else {"nticks": 6}
        )
    layout = {
        "xaxis": axis,
        "yaxis": {"title": {"text": label(sweep.metric)}},
        "shapes": _paper_lines(sweep, one, contests),
    }
    caption = (
        _choice_words(sweep, one, contests) if one.choices else _words(sweep, one, contests, found)
    )
    return View(name=sweep.notes.title(one.name), traces=traces, layout=layout, caption=caption)


def _traces(
    one: SearchRange, contest: Contest, items: Sequence[Ranked], tint: str, *, first: bool
) -> list[dict[str, Any]]:
    """Points of the trials and, over groups of neighbours, the mean with its 95 % interval."""
    shown = [items[i] for i in np.linspace(0, len(items) - 1, min(len(items), _POINTS)).astype(int)]
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": label(contest.name),
        "legendgroup": label(contest.name),
        "x": _x(one, shown),
        "y": tidy([item.score for item in shown]),
        "text": [f"trial {item.trial}" for item in shown],
        "hovertemplate": "%{text}: %{y}<br>%{x}<extra></extra>",
        "marker": {"color": tint, "size": 6, "opacity": 0.55},
    }
    groups = _groups(one, items)
    if not groups:
        return [points]
    middle = [
        label(setting(group[0].config[one.name]) or "null") if one.choices else _middle(one, group)
        for group in groups
    ]
    bands = [mean_interval([[item.score for item in group]]) for group in groups]
    line: dict[str, Any] = {
        "type": "scatter",
        "name": "mean of neighbours, 95 % interval",
        "legendgroup": label(contest.name),
        "showlegend": first,
        "hoverinfo": "skip",
        "mode": "markers" if one.choices else "lines+markers",
        "x": middle if one.choices else tidy(middle),
        "y": tidy([band.value for band in bands]),
        "line": {"color": tint, "width": 2},
        "marker": {"color": tint, "size": 8, "symbol": "diamond"},
    }
    if not one.choices:
        return [points, _band(line, bands, tint), line]
    line["error_y"] = {
        "type": "data",
        "array": tidy([band.high - band.value if band.bounded else 0.0 for band in bands]),
        "color": tint,
        "thickness": 1.5,
    }
    return [points, line]


def _band(line: Mapping[str, Any], bands: Sequence[Interval], tint: str) -> dict[str, Any]:
    """The interval of each mean as an area."""
    x, high, low = line["x"], [b.high for b in bands], [b.low for b in bands]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *x[::-1]],
        "y": tidy([*high, *low[::-1]]),
        "fill": "toself",
        "fillcolor": tint.replace("$c", "$b"),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": line["legendgroup"],
    }


def _x(one: SearchRange, items: Sequence[Ranked]) -> list[Any]:
    values = [item.config[one.name] for item in items]
    if one.choices:
        return [label(setting(value) or "null") for value in values]
    return tidy([float(value or 0) for value in values])


def _groups(one: SearchRange, items: Sequence[Ranked]) -> list[list[Ranked]]:
    """Trials of one choice, or neighbours in value, at least `_PER_BIN` per group."""
    if one.choices:
        found = [[i for i in items if i.config[one.name] == choice] for choice in one.choices]
        return [group for group in found if group]
    count = min(len(items) // _PER_BIN, _BINS)
    if count < 2:
        return []
    ordered = sorted(items, key=lambda item: float(item.config[one.name] or 0))
    return [list(part) for part in _parts(ordered, count)]


def _parts(items: Sequence[Ranked], count: int) -> list[Sequence[Ranked]]:
    ends = np.linspace(0, len(items), count + 1).astype(int)
    return [items[begin:end] for begin, end in zip(ends[:-1], ends[1:], strict=True)]


def _middle(one: SearchRange, group: Sequence[Ranked]) -> float:
    values = np.array([float(item.config[one.name] or 0) for item in group])
    return float(np.exp(np.log(values).mean()) if one.log else values.mean())


def _papers(
    sweep: SweepView, one: SearchRange, contests: Sequence[Contest]
) -> list[dict[str, Any]]:
    """The paper's own setting, per pair."""
    traces: list[dict[str, Any]] = []
    for index, contest in enumerate(contests):
        item = contest.numbered(contest.paper)
        if item is None or item.config.get(one.name) is None or not np.isfinite(item.score):
            continue
        if one.choices or (one.log and float(item.config[one.name] or 0) <= 0):
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "paper's own",
                "legendgroup": "paper",
                "showlegend": not traces,
                "x": _x(one, [item]),
                "y": tidy([item.score]),
                "text": [f"paper's own, trial {item.trial}"],
                "hovertemplate": "%{text}: %{y}<br>%{x}<extra></extra>",
                "marker": {
                    "symbol": "star",
                    "size": 14,
                    "color": colour(index),
                    "line": {"color": "$ink", "width": 1},
                },
            }
        )
    return traces


def _paper_lines(
    sweep: SweepView, one: SearchRange, contests: Sequence[Contest]
) -> list[dict[str, Any]]:
    """A dotted line at the paper's own value for each pair, whatever its trial's state."""
    found = []
    for index, contest in enumerate(contests):
        value = sweep.record.papers.get(contest.task, {}).get(one.name)
        if one.choices or not is_number(value) or (one.log and float(value or 0) <= 0):
            continue
        line = {"color": colour(index), "width": 1.5, "dash": "dot"}
        at = {"x0": float(value or 0), "x1": float(value or 0), "y0": 0, "y1": 1}
        found.append({"type": "line", "yref": "paper", "line": line, **at})
    return found


def _words(sweep: SweepView, one: SearchRange, contests: Sequence[Contest], found: Found) -> str:
    """The direction of the metric, if it is significant."""
    name = sweep.notes.title(one.name)
    known = {c.name: found[one.name, c.name] for c in contests}
    tested = {where: value for where, value in known.items() if value.bounded}
    if not tested:
        most = max((value.count for value in known.values()), default=0)
        return (
            f"{name}: with {counted(most, 'complete trial')} where it has a say, no direction is "
            "significant."
        )
    up = [f"{w} ({between(v)})" for w, v in tested.items() if v.significant and v.value > 0]
    down = [f"{w} ({between(v)})" for w, v in tested.items() if v.significant and v.value < 0]
    parts = []
    if up:
        parts.append(f"larger values of {name} go with better scores in {listed(up)}")
    if down:
        parts.append(f"smaller values of {name} go with better scores in {listed(down)}")
    if not parts:
        values = listed([f"{where} {between(value)}" for where, value in tested.items()])
        return (
            f"No direction of {name} is significant by Spearman's ρ with the metric "
            f"({values}). A best value in the middle would not show in ρ: see the means."
        )
    open_ = [where for where in tested if not any(w.startswith(f"{where} (") for w in up + down)]
    rest = f"; in {listed(open_)} none is significant" if open_ else ""
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}{rest} (Spearman's ρ, 95 %)."


def _choice_words(sweep: SweepView, one: SearchRange, contests: Sequence[Contest]) -> str:
    """The best choice per pair, and whether its interval is separate."""
    parts = []
    for contest in contests:
        items = [item for item in contest.complete if one.active(item.config)]
        groups = _groups(one, items)
        bands = sorted(
            ((mean_interval([[i.score for i in g]]), g[0].config[one.name]) for g in groups),
            key=lambda pair: -pair[0].value if sweep.higher else pair[0].value,
        )
        if len(bands) < 2:
            continue
        (first, choice), (second, other) = bands[:2]
        apart = (
            first.bounded
            and second.bounded
            and (first.low > second.high if sweep.higher else first.high < second.low)
        )
        verdict = "distinguishable from" if apart else "not distinguishable from"
        parts.append(
            f"in {contest.name} {setting(choice) or 'null'} has the best mean "
            f"({short(first.value)}, n = {first.count}), {verdict} {setting(other) or 'null'} "
            f"({short(second.value)}, n = {second.count})"
        )
    if not parts:
        return f"{one.name}: too few complete trials to compare its values."
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
