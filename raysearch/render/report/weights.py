"""Report section on the importance of settings beside a placebo, and its agreement over pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysearch.findings.sweep import Importances, SweepFindings
from raysearch.printable import counted
from raysearch.render.report.figure import (
    Block,
    Figure,
    Note,
    Section,
    View,
    between,
    label,
    listed,
    rho_map,
    tidy,
)
from raysearch.render.report.sweep import Contest, SweepView
from raysearch.statistics.intervals import Interval
from raysearch.statistics.permutation import FEWEST

__all__ = ["importance_section"]


def importance_section(sweep: SweepView, findings: SweepFindings) -> Section:
    """PED-ANOVA of each contest beside a placebo, and the agreement of the pairs."""
    found = findings.importances
    tested = {name: one for name, one in found.items() if one.settings}
    finding = _finding(sweep, found)
    if not tested:
        words = dict.fromkeys(_words(c, found[c.name], named=False) for c in sweep.contests)
        text = " ".join(words)
        note = Note(title="Importance of the settings", text=text)
        return Section(name="Importance", blocks=[note], finding=finding)
    views = [
        _view(contest, found[contest.name], sweep)
        for contest in sweep.contests
        if contest.name in tested
    ]
    most = max(len(one.settings) for one in tested.values())
    title = "Importance of the settings (PED-ANOVA), beside a placebo"
    blocks: list[Block] = [Figure(title=title, views=views, height=150 + 30 * most)]
    if findings.agreements:
        names = [contest.name for contest in sweep.per_task if contest.name in tested]
        blocks.append(_agreement(names, findings.agreements))
    return Section(name="Importance", blocks=blocks, finding=finding)


def _finding(sweep: SweepView, found: Mapping[str, Importances]) -> str:
    """The findings common to all contests, else those of the first few."""
    alike = dict.fromkeys(_words(c, found[c.name], named=False) for c in sweep.contests)
    if len(alike) == 1:
        return next(iter(alike))
    return "\n".join(_words(c, found[c.name], named=True) for c in sweep.contests[:4])


def _view(contest: Contest, found: Importances, sweep: SweepView) -> View:
    settings = found.settings
    names = [label(one.name) for one in settings]
    bars = {
        "type": "bar",
        "orientation": "h",
        "name": "share, 95 % interval",
        "y": names,
        "x": tidy([one.value for one in settings]),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": tidy([one.high - one.value for one in settings]),
            "arrayminus": tidy([one.value - one.low for one in settings]),
            "color": "$ink",
            "thickness": 1.2,
        },
        "marker": {"color": ["$complete" if one.significant else "$quiet" for one in settings]},
        "customdata": tidy([one.p_value for one in settings]),
        "hovertemplate": "%{y}: %{x:.3f}, p = %{customdata:.3f} (Holm)<extra></extra>",
    }
    placebo = {
        "type": "scatter",
        "mode": "markers",
        "name": "95 % of placebos stay below",
        "y": names,
        "x": tidy([one.placebo for one in settings]),
        "marker": {"symbol": "line-ns-open", "size": 16, "color": "$best", "line": {"width": 3}},
        "hovertemplate": "placebo of %{y}: %{x:.3f}<extra></extra>",
    }
    layout = {
        "yaxis": {"autorange": "reversed", "type": "category"},
        "xaxis": {
            "title": {"text": "share of importance"},
            "range": [0, 1.02],
        },
        "bargap": 0.35,
    }
    learns = sweep.card.sampler not in ("", "random", "grid", "sobol", "qmc")
    caution = (
        f" The sampler ({sweep.card.sampler}) proposes more of what did well, so that small "
        "importances are overstated."
        if learns
        else ""
    )
    text = (
        f"{_words(contest, found, False)} The best group is the best {found.best} of "
        f"{counted(found.count, 'complete trial')}; grey bars are what a setting without effect "
        f"reaches too. At most one sweep in 20 takes a placebo for an effect.{caution}"
    )
    return View(name=contest.name, traces=[bars, placebo], layout=layout, caption=text)


def _words(contest: Contest, found: Importances, named: bool) -> str:
    """Which settings matter, and which do not differ from a placebo."""
    where = f"{contest.name}: " if named else ""
    if not found.settings:
        if found.count < FEWEST:
            have = counted(found.count, "complete trial")
            return (
                f"{where}With {have} no setting's importance is distinguishable from noise "
                f"(at least {FEWEST} are needed)."
            )
        return (
            f"{where}All scores are equal, so no setting's importance is distinguishable from "
            "noise."
        )
    significant = [one for one in found.settings if one.significant]
    noise = [one.name for one in found.settings if not one.significant]
    if not significant:
        first = found.settings[0]
        return (
            f"{where}With {counted(found.count, 'complete trial')} no setting's importance is "
            f"distinguishable from noise; nearest is {first.name} ({first.value:.2f} "
            f"[{first.low:.2f}, {first.high:.2f}], p = {first.p_value:.3f})."
        )
    parts = [
        f"{one.name} ({one.value:.2f} [{one.low:.2f}, {one.high:.2f}], p = {one.p_value:.3f})"
        for one in significant
    ]
    verb = "decides" if len(significant) == 1 else "decide"
    rest = f" Indistinguishable from noise: {listed(noise, 12)}." if noise else ""
    return f"{where}{listed(parts)} {verb} who is among the best.{rest}"


def _agreement(names: Sequence[str], table: Mapping[tuple[str, str], Interval]) -> Figure:
    values: list[list[Any]] = []
    texts: list[list[str]] = []
    for a in names:
        row = [table.get((a, b)) or table.get((b, a)) for b in names]
        values.append([None if one is None else tidy([one.value])[0] for one in row])
        texts.append(["" if one is None else _cell(one) for one in row])
    heat = rho_map(names, names, values, texts)
    layout = {
        "yaxis": {"autorange": "reversed", "type": "category"},
        "xaxis": {"type": "category"},
    }
    view = View(name="ρ", traces=[heat], layout=layout, caption=_agree_words(table))
    title = "Do the pairs agree on what is important"
    return Figure(
        title=title, views=[view], height=180 + 50 * len(names), least_width=110 * len(names)
    )


def _cell(one: Interval) -> str:
    if not np.isfinite(one.value):
        return "–"
    return f"{one.value:+.2f}<br>[{one.low:+.2f}, {one.high:+.2f}]"


def _agree_words(table: Mapping[tuple[str, str], Interval]) -> str:
    known = [one for one in table.values() if np.isfinite(one.value)]
    if not known:
        return "The pairs share fewer than three settings whose importance can be compared."
    mean = float(np.mean([one.value for one in known]))
    agree = _names(table, lambda one: one.low > 0)
    against = _names(table, lambda one: one.high < 0)
    text = f"Spearman's ρ between the importances is {mean:+.2f} on average. "
    if not agree and not against:
        return text + (
            "Every interval includes 0: these trials do not say whether the pairs agree, so one "
            "pair's importance should not be taken for another's."
        )
    parts = []
    if agree:
        parts.append(f"{listed(agree)} agree")
    if against:
        parts.append(f"{listed(against)} order them the other way round")
    rest = len(known) - len(agree) - len(against)
    more = f"; of the other {rest} the interval includes 0" if rest else ""
    return f"{text}{' and '.join(parts)}{more}."


def _names(table: Mapping[tuple[str, str], Interval], rule: Any) -> Sequence[str]:
    return [
        f"{a} with {b} ({between(one)})"
        for (a, b), one in table.items()
        if np.isfinite(one.value) and rule(one)
    ]
