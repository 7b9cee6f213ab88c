"""Which types of GPUs a slot asks for, and when; what it makes of a worker that died."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import ray

from raysearch.cluster import trainer
from raysearch.cluster.breakdown import is_lack_of_memory
from raysearch.cluster.gpu_faults import GpuFaults
from raysearch.cluster.trainer import PATIENCE_SECONDS, _ChooseNodes, _WatchNodes


def test_the_next_type_is_asked_for_when_workers_do_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(trainer, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(trainer, "gpu_nodes", dict)
    monkeypatch.setattr(ray, "get", lambda found: found)

    def selector(slot: str, nodes: object, types: list[str], most: int) -> dict[str, str]:
        return GpuFaults().selector((), types, most)

    dispatcher = SimpleNamespace(selector=SimpleNamespace(remote=selector))
    settings = {"dispatcher": dispatcher, "slot": "one", "gpu_types": ["L4", "A10G", "A100"]}
    choose = _ChooseNodes(settings)

    def asked() -> str:
        (label,) = choose.on_controller_start_worker_group().values()
        return label

    assert asked() == "in(L4)"
    now += PATIENCE_SECONDS - 1
    assert asked() == "in(L4)"
    now += 1
    assert asked() == "in(L4,A10G)"
    now += 9 * PATIENCE_SECONDS
    assert asked() == "in(L4,A10G,A100)"
    choose.after_worker_group_start(None)
    now += 9 * PATIENCE_SECONDS
    assert asked() == "in(L4)"


@pytest.mark.parametrize(
    ("looks", "kills", "node", "told"),
    [
        ([], 4, "here", ["crash"]),
        ([3, 3, 4], 4, "here", ["crash"]),
        ([4, 4], 4, "here", []),
        ([], 3, "here", []),
        ([], 4, "there", ["lost"]),
    ],
    ids=["killed", "a moment ago", "long ago", "dead of something else", "on a node that is gone"],
)
def test_a_worker_that_the_kernel_killed_is_a_lack_of_memory(
    looks: list[int], kills: int, node: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []

    def method(name: str) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda *words: calls.append((name, *words)))

    monkeypatch.setattr(ray, "get", lambda found: found)
    monkeypatch.setattr(ray, "nodes", lambda: [{"NodeID": "here", "Alive": True}])
    context = SimpleNamespace(get_node_id=lambda: "here")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(trainer.cluster_state, "get_draining_nodes", dict)
    monkeypatch.setattr(trainer, "oom_kills", lambda: 3)
    never = SimpleNamespace(remote=lambda slot: False)
    made = SimpleNamespace(crash=method("crash"), lost=method("lost"), given_up=never)
    watch = _WatchNodes(made, "one")
    worker = SimpleNamespace(metadata=SimpleNamespace(node_id=node), execute_async=lambda _: None)
    watch.after_worker_group_start(SimpleNamespace(get_workers=lambda: [worker]))
    monkeypatch.setattr(trainer, "DRAIN_SECONDS", 0)
    for found in looks:
        monkeypatch.setattr(trainer, "oom_kills", lambda found=found: found)
        watch.after_worker_group_poll_status(SimpleNamespace(errors={}))
    monkeypatch.setattr(trainer, "oom_kills", lambda: kills)
    watch.after_worker_group_poll_status(SimpleNamespace(errors={0: RuntimeError("it died")}))
    assert [name for name, *_ in calls] == told
    assert all(is_lack_of_memory(words[-1]) for name, *words in calls if name == "crash")
