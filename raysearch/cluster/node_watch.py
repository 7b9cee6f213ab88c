"""Watches a sweep's nodes and their cost, and reports when the cost limit is reached.

`NodeClock` measures how long each node was up, with and without a trial: arithmetic on
observations, in seconds of any monotonic clock. `NodeWatch` makes these from Ray and prices them.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RpcError

from raysearch.cluster.prices import PriceTable
from raysearch.cluster.ray_session import HEAD
from raysearch.errors import StoreError
from raysearch.json_text import read_json
from raysearch.seal import seal, unseal
from raysearch.storage.whole import unwritten, whole_file
from raysearch.summary import Cost, NodeTimes, NodeUsage, total

__all__ = [
    "LOOK_SECONDS",
    "LiveNode",
    "NodeClock",
    "NodeWatch",
    "live_nodes",
    "nodes_of",
    "read_spent",
    "write_spent",
]


@dataclass(frozen=True, kw_only=True)
class LiveNode:
    """A node that is up.

    Attributes:
        id: Its id in Ray.
        type: Its node type in the cluster file; empty if it was not started from one.
        head: Whether it is the head, which runs no trial.
    """

    id: str
    type: str = ""
    head: bool = False


@dataclass
class _Node:
    type: str
    head: bool
    since: float
    gone: float | None = None
    runs: set[str] = field(default_factory=set)
    busy_since: float = 0.0
    busy: float = 0.0
    """Seconds of the finished spans with a trial."""
    first: float | None = None
    last: float = 0.0
    """End of the last span with a trial."""

    def begin(self, now: float, run_id: str) -> None:
        if not self.runs:
            self.busy_since = now
            self.first = now if self.first is None else self.first
        self.runs.add(run_id)

    def end(self, now: float, run_id: str) -> None:
        if self.runs == {run_id}:
            self.busy, self.last = self.busy + now - self.busy_since, now
        self.runs.discard(run_id)

    def times(self, now: float) -> NodeTimes:
        until = now if self.gone is None else self.gone
        up, leased = until - self.since, self.busy
        before, after = up, 0.0
        if self.first is not None:
            before, after = self.first - self.since, until - self.last
        if self.runs:
            leased, after = leased + until - self.busy_since, 0.0
        return NodeTimes(
            type=self.type,
            head=self.head,
            nodes=1,
            up=up,
            leased=leased,
            before=before,
            between=up - leased - before - after,
            after=after,
        )


class NodeClock:
    """The uptimes of a cluster's nodes while a sweep runs; `now` never decreases."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._where: dict[str, tuple[str, ...]] = {}

    def see(self, now: float, live: Iterable[LiveNode]) -> None:
        """Update which nodes are up; the others have ended, and their runs too.

        Ray never reuses an id. A node that was missing and is seen again, after a lost link,
        counts as up all the while, which it was.
        """
        up = {node.id: node for node in live}
        for node_id, node in up.items():
            known = self._nodes.setdefault(node_id, _Node(node.type, node.head, since=now))
            known.type, known.head, known.gone = node.type, node.head, None
        for node_id, known in self._nodes.items():
            if node_id not in up and known.gone is None:
                for run_id in tuple(known.runs):
                    known.end(now, run_id)
                known.gone = now

    def begin(self, now: float, run_id: str, nodes: Sequence[str]) -> None:
        """A run has started on these nodes; it no longer runs on any other."""
        self.end(now, run_id)
        self._where[run_id] = tuple(nodes)
        for node_id in nodes:
            known = self._nodes.setdefault(node_id, _Node("", False, since=now))
            known.gone = None  # not in the list, but it has just reported
            known.begin(now, run_id)

    def end(self, now: float, run_id: str) -> None:
        """A run has ended; does nothing if it never started."""
        for node_id in self._where.pop(run_id, ()):
            self._nodes[node_id].end(now, run_id)

    def live(self) -> tuple[LiveNode, ...]:
        """The nodes that were up when last seen."""
        return tuple(
            LiveNode(id=node_id, type=node.type, head=node.head)
            for node_id, node in self._nodes.items()
            if node.gone is None
        )

    def times(self, now: float) -> tuple[NodeTimes, ...]:
        """Totals per node type, in order of first appearance."""
        groups: dict[tuple[str, bool], list[NodeTimes]] = {}
        for node in self._nodes.values():
            groups.setdefault((node.type, node.head), []).append(node.times(now))
        return tuple(total(parts, name, head=head) for (name, head), parts in groups.items())


_NAME = "cost.json"


def read_spent(folder: Path, currency: str) -> float:
    """The cost of earlier sessions; 0 if there were none.

    Raises:
        StoreError: The file cannot be read, is damaged, or uses another currency.
    """
    path = folder / _NAME
    try:
        raw = unseal(read_json(path.read_text()))
        spent, counted = float(raw["spent"]), str(raw["currency"])
        if not (math.isfinite(spent) and spent >= 0):
            raise ValueError(f"spent {spent}")
    except FileNotFoundError:
        return 0.0
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"`{path}` must say what the sweep has cost so far, but: {error!r}; write it anew, for "
            f'example {{"spent": 1.5, "currency": "{currency}"}}'
        ) from error
    if counted != currency:
        raise StoreError(
            f"a sweep must be paid in one currency, but earlier runs counted {spent:g} "
            f"{counted or 'without a currency'} and the prices are now in {currency or 'none'}; "
            f"convert {path}"
        )
    return spent


def write_spent(folder: Path, spent: float, currency: str) -> None:
    """Save the sweep's cost; the file is whole even if the process is killed.

    Raises:
        StoreError: The folder cannot be written.
    """
    text = json.dumps(seal({"spent": spent, "currency": currency})) + "\n"
    try:
        with whole_file(folder / _NAME) as file:
            file.write(text.encode())
    except OSError as error:
        raise StoreError(
            f"what the sweep costs must be kept in {folder}, but it cannot be written: "
            f"{unwritten(error)}"
        ) from error


LOOK_SECONDS = 2.0
"""Seconds between two looks at the nodes: the delay of a cap on the cost."""


class NodeWatch:
    """The nodes of a cluster while a sweep runs on it; single-threaded.

    The cap applies to the money spent plus the cost of the live workers until they are ended, so
    that the bill stays below it. It is exceeded by at most the nodes' cost in `LOOK_SECONDS`
    and while running trials are released. What no driver sees is not counted: a node's start
    before it joins, and the cluster between two sessions of a sweep.

    Args:
        probe: Returns the live nodes; None when they are unknown, and the known ones keep
            counting.
        prices: Their prices; None counts no money.
        cap: Cost limit over all sessions of the sweep; None for no limit.
        folder: Where the spending is saved between sessions.
        explain: Returns what is known of nodes that runs wait for; empty for nothing.
        now: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        probe: Callable[[], Sequence[LiveNode] | None],
        *,
        prices: PriceTable | None = None,
        cap: float | None = None,
        folder: Path,
        explain: Callable[[], str] = lambda: "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.explain = explain
        self._probe, self._prices, self._cap, self._now = probe, prices, cap, now
        self._folder = folder
        self._clock = NodeClock()
        self._earlier = 0.0 if prices is None else read_spent(folder, prices.currency)
        self._looked = -LOOK_SECONDS
        self.out_of_money = False
        """Whether the cost limit is reached."""
        self.look()

    def look(self) -> None:
        """Update the live nodes and their cost, if that is due."""
        now = self._now()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if (live := self._probe()) is not None:
            self._clock.see(now, live)
        if self._prices is None:
            return
        cost = self._cost(self._prices, now)
        write_spent(self._folder, cost.spent + cost.tail, self._prices.currency)
        if self._cap is not None and cost.spent + cost.tail >= self._cap:
            self.out_of_money = True

    def began(self, run_id: str, nodes: Sequence[str]) -> None:
        """A run's workers have started."""
        self._clock.begin(self._now(), run_id, nodes)

    def ended(self, run_id: str) -> None:
        """A run is over."""
        self._clock.end(self._now(), run_id)

    def last_usage(self) -> NodeUsage:
        """Usage up to now, which is kept: the next session begins with the whole cost of this."""
        self._looked = -math.inf
        self.look()
        return self._usage(self._looked)

    def usage(self) -> NodeUsage:
        """Usage up to now."""
        return self._usage(self._now())

    def _usage(self, now: float) -> NodeUsage:
        cost = None if self._prices is None else self._cost(self._prices, now)
        return NodeUsage(types=self._clock.times(now), cost=cost)

    def _cost(self, prices: PriceTable, now: float) -> Cost:
        times = self._clock.times(now)
        run = sum(prices.price(item.type, head=item.head) * item.up for item in times) / 3600
        live = self._clock.live()
        workers = sum(prices.price(node.type) for node in live if not node.head)
        heads = sum(prices.price(node.type, head=True) for node in live if node.head)
        return Cost(
            spent=self._earlier + run,
            run=run,
            tail=workers * prices.idle_seconds / 3600,
            cap=self._cap,
            rate=workers + heads,
            unpriced=tuple(
                item.type or "(none)"
                for item in times
                if not item.head and item.type not in prices.per_hour
            ),
            currency=prices.currency,
        )


def live_nodes() -> tuple[LiveNode, ...] | None:
    """The nodes of the cluster that this process has joined; see `nodes_of`."""
    return nodes_of(ray._private.worker.global_worker.gcs_client)


def nodes_of(gcs: Any) -> tuple[LiveNode, ...] | None:
    """The live nodes according to a cluster's control service; None when it does not answer.

    The launcher passes the node type to the node in its environment. `ray.nodes` also has it as
    the label ``ray.io/node-group``, which the nodes of a fake cluster take over from the head.

    Args:
        gcs: A ``ray._raylet.GcsClient``.
    """
    from ray.autoscaler.v2.sdk import get_cluster_resource_state
    from ray.core.generated.autoscaler_pb2 import NodeStatus

    try:
        state = get_cluster_resource_state(gcs)
    except RpcError:
        return None
    return tuple(
        LiveNode(
            id=node.node_id.hex(),
            type=node.ray_node_type_name,
            head=HEAD in node.total_resources,
        )
        for node in state.node_states
        if node.status != NodeStatus.DEAD
    )
