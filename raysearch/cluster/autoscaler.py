"""What Ray's autoscaler knows of the nodes that slots wait for, in a few words."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import ray
from ray.exceptions import RpcError

from raysearch.cluster.capacity import workers_held
from raysearch.cluster.prices import NodeType
from raysearch.errors import one_line

__all__ = ["awaited_nodes", "awaited_text"]

RECENT_SECONDS = 600.0
"""Older failures to start a node say nothing about now."""


def awaited_nodes(types: Sequence[NodeType] = ()) -> str:
    """`awaited_text` of the cluster that this process has joined; empty if it does not answer."""
    from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply

    gcs = ray._private.worker.global_worker.gcs_client
    reply = GetClusterStatusReply()
    try:
        reply.ParseFromString(gcs.get_cluster_status())
    except RpcError:
        return ""
    return awaited_text(reply, types, now=time.time())


def awaited_text(reply: Any, types: Sequence[NodeType], *, now: float) -> str:
    """What the autoscaler has asked for, could not get, or never will; empty if it says nothing.

    Only the second autoscaler says anything, once it has looked for the first time.

    Args:
        reply: A ``GetClusterStatusReply``.
        types: The cluster's node types, for their machines.
        now: Unix seconds.
    """
    return "; ".join(_parts(reply.autoscaling_state, types, now))


def _parts(state: Any, types: Sequence[NodeType], now: float) -> Iterator[str]:
    gangs = (gang.requests for gang in state.infeasible_gang_resource_requests)
    requests = [*chain.from_iterable(gangs), *state.infeasible_resource_requests]
    yield from dict.fromkeys(_never(request.resources_bundle, types) for request in requests)
    machines = {node.name: node.machine for node in types}
    starting: Counter[str] = Counter()
    for request in state.pending_instance_requests:
        starting[request.ray_node_type_name] += request.count
    for instance in state.pending_instances:
        starting[instance.ray_node_type_name] += 1
    if starting:
        yield "launching " + " and ".join(
            f"{count} × {machines.get(name) or name}" for name, count in starting.items()
        )
    failed = {
        item.ray_node_type_name: item
        for item in state.failed_instance_requests
        if now - item.failed_ts < RECENT_SECONDS
    }
    for name, item in failed.items():
        what = machines.get(name) or name
        yield f"{what} could not be launched: {one_line(item.reason, 160)}"


def _never(bundle: Mapping[str, float], types: Sequence[NodeType]) -> str:
    """Why no node is started for a request; those of full types are no others to the autoscaler."""
    # A placement group adds a resource of its own to each of its bundles.
    wanted = {name: each for name, each in bundle.items() if not name.startswith("bundle")}
    text = ", ".join(f"{each:g} {name}" for name, each in sorted(wanted.items()))
    if any(not node.head and workers_held(wanted, node) for node in types):
        return f"no further node with {text} may be started (`max_workers`)"
    return f"no node type has {text}"
