"""What does `raysearch plan` print: the trials, the hours, and a line for each kind of node."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raysearch.devices import kinds_of
from raysearch.render.format import duration

if TYPE_CHECKING:
    from raysearch.api.plan import PriorRuns
    from raysearch.cluster.cost.prices import NodeType, PriceTable
    from raysearch.search.estimate import Draws, Interval, Survival, Work
    from raysearch.search.plan import SweepPlan

__all__ = ["money_of", "places_of", "plan_text", "work_of"]

SEED = 0
"""Of the draws: the same rows give the same estimate."""


@dataclass(frozen=True)
class Place:
    """A kind of node that all trials might run on.

    Attributes:
        name: The node type.
        nodes: Nodes of it that the slots need.
        slots: Trials at once on these.
        price: Money per node hour; None where it is not known.
    """

    name: str
    nodes: int
    slots: int
    price: float | None


def plan_text(
    plan: SweepPlan, table: PriceTable | None, pilots: PriorRuns | None, *, free: bool
) -> str:
    """The estimate, at most 80 columns wide.

    Args:
        plan: The sweep.
        table: The cluster's node types and prices; None without a cluster.
        pilots: Earlier trials like its own; None where there are none.
        free: Whether the number of slots is not given: it is what the cluster holds.
    """
    import numpy as np

    from raysearch.search.estimate import draw_sweeps, simulate_stopping

    work = work_of(plan)
    generator = np.random.default_rng(SEED)
    survival = simulate_stopping(work, generator)
    lines = _trials(plan, work, survival)
    if pilots is None:
        return "\n".join([*lines, *_unknown(plan)]) + "\n"
    draws = draw_sweeps(pilots.seconds, work, survival, generator)
    lines += [*_rows(plan, pilots), *_hours(plan, draws)]
    places = places_of(plan, table, free=free)
    if places:
        lines += ["", *_table(plan, table, places, draws)]
    if table is not None and table.per_hour:
        lines += _money_notes(plan, table, places, draws)
    return "\n".join(lines) + "\n"


def work_of(plan: SweepPlan) -> Work:
    """What the sweep may ask for, before early stopping."""
    from raysearch.search.estimate import Work

    config, _ = plan.space.paper_first()
    return Work(
        configurations=plan.configurations,
        cells=plan.cells_each,
        reports=int(config.get("reports", 1)),
        pruner=plan.space.pruner,
        reduction=plan.space.reduction,
    )


def _trials(plan: SweepPlan, work: Work, survival: Survival) -> list[str]:
    per = f" ({plan.space.trials} for each of {len(plan.tasks)} tasks)"
    each = per if plan.space.mode == "per_task" else ""
    total = work.configurations * work.cells
    lines = [
        f"plan of {plan.name}: {plan.space.method}, {plan.space.source}",
        f"  trials    {total} = {work.configurations} configurations{each} x {work.cells} "
        f"{'cells' if work.cells > 1 else 'cell'}",
    ]
    if plan.space.pruner != "none":
        share = survival.expected(work.cells)
        lines.append(
            f"            early stopping ({plan.space.pruner}) should leave {share:.0%} "
            "of the reports"
        )
    return lines


def _unknown(plan: SweepPlan) -> list[str]:
    method, source = plan.space.method, plan.space.source
    own = source.endswith(f"search_spaces/{method}.yaml")
    return [
        "  hours     cannot be known: --results has no trial of this method yet",
        "            A short run tells: the same with a few configurations, on the node",
        "            that you mean to use; then `plan` again with its --results:",
        f"    python -m raysearch sweep {method} --trials 4"
        + ("" if own else f" --space {source}"),
    ]


def _rows(plan: SweepPlan, pilots: PriorRuns) -> list[str]:
    import numpy as np

    from raysearch.api.plan import kind_wanted
    from raysearch.search.estimate import interval

    each = np.array([sum(group) / len(group) for group in pilots.seconds])
    spread = interval(each, len(each))
    devices = ", ".join(device or "unknown" for device in pilots.devices)
    lines = [
        f"  a trial   {duration(spread.mean)} when it is whole, from {pilots.rows} earlier "
        f"{'trials' if pilots.rows > 1 else 'trial'} of {len(each)} "
        f"{'configurations' if len(each) > 1 else 'configuration'}",
        f"            {pilots.alike}; on {devices}",
    ]
    if pilots.scaled:
        lines.append(f"            {pilots.scaled}")
    if kind_wanted(plan) not in kinds_of(pilots.devices):
        lines.append("            the sweep asks for another device than these had")
    if 1 < len(each) < 5:
        lines.append("            so few are often too alike: the intervals may be too narrow")
    return lines


def _hours(plan: SweepPlan, draws: Draws) -> list[str]:
    total = draws.total()
    gpus = plan.gpus_per_worker * plan.workers_per_trial
    amount = gpus if gpus > 0 else plan.cpus_per_worker * plan.workers_per_trial
    hours = _spread(total.scaled(amount / 3600), lambda value: f"{value:.3g}")
    unit = "GPU hours" if gpus > 0 else "CPU hours"
    note = "" if total.low is None else "; in 9 of 10 cases inside the brackets"
    return [f"  {unit} {hours}{note}"]


def places_of(plan: SweepPlan, table: PriceTable | None, *, free: bool) -> list[Place]:
    """The node types that can hold a trial; without a cluster, the slots of this machine."""
    if table is None or not (table.types or table.per_hour):
        return [Place("this machine", 1, plan.slots, None)]
    found = []
    for item in table.worker_types():
        workers = _workers(plan, item)
        nodes = min(item.most, table.most)
        slots = nodes * workers // plan.workers_per_trial
        slots = min(slots if free else plan.slots, slots, plan.configurations * plan.cells_each)
        if slots > 0:
            needed = math.ceil(slots * plan.workers_per_trial / workers)
            price = table.price(item.name) if table.per_hour else None
            found.append(Place(item.name, needed, slots, price))
    return found


def _workers(plan: SweepPlan, item: NodeType) -> int:
    """Workers of trials that fit on a node; one where its resources are not in the file."""
    if not item.resources:
        return 1
    wanted = plan.shape.resources_per_worker.items()
    return min(int(item.resources.get(name, 0) / each + 1e-9) for name, each in wanted)


def _table(
    plan: SweepPlan, table: PriceTable | None, places: Sequence[Place], draws: Draws
) -> list[str]:
    currency = (table.currency or "money") if table is not None and table.per_hour else ""
    rows = [("all trials on", "nodes", "slots", "time", currency)]
    for place in places:
        wall = draws.wall(place.slots)
        money = ""
        if table is not None and place.price is not None:
            money = _spread(money_of(table, place, wall), lambda value: f"{value:,.2f}")
        time = _spread(wall, duration)
        rows.append((place.name, str(place.nodes), str(place.slots), time, money))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    right = (False, True, True, False, False)
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if ends else cell.ljust(width)
            for cell, width, ends in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


def money_of(table: PriceTable, place: Place, wall: Interval) -> Interval:
    """Nodes and head for the time, and the nodes until they are found to be idle."""
    from raysearch.search.estimate import Interval

    nodes = place.nodes * (place.price or 0.0)
    rate = (nodes + table.head_price()) / 3600
    tail = nodes * table.idle_seconds / 3600
    low, high = (None if end is None else end * rate + tail for end in (wall.low, wall.high))
    return Interval(wall.mean * rate + tail, low, high)


def _money_notes(
    plan: SweepPlan, table: PriceTable, places: Sequence[Place], draws: Draws
) -> list[str]:
    lines = [
        f"  with the head, {table.money(table.head_price())} an hour, and "
        f"{duration(table.idle_seconds)} until idle nodes are gone;",
        "  the start of nodes, before they join, comes on top",
    ]
    left_out = [item.name for item in table.worker_types() if item.name not in _names(places)]
    if left_out:
        lines.append(f"  no trial of this shape fits on {', '.join(left_out)}")
    if plan.max_cost is None:
        return lines
    for place in places:
        cost = money_of(table, place, draws.wall(place.slots))
        lines.append(
            f"  --max-cost {plan.max_cost:g} on {place.name}: {_verdict(cost, plan.max_cost)}"
        )
    return lines


def _names(places: Sequence[Place]) -> set[str]:
    return {place.name for place in places}


def _verdict(cost: Interval, cap: float) -> str:
    if cost.low is None or cost.high is None:
        return "would end the sweep early" if cost.mean > cap else "is above what is expected"
    if cost.low > cap:
        return "would end the sweep early"
    return "may end the sweep early" if cost.high > cap else "would not be reached"


def _spread(found: Interval, shown: Callable[[float], str]) -> str:
    if found.low is None or found.high is None:
        return shown(found.mean)
    return f"{shown(found.mean)} ({shown(found.low)}-{shown(found.high)})"
