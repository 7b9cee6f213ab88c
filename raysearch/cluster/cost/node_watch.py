"""Watches a sweep's nodes and what they cost, and tells when the money is used up."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RpcError

from raysearch.cluster.cost.node_clock import LiveNode, NodeClock
from raysearch.cluster.cost.prices import PriceTable
from raysearch.cluster.ray_session import HEAD
from raysearch.errors import StoreError
from raysearch.json_text import read_json
from raysearch.seal import seal, unseal
from raysearch.storage.whole import unwritten, whole_file
from raysearch.summary import Cost, NodeUsage

__all__ = [
    "LOOK_SECONDS",
    "NodeWatch",
    "live_nodes",
    "nodes_of",
    "read_spent",
    "write_spent",
]

_NAME = "cost.json"


def read_spent(folder: Path, currency: str) -> float:
    """What earlier runs have cost; 0 where there was none.

    Raises:
        StoreError: The file cannot be read, is damaged, or counts in another currency.
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
    """Keep what the sweep has cost; whenever the process is killed, the file is whole.

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
"""How often the nodes are looked at: so late may a cap on the cost be noticed."""


class NodeWatch:
    """The nodes of a cluster as long as a sweep runs on it; one thread.

    The cap holds for what was spent and what the workers that are up cost until they are
    ended, so that the bill ends below it. It is overshot by at most what the nodes cost in
    `LOOK_SECONDS` and the time in which running trials let go. What no driver sees is not
    counted: a node's start before it joins, and the cluster between two runs of a sweep.

    Args:
        probe: Tells the nodes that are up; None when that cannot be known now, and those that
            were go on counting.
        prices: What they cost; None counts no money.
        cap: The most that the sweep may cost, over all its runs; None has no limit.
        folder: Where what was spent is kept from run to run.
        now: Seconds of a clock that does not go back.
    """

    def __init__(
        self,
        probe: Callable[[], Sequence[LiveNode] | None],
        *,
        prices: PriceTable | None = None,
        cap: float | None = None,
        folder: Path,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe, self._prices, self._cap, self._now = probe, prices, cap, now
        self._folder = folder
        self._clock = NodeClock()
        self._earlier = 0.0 if prices is None else read_spent(folder, prices.currency)
        self._looked = -LOOK_SECONDS
        self.out_of_money = False
        """Whether the sweep may not cost any more."""
        self.look()

    def look(self) -> None:
        """See which nodes are up, if that is due, and what they have cost."""
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
        """A run's workers have taken it."""
        self._clock.begin(self._now(), run_id, nodes)

    def ended(self, run_id: str) -> None:
        """A run is over."""
        self._clock.end(self._now(), run_id)

    def usage(self) -> NodeUsage:
        """Everything up to now."""
        now = self._now()
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
    """The nodes that are up, as a cluster's control service has them; None when it is silent.

    The node type is what the launcher gave the node in its environment. `ray.nodes` has it as
    the label ``ray.io/node-group`` too, which a fake cluster's nodes take over from the head.

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
