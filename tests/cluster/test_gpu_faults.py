"""When a node is left out for its GPUs, and when no node is left: by hand."""

from __future__ import annotations

from raysearch.cluster.gpu_faults import GpuFaults
from raysearch.cluster.gpus import GpuPlace

ECC = "CUDA error: uncorrectable ECC error encountered"


def place(node: str = "n1", gpu: str = "0") -> GpuPlace:
    return GpuPlace(node=node, host=f"host-{node}", gpu=gpu, type="A10G")


def test_one_run_alone_accuses_no_gpu() -> None:
    faults = GpuFaults()
    assert not any(faults.failed(place(), "run1", ECC) for _ in range(5))
    assert faults.selector(()) == {}


def test_several_runs_in_a_row_do() -> None:
    faults = GpuFaults()
    assert faults.failed(place(), "run1", ECC) == faults.failed(place(), "run1", ECC) == ""
    said = faults.failed(place(), "run2", ECC)
    assert said == (
        "GPU 0 of host-n1 failed 3 times in a row, so that the sweep leaves host-n1 out: " + ECC
    )
    assert faults.failed(place(), "run3", ECC) == ""  # once
    assert faults.selector(()) == {"ray.io/node-id": "!in(n1)"}


def test_a_gpu_that_fails_its_own_check_needs_no_run() -> None:
    faults = GpuFaults()
    assert [bool(faults.failed(place(), "", ECC)) for _ in range(3)] == [False, False, True]


def test_what_has_worked_in_between_is_in_no_row_and_other_gpus_count_apart() -> None:
    faults = GpuFaults()
    faults.failed(place(), "run1", ECC)
    faults.failed(place(), "run2", ECC)
    faults.worked([place(gpu="1")])
    faults.worked([place()])
    assert faults.failed(place(), "run3", ECC) == ""
    faults.failed(place(), "run4", ECC)
    assert faults.failed(place(gpu="1"), "run5", ECC) == ""
    assert faults.failed(place(), "run5", ECC)


def test_types_that_are_too_small_are_left_out_beside() -> None:
    faults = GpuFaults()
    assert faults.selector({"T4", "A10G", ""}) == {"ray.io/accelerator-type": "!in(A10G,T4)"}


def test_of_the_types_that_are_wanted_the_first_that_are_not_too_small_are_asked_for() -> None:
    faults, types = GpuFaults(), ("L4", "A10G", "A100")
    wanted = {
        ((), 1): "in(L4)",
        ((), 2): "in(L4,A10G)",
        ((), 9): "in(L4,A10G,A100)",
        (("L4",), 1): "in(A10G)",
        (("L4", "A10G"), 2): "in(A100)",
        (types, 1): "!in(A100,A10G,L4)",
    }
    for (small, most), label in wanted.items():
        assert faults.selector(small, types, most) == {"ray.io/accelerator-type": label}


def test_a_sweep_without_a_node_ends() -> None:
    faults, one = GpuFaults(), {"n1": "A10G"}
    assert faults.refusal(one) == ""
    for _ in range(3):
        faults.failed(place(), "", ECC)
    assert faults.refusal({"n1": "A10G", "n2": ""}) == ""
    said = faults.refusal(one)
    assert said.startswith("a sweep must have a GPU that works, but 1 node with GPUs had to be")
    assert ECC in said and "`--gpus-per-worker 0`" in said
    for node in ("n2", "n3"):
        assert faults.refusal({"n1": "", "n2": ""}) == ""  # an autoscaler may bring others
        for _ in range(3):
            faults.failed(place(node), "", ECC)
    assert "3 nodes" in faults.refusal({"n1": "", "n2": "", "n3": ""})
