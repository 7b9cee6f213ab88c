"""What the autoscaler's own record becomes, in the words that a waiting sweep says."""

from __future__ import annotations

from typing import Any

import pytest

from raysearch.cluster.autoscaler import RECENT_SECONDS, awaited_text
from raysearch.cluster.prices import NodeType

TYPES = (
    NodeType(name="head", resources={}, head=True, machine="m5.large"),
    NodeType(name="gpu", most=4, resources={"CPU": 4, "GPU": 1}, machine="g5.xlarge (spot)"),
    NodeType(name="own", most=1, resources={"CPU": 4, "GPU": 1}),
)
NOW = 1_000_000.0


@pytest.fixture
def reply() -> Any:
    from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply

    return GetClusterStatusReply()


def said(reply: Any) -> str:
    return awaited_text(reply, TYPES, now=NOW)


def test_nothing_is_known_before_it_has_looked(reply: Any) -> None:
    assert said(reply) == ""


def test_what_is_launched_has_its_machine(reply: Any) -> None:
    state = reply.autoscaling_state
    state.pending_instance_requests.add(ray_node_type_name="gpu", count=1)
    state.pending_instances.add(ray_node_type_name="gpu")
    state.pending_instances.add(ray_node_type_name="own")
    assert said(reply) == "launching 2 × g5.xlarge (spot) and 1 × own"


def test_what_could_not_be_launched_has_its_reason_once(reply: Any) -> None:
    failed = reply.autoscaling_state.failed_instance_requests
    why = "InsufficientInstanceCapacity: no capacity in us-west-2a"
    for age in (RECENT_SECONDS + 1, 30, 20):
        reason = "too old" if age > RECENT_SECONDS else f"{why}\n"
        failed.add(ray_node_type_name="gpu", reason=reason, failed_ts=int(NOW - age))
    assert said(reply) == f"g5.xlarge (spot) could not be launched: {why}"


def test_what_no_node_type_has(reply: Any) -> None:
    state = reply.autoscaling_state
    for _ in range(2):
        gang = state.infeasible_gang_resource_requests.add()
        gang.requests.add(resources_bundle={"GPU": 2, "CPU": 1, "bundle_group_ab": 0.001})
    state.infeasible_resource_requests.add(resources_bundle={"CPU": 4, "GPU": 1})
    assert said(reply) == (
        "no node type has 1 CPU, 2 GPU; no further node with 4 CPU, 1 GPU may be started "
        "(`max_workers`)"
    )
