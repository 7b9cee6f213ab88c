"""The text at the end of `raysearch sweep`: the best, the paper's own setting, next steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from shlex import quote

from raysearch.leaderboard.card import SweepCard, used_up_text
from raysearch.printable import counted, plural
from raysearch.render.format import duration
from raysearch.run import Origin, RunState
from raysearch.scalars import size_text
from raysearch.summary import Cost, NodeTimes, SweepSummary

__all__ = ["cost_lines", "ending_text"]


def cost_lines(summary: SweepSummary) -> list[str]:
    """The lines on nodes and cost; empty without a cluster."""
    usage = summary.nodes
    if usage is None:
        return []
    lines = [_nodes(usage.workers)] if usage.workers.nodes else []
    if usage.cost is not None:
        lines += _cost(usage.cost, ended=summary.ending == "cost")
    return lines


def _nodes(times: NodeTimes) -> str:
    idle = times.before + times.between + times.after
    share = times.leased / times.up if times.up else 0.0
    return (
        f"nodes: {times.nodes} up for {duration(times.up)} together, {share:.0%} of it with a "
        f"trial; {duration(idle)} without: {duration(times.before)} before their first, "
        f"{duration(times.between)} between two, {duration(times.after)} after their last"
    )


def _cost(cost: Cost, *, ended: bool) -> list[str]:
    def money(amount: float) -> str:
        return f"{amount:,.2f} {cost.currency}".rstrip()

    this = "" if cost.run == cost.spent else f", {money(cost.run)} of it in this run"
    tail = f"; up to {money(cost.tail)} more until idle nodes are gone" if cost.tail else ""
    lines = [f"cost: {money(cost.spent)}{this}{tail}"]
    if cost.unpriced:
        names = ", ".join(cost.unpriced)
        lines.append(f"  counted at the dearest price, for want of their own: {names}")
    if ended and cost.cap is not None:
        lines.append(
            f"ended by --max-cost {cost.cap:g}: what is finished stays, what ran continues from "
            f"its checkpoint with a higher one, for example --max-cost {2 * cost.cap:g}"
        )
    return lines


def ending_text(
    card: SweepCard, summary: SweepSummary, *, rows: str, stored: str = "", fetch: str = ""
) -> str:
    """The lines after the leaderboard.

    Args:
        card: The sweep's card.
        summary: How it ended.
        rows: Where the leaderboard can be read.
        stored: Where the weights can be read; empty for the same location.
        fetch: The command that copies them there; empty if none is needed.
    """
    lines, stored = [], stored or rows
    lines += cost_lines(summary)
    if summary.freed:
        freed = size_text(summary.freed)
        lines.append(f"freed {freed}: checkpoints, weights and stages that were of no more use")
    if summary.ending == "interrupted":
        lines.append("interrupted: what is finished is kept, and the same command continues")
    if summary.unfinished:
        again = " with a higher --max-cost" if summary.ending == "cost" else ""
        count = summary.unfinished
        lines.append(
            f"{counted(count, 'configuration')} {plural(count, 'is', 'are')} open: run the same "
            f"command again{again}"
        )
    lines += _where_from(summary)
    if not summary.best:
        lines.append(_none_completed(summary, rows))
        return "\n".join(lines) + "\n"
    per_task = card.mode == "per_task"
    lines += _of_each_task(card, summary) if per_task else _of_all(card, summary)
    lines.append(f"  all trials    python -m raysearch leaderboard {quote(rows)}")
    if fetch:
        lines.append(f"  its weights   {fetch}")
    lines.append(f"  test, once    python -m raysearch evaluate {quote(stored)} --trial best")
    for best in summary.best.values():
        which = best.number if per_task else "best"
        task = "" if per_task or len(card.tasks) < 2 else f" --task {quote(card.tasks[0])}"
        named = quote(f"{stored}:{which}")
        lines.append(f"  its encoder   python -m raysearch export {named} DIR{task}")
    if not summary.used_up:
        more = 2 * summary.asked // (len(card.tasks) if per_task else 1)
        lines.append(f"  more trials   the same command with --trials {more}")
    return "\n".join(lines) + "\n"


def _none_completed(summary: SweepSummary, rows: str) -> str:
    """There is no best; where to read the reasons, if there are rows."""
    counts = [f"{summary.trials[state]} {state}" for state in RunState if state in summary.trials]
    if not counts:
        return "no trial has ended yet"
    ended = f"no configuration was completed, but trials ended: {', '.join(counts)}"
    return f"{ended}; why: python -m raysearch leaderboard {quote(rows)}"


def _where_from(summary: SweepSummary) -> list[str]:
    """Who proposed the configurations, and whether the space is used up."""
    lines = []
    counts = [f"{summary.origins[name]} {name}" for name in Origin if name in summary.origins]
    if counts:
        lines.append(f"configurations: {', '.join(counts)}")
    if summary.used_up:
        lines.append(used_up_text(summary.used_up))
    return lines


def _of_all(card: SweepCard, summary: SweepSummary) -> list[str]:
    goal, best = card.goal, summary.best[""]
    worst = " on the worst task" if card.aggregate == "worst" else ""
    return [
        f"best: {goal.name} {best.value:.4f}{worst}, trial {best.number}",
        f"  the paper's own setting, trial 0, has {_paper(summary, '')}",
    ]


def _of_each_task(card: SweepCard, summary: SweepSummary) -> list[str]:
    rows = [("task", f"best {card.goal.name}", "trial", "the paper's own", "trial")]
    for task in card.tasks:
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
