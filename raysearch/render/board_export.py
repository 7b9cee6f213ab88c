"""How is a leaderboard written as a table for a paper: LaTeX, or Markdown?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pyarrow as pa

from raysearch.leaderboard import Ranking, SweepCard, rank_tasks, summarize
from raysearch.leaderboard.association import most_telling
from raysearch.leaderboard.ranked import Ranked
from raysearch.leaderboard.tasks import rank_all, searched
from raysearch.printable import printable
from raysearch.render import latex, markdown
from raysearch.render.format import score, setting

__all__ = ["board_text"]

_SETTINGS = 5
"""Settings that have a column: those that go most with the metric."""


def board_text(
    table: pa.Table, card: SweepCard, *, form: Literal["latex", "markdown"], top: int = 10
) -> str:
    """The configurations of a sweep in their order, and a line that says what they are of.

    Args:
        table: Rows of *trials* of one sweep.
        card: What ranks them.
        form: Of the text.
        top: Ranked configurations to show, of each task where each was searched by itself.
    """
    alone = card.mode == "per_task" and len(card.tasks) > 1
    if alone:
        rankings = rank_tasks(table, card.goal, cells=card.cells_of_task, order=card.tasks)
    else:
        rankings = {"": rank_all(table, card)}
    names = most_telling(list(rankings.values()), searched(table))[:_SETTINGS]
    heads = [*(["pair"] if alone else []), "rank", "trial", card.goal.name, *names]
    rows: list[list[str]] = []
    begins = []
    for task, ranking in rankings.items():
        begins.append(len(rows))
        for item in _shown(ranking, top):
            rows.append([*([task] if alone else []), *_cells(item, names)])
    said = _said(table, card, rankings)
    if form == "latex":
        body = latex.tabular(heads, rows, left=1 if alone else 0, rules_before=begins[1:])
        return f"% {printable(said, lines=False)}\n{body}"
    lines = markdown.table(heads, rows, left=1 if alone else 0)
    return "\n".join([*lines, "", markdown.prose(said), ""])


def _shown(ranking: Ranking, top: int) -> list[Ranked]:
    return [item for item in ranking[: top or None] if item.rank]


def _cells(item: Ranked, names: Sequence[str]) -> list[str]:
    spread = f" ± {score(item.score_sd)}" if item.score_sd == item.score_sd else ""
    values = [setting(item.config.get(name)) or "–" for name in names]
    return [str(item.rank), str(item.trial), score(item.score) + spread, *values]


def _said(table: pa.Table, card: SweepCard, rankings: dict[str, Ranking]) -> str:
    """What the table is of, in one line."""
    summary = summarize(table)
    way = "higher" if card.goal.direction == "maximize" else "lower"
    complete = sum(sum(item.rank is not None for item in ranking) for ranking in rankings.values())
    worst = card.aggregate == "worst" and len(summary.tasks) > 1
    return (
        f"{', '.join(summary.sweeps)}: {card.goal.name}{' on the worst task' if worst else ''}, "
        f"{way} is better, mean ± sd over "
        f"{card.cells_of_task or 'its'} cells of a task; {complete} of {summary.configurations} "
        f"configurations complete; on {', '.join(summary.tasks)} with {', '.join(summary.encoders)}"
    )
