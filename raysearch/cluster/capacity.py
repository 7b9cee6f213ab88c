"""What the node types of a cluster file can hold: the slots that would wait for ever, found first.

A cluster starts nodes until its types' own ``max_workers`` or that of all of them is reached, and
none at all for a worker that fits on no type. Nothing else would say so: the slots wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from raysearch.cluster.prices import NodeType, PriceTable
from raysearch.errors import ConfigError
from raysearch.printable import counted

__all__ = ["capacity_problems", "check_capacity", "idle_tail", "slots_held", "workers_held"]


def workers_held(wanted: Mapping[str, float], node: NodeType) -> int:
    """Workers of trials that fit on a node; one where the file has no node types.

    Args:
        wanted: Resources of a worker, by Ray's names.
        node: Its type.
    """
    if node.resources is None:
        return 1
    return min(int(node.resources.get(name, 0) / each + 1e-9) for name, each in wanted.items())


def slots_held(wanted: Mapping[str, float], workers: int, table: PriceTable) -> int:
    """Slots that the cluster holds with as many nodes as it may have.

    Args:
        wanted: Resources of a worker.
        workers: Workers of a trial.
        table: The cluster's node types.
    """
    left, held = table.most, 0
    for fit, most in sorted(
        ((workers_held(wanted, node), node.most) for node in table.worker_types()), reverse=True
    ):
        nodes = min(left, most)
        left, held = left - nodes, held + nodes * fit
    return held // workers


def idle_tail(wanted: Mapping[str, float], workers: int, slots: int, table: PriceTable) -> float:
    """Money for the nodes of all slots from the last run until they are found to be idle."""
    fits = [
        (table.price(node.name) / fit, fit, node)
        for node in table.worker_types()
        if (fit := workers_held(wanted, node))
    ]
    left, hourly = slots * workers, 0.0
    for _, fit, node in sorted(fits, key=lambda item: item[0]):
        nodes = min(node.most, -(-left // fit))
        left, hourly = max(0, left - nodes * fit), hourly + nodes * table.price(node.name)
    return hourly * table.idle_seconds / 3600


def check_capacity(
    wanted: Mapping[str, float],
    *,
    workers: int,
    slots: int,
    cap: float | None,
    table: PriceTable,
) -> None:
    """Check that the cluster can hold the slots, and that the cap lets them run.

    Args:
        wanted: Resources of a worker.
        workers: Workers of a trial.
        slots: Trials at once.
        cap: Cost limit of the sweep; None for none.
        table: The cluster's node types and prices.

    Raises:
        ConfigError: They would wait for ever, or the cap is used up by idle nodes.
    """
    problems = list(capacity_problems(wanted, workers, slots, table))
    if cap is not None and not problems:
        tail = idle_tail(wanted, workers, slots, table)
        if cap <= tail:
            problems.append(
                f"`--max-cost` must be more than the {table.money(tail)} that the nodes of "
                f"{counted(slots, 'slot')} cost until they are found to be idle, which it "
                f"includes, but got {cap:g}: the sweep would end before a trial does; take more, "
                "fewer `--slots`, or a shorter `idle_timeout_minutes`"
            )
    if problems:
        raise ConfigError(problems)


def capacity_problems(
    wanted: Mapping[str, float], workers: int, slots: int, table: PriceTable
) -> Iterator[str]:
    """One sentence for slots that would wait for ever; see `check_capacity`."""
    types = [node for node in table.worker_types() if node.resources is not None]
    if not types:  # hosts of one's own: what they have is known once they join
        return
    each = _text(wanted)
    if not any(workers_held(wanted, node) for node in types):
        there = "; ".join(f"{node.name} has {_text(node.resources or {})}" for node in types)
        yield (
            f"a node type must have the {each} of a trial's worker, but none has: {there}; take a "
            "larger machine, or less for each worker"
        )
    elif (most := slots_held(wanted, workers, table)) < slots:
        yield (
            f"`slots` must be at most {most}, which the node types hold at their `max_workers` "
            f"with {workers} x ({each}) for each, but got {slots}: the others would wait for "
            "ever; take fewer, or raise `max_workers` of the types and of the cluster"
        )


def _text(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in resources.items()) or "nothing"
