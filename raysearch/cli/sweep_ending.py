"""What does `raysearch sweep` say at its end: the best, the paper's own setting, what is next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raysearch.search.plan import SweepPlan, SweepSummary

__all__ = ["ending_text"]


def ending_text(plan: SweepPlan, summary: SweepSummary) -> str:
    """The lines after the leaderboard."""
    lines = []
    if summary.unfinished:
        lines.append(f"{summary.unfinished} configurations are open: run the same command again")
    if not summary.best:
        lines.append(f"no trial was completed; why: python -m raysearch leaderboard {plan.folder}")
        return "\n".join(lines) + "\n"
    per_task = plan.space.mode == "per_task"
    lines += _of_each_task(plan, summary) if per_task else _of_all(plan, summary)
    lines += [
        f"  all trials    python -m raysearch leaderboard {plan.folder}",
        f"  test, once    python -m raysearch evaluate {plan.folder} --trial best",
    ]
    for best in summary.best.values():
        which = best.number if per_task else "best"
        task = "" if per_task or len(plan.tasks) < 2 else f" --task {plan.tasks[0]}"
        lines.append(f"  its encoder   python -m raysearch export {plan.folder}:{which} DIR{task}")
    more = 2 * summary.asked // (len(plan.tasks) if per_task else 1)
    lines.append(f"  more trials   the same command with --trials {more}")
    return "\n".join(lines) + "\n"


def _of_all(plan: SweepPlan, summary: SweepSummary) -> list[str]:
    goal, best = plan.space.goal, summary.best[""]
    worst = " on the worst task" if plan.space.aggregate == "worst" else ""
    return [
        f"best: {goal.name} {best.value:.4f}{worst}, trial {best.number}",
        f"  the paper's own setting, trial 0, has {_paper(summary, '')}",
    ]


def _of_each_task(plan: SweepPlan, summary: SweepSummary) -> list[str]:
    rows = [("task", f"best {plan.space.goal.name}", "trial", "the paper's own", "trial")]
    for task in plan.tasks:
        best, paper = summary.best.get(task), summary.papers.get(task)
        rows.append(
            (
                task,
                f"{best.value:.4f}" if best else "none",
                f"{best.number}" if best else "",
                _paper(summary, task),
                f"{paper.number}" if paper else "",
            )
        )
    return _aligned(rows)


def _paper(summary: SweepSummary, task: str) -> str:
    paper = summary.papers.get(task)
    if paper is None:
        return "not run yet"
    if math.isnan(paper.value):
        return paper.note
    return f"{paper.value:.4f}" + (f" ({paper.note})" if paper.note else "")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
