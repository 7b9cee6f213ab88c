"""Which GPU a worker has: counted, claimed, hidden. The GPUs are fake (tests/fake_gpu)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_gpus import run_on_fake_gpus, written
from ray._private.accelerators import NvidiaGPUAcceleratorManager

from raysearch.cluster.gpus import claim_device, visible_gpus

pytestmark = pytest.mark.timeout(1500)  # a busy machine takes minutes for a sweep
ECC = "uncorrectable ECC error encountered"
ASSERT = "CUDA error: device-side assert triggered"
DRIVER = str(Path(__file__).parent / "gpu_driver.py")


@pytest.mark.parametrize(
    ("there", "named", "count"),
    [
        (0, None, 0),
        (4, None, 4),
        (4, "", 0),
        (4, "2,3", 2),
        (4, "0,-1,2", 1),
        (4, "-1", 0),
        (4, "NoDevFiles", 0),
        (4, "GPU-8f,GPU-2a", 2),
        (1, "MIG-1c,MIG-77,MIG-e0", 3),  # slices of one GPU
        (0, "0,1", 0),
    ],
)
def test_gpus_are_those_that_cuda_would_see(
    there: int, named: str | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "get_current_node_num_accelerators"
    monkeypatch.setattr(NvidiaGPUAcceleratorManager, name, staticmethod(lambda: there))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == count


def test_a_worker_without_gpus_sees_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    claim_device(0)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def swept(
    folder: Path, shapes: list[dict[str, Any]], *machines: Path, **more: str
) -> dict[str, Any]:
    """What `gpu_driver` found on this machine with fake GPUs, or on a cluster of several."""
    several = [str(machine) for machine in machines] if len(machines) > 1 else []
    words = [DRIVER, str(folder), json.dumps(shapes), *several]
    answer = run_on_fake_gpus(words, machines[0], **more)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def ranks(sweep: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """What each worker of each row saw."""
    assert sweep["error"] == "" and not any(row["reason"] for row in sweep["rows"].values())
    return [row["ranks"] for row in sweep["rows"].values()]


@pytest.mark.slow
def test_each_worker_has_the_gpu_that_ray_gave_it(tmp_path: Path) -> None:
    shapes: list[dict[str, Any]] = [
        {"name": "slots", "slots": 2, "gpus_per_worker": 1, "trials": 6},
        {"name": "ranks", "workers_per_trial": 2, "gpus_per_worker": 1},
        {"name": "shared", "workers_per_trial": 2, "gpus_per_worker": 0.5},
        {"name": "two", "gpus_per_worker": 2},
        {"name": "none", "gpus_per_worker": 0},
    ]
    found = swept(tmp_path, shapes, written(tmp_path / "machine", gpus=2))
    alone = [row[0] for row in ranks(found["slots"])]
    assert {worker["gpu"] for worker in alone} == {"0", "1"}
    # The generator of the worker's own device is saved, and no other.
    assert {worker["generators"] for worker in alone} == {1}
    (both,) = ranks(found["ranks"])
    assert [worker["visible"] for worker in both] == ["0,1", "0,1"]  # Ray Train shares them
    assert {worker["device"] for worker in both} == {"cuda:0", "cuda:1"}
    assert {worker["gpu"] for worker in both} == {"0", "1"}
    (shared,) = ranks(found["shared"])
    assert len(shared) == 2 and all(worker["gpu"] in ("0", "1") for worker in shared)
    ((two,),) = ranks(found["two"])
    assert (two["visible"], two["device"]) == ("0,1", "cuda:0")
    ((none,),) = ranks(found["none"])
    del none["process"], none["name"]
    cpu = {"device": "cpu", "gpu": "", "visible": "", "generators": 0, "initialised": False}
    assert none == cpu


@pytest.mark.slow
def test_slices_of_a_gpu_are_devices_by_their_names(tmp_path: Path) -> None:
    names = ["MIG-6c0b", "MIG-91ff"]
    machine = written(tmp_path / "machine", gpus=1, names=names)
    shapes: list[dict[str, Any]] = [{"name": "m", "workers_per_trial": 2, "gpus_per_worker": 1}]
    found = swept(tmp_path, shapes, machine, CUDA_VISIBLE_DEVICES=",".join(names))
    (both,) = ranks(found["m"])
    assert {worker["gpu"] for worker in both} == set(names)
    assert {worker["device"] for worker in both} == {"cuda:0", "cuda:1"}


@pytest.mark.slow
def test_a_dead_context_costs_a_process_and_no_trial(tmp_path: Path) -> None:
    shapes: list[dict[str, Any]] = [
        {"name": "once", "gpus_per_worker": 1, "trials": 4},
        {"name": "assert", "gpus_per_worker": 1, "trials": 3},
        {"name": "large", "gpus_per_worker": 1, "workers_per_trial": 2, "trials": 3},
    ]
    found = swept(tmp_path, shapes, written(tmp_path / "machine"))
    before, *after = [row[0]["process"] for row in ranks(found["once"])]
    assert len(set(after)) == 1 and before not in after
    assert [text.endswith(f"its worker is replaced: {ASSERT}") for text in found["once"]["said"]]
    reasons = {number: row["reason"] for number, row in found["assert"]["rows"].items()}
    assert reasons.pop("1").startswith("its GPU failed 3 times at the same place (GPU 0 of ")
    assert set(reasons.values()) == {""} and found["assert"]["error"] == ""
    # One worker of two lacks memory: the other does not wait, and the trial is no failed one.
    assert set(found["large"]["rows"]) == {"0", "2"}
    assert "the trial stays open" in found["large"]["said"][-1]


@pytest.mark.slow
def test_gpus_that_cannot_be_used_end_the_sweep_with_the_reason(tmp_path: Path) -> None:
    shapes = [{"name": "a", "gpus_per_worker": 1}]
    cases = {
        "cpu build": ({"build": None}, "is a CPU build (driver: 580.65.06); install"),
        "old driver": (
            {"driver": "535.104.05", "driver_cuda": 12020},
            "is built for CUDA 13.0, and there is driver 535.104.05, for CUDA up to 12.2; install",
        ),
        "broken": ({"gpus": 1, "broken": {"0": ECC}}, "a sweep must have a GPU that works, but 1"),
    }
    for name, (machine, said) in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        options: dict[str, Any] = machine
        found = swept(folder, shapes, written(folder / "machine", **options))["a"]
        assert said in found["error"] and found["rows"] == {}
    assert (
        f"failed 3 times in a row, so that the sweep leaves {os.uname().nodename} out"
        in (found["error"])
    )


@pytest.mark.slow
def test_trials_go_to_another_node_from_a_broken_gpu_and_from_a_small_one(tmp_path: Path) -> None:
    good = written(tmp_path / "machine_a100", gpus=1, model="A100", memory=80 * 10**9)
    small = written(tmp_path / "machine_a10g", gpus=1, model="A10G")
    only = {"gpus_per_worker": 1, "gpu_types": ["A100"], "trials": 2}
    shapes = [{"name": "small", "gpus_per_worker": 1, "trials": 3, "slots": 2},
              {"name": "only", **only}]  # fmt: skip
    both = swept(tmp_path, shapes, small, good)
    assert [row[0]["name"] for row in ranks(both["only"])] == ["A100", "A100"]
    found = both["small"]
    assert len(ranks(found)) == 3 and found["said"]
    assert all(text.endswith("it goes to A100") for text in found["said"])
    written(tmp_path / "machine_a10g", gpus=1, model="A10G", broken={"0": ECC})
    shapes = [{"name": "lost", "gpus_per_worker": 1, "trials": 3, "slots": 2}]
    found = swept(tmp_path, shapes, small, good)["lost"]
    assert len(ranks(found)) == 3
    assert "failed 3 times in a row" in "".join(found["said"])
