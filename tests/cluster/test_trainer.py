"""Which types of GPUs a slot asks for, and when."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import ray

from raysearch.cluster import trainer
from raysearch.cluster.gpu_faults import GpuFaults
from raysearch.cluster.trainer import PATIENCE_SECONDS, _ChooseNodes


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
