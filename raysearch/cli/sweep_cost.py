"""What does `raysearch sweep` say at its end of the cluster's nodes: idle time and money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raysearch.render.format import duration

if TYPE_CHECKING:
    from raysearch.cluster.node_clock import NodeTimes
    from raysearch.cluster.node_watch import Cost
    from raysearch.search.plan import SweepSummary

__all__ = ["cost_lines"]


def cost_lines(summary: SweepSummary) -> list[str]:
    """The lines on nodes and on money; none where the sweep ran on no cluster."""
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
            f"ended by --max-cost {cost.cap:g}: what is finished stays, what ran goes on from its "
            f"checkpoint with a higher one, for example --max-cost {2 * cost.cap:g}"
        )
    return lines
