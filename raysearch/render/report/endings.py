"""How did the trials end, and why did those that did not finish."""

from __future__ import annotations

import re
from collections.abc import Mapping

from raysearch.leaderboard.rank import Ranked, RankStatus
from raysearch.render.format import duration
from raysearch.render.report.figure import Figure, Section, TableBlock, View, label
from raysearch.render.report.sweep import SweepView
from raysearch.render.report.words import counted, listed, percent

__all__ = ["endings_section"]

_REASONS = 100
_NUMBERS = 12


def endings_section(sweep: SweepView) -> Section:
    """Counts of states per pair, and a reason for each that did not finish."""
    counts = [
        (c.name, {s: sum(i.standing is s for i in c.items) for s in RankStatus})
        for c in sweep.contests
    ]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": str(standing),
            "y": [label(name) for name, _ in counts],
            "x": [found[standing] for _, found in counts],
            "text": [str(found[standing] or "") for _, found in counts],
            "textposition": "inside",
            "marker": {"color": _TINTS[standing]},
        }
        for standing in RankStatus
        if any(found[standing] for _, found in counts)
    ]
    layout = {
        "barmode": "stack",
        "xaxis": {"title": {"text": "trials"}},
        "yaxis": {"type": "category", "autorange": "reversed"},
    }
    rows = _reasons(sweep)
    words = _words(sweep)
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
    return [item for item in sweep.whole.items if item.standing is not RankStatus.COMPLETE]


def _reasons(sweep: SweepView) -> list[list[str | int]]:
    """Alike reasons together, failures first, then by how many trials."""
    groups: dict[tuple[RankStatus, str], list[Ranked]] = {}
    for item in _unfinished(sweep):
        alike = re.sub(r"[-+]?\d[\d.]*(e[-+]?\d+)?", "#", item.reason)
        groups.setdefault((item.standing, alike), []).append(item)
    order = (RankStatus.FAILED, RankStatus.PARTIAL, RankStatus.PRUNED)
    ordered = sorted(groups.items(), key=lambda pair: (order.index(pair[0][0]), -len(pair[1])))
    return [
        [
            str(standing),
            items[0].reason
            or ("not all of its cells are in" if standing is RankStatus.PARTIAL else "–"),
            len(items),
            listed(sorted(item.trial for item in items), _NUMBERS),
            duration(sum(item.seconds for item in items)),
        ]
        for (standing, _), items in ordered
    ]


def _words(sweep: SweepView) -> str:
    total = len(sweep.whole.items)
    ended = _unfinished(sweep)
    if not ended:
        return f"All {counted(total, 'trial')} are complete."
    parts = []
    for standing, word in (
        (RankStatus.PRUNED, "stopped early"),
        (RankStatus.FAILED, "failed"),
        (RankStatus.PARTIAL, "not complete yet, some of their cells are missing"),
    ):
        own = [item for item in ended if item.standing is standing]
        if own:
            parts.append(f"{len(own):,} {word} ({duration(sum(i.seconds for i in own))})")
    done = total - len(ended)
    text = f"Of {counted(total, 'trial')} {done:,} are complete, {listed(parts)}."
    failed = sum(item.standing is RankStatus.FAILED for item in ended)
    if failed > 0.2 * total:
        text += f" {percent(failed / total)} failed: the ranges may reach too far."
    return text
