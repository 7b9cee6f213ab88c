"""Which way does the metric go with each setting in each pair: one map, marked where it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from raysearch.leaderboard.ranges import SearchRange
from raysearch.leaderboard.statistics.permutation import FEWEST, corrected
from raysearch.leaderboard.uncertainty import RankCorrelation, rank_correlation
from raysearch.render.report.figure import Block, Figure, Note, View, rho_map, tidy
from raysearch.render.report.sweep import SweepView

__all__ = ["Found", "correlations", "setting_map", "setting_title"]

_SIGNS = {
    "consistency_weight": "β",
    "epsilon": "ε",
    "relative_epsilon": "ρ",
    "critic_clip": "c",
    "adversarial_weight": "λ",
    "temperature": "τ",
}
"""The papers' letters."""

Found = Mapping[tuple[str, str], RankCorrelation]
"""Setting and contest to Spearman's ρ, its p-value corrected for the whole map."""


def correlations(sweep: SweepView) -> Found:
    """Spearman's ρ per setting of numbers and contest, above 0 where larger does better."""
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


def setting_title(name: str) -> str:
    """The setting with its letter in the papers."""
    return f"{name} ({_SIGNS[name]})" if name in _SIGNS else name


def setting_map(sweep: SweepView, ranges: Sequence[SearchRange], found: Found) -> Block:
    """Setting × pair: Spearman's ρ, marked where it can be told from none."""
    rows, title = [one for one in ranges if not one.choices], f"Setting × {sweep.noun}"
    if not rows:
        return Note(title=title, text="No number was searched, only choices.")
    values, texts, told = [], [], 0
    for one in rows:
        line = [found[one.name, contest.name] for contest in sweep.contests]
        told += sum(value.told for value in line)
        values.append(tidy([value.value if value.known else np.nan for value in line]))
        texts.append([f"{v.value:+.2f}{' *' if v.told else ''}" if v.known else "–" for v in line])
    columns = [contest.name for contest in sweep.contests]
    heat = rho_map(columns, [setting_title(one.name) for one in rows], values, texts)
    heat |= {"xgap": 2, "ygap": 2}
    total = sum(found[one.name, c.name].known for one in rows for c in sweep.contests)
    if not total:
        text = f"Fewer than {FEWEST} trials are complete in every contest: no ρ can be given."
        return Note(title=title, text=text)
    caption = (
        f"Spearman's ρ between setting and metric over complete trials; above 0 larger is better; "
        f"* where it can be told from none by permutation (p < 0.05, corrected for the {total} "
        f"cells): {told} of them. Without any effect one map in 20 has a mark."
    )
    layout = {"yaxis": {"autorange": "reversed", "type": "category"}, "xaxis": {"type": "category"}}
    view = View(name="ρ", traces=[heat], layout=layout, caption=caption)
    return Figure(
        title=title,
        views=[view],
        height=130 + 32 * len(rows),
        least_width=200 + 70 * len(sweep.contests) if len(sweep.contests) > 2 else 0,
    )
