"""Number formats by device, on devices that are not there; pinned loading; stage keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from raysearch.config import TrainingConfig
from raysearch.methods import tensors as loading
from raysearch.methods.optim import adamw
from raysearch.run import Cell, Run, RunSpec
from raysearch.training import hardware as module
from raysearch.training import run as run_module
from raysearch.training.hardware import (
    Hardware,
    autocast,
    choose_hardware,
    matmul_format,
    torch_threads,
)
from raysearch.training.progress import NullListener
from raysearch.training.run import execute_run

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("device", "capability", "asked", "precision", "tf32"),
    [
        (GPU, (9, 0), "auto", "bf16", True),  # H100
        (GPU, (8, 0), "auto", "bf16", True),  # A100
        (GPU, (7, 5), "auto", "fp32", False),  # T4 has neither
        (CPU, (0, 0), "auto", "fp32", False),
        (GPU, (9, 0), "fp32", "fp32", False),  # a named format is taken at its word
        (GPU, (9, 0), "bf16", "bf16", False),
        (GPU, (7, 5), "bf16", "bf16", False),
        (CPU, (0, 0), "bf16", "bf16", False),
    ],
)
def test_formats_by_device(
    device: torch.device,
    capability: tuple[int, int],
    asked: str,
    precision: str,
    tf32: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_capability", lambda device: capability)
    found = choose_hardware(asked, device)
    assert (found.precision, found.tf32) == (precision, tf32)
    assert (found.fused, found.pinned) == (True, device == GPU)
    words = {"tf32": str(tf32).lower(), "fused": "true", "pinned": str(device == GPU).lower()}
    assert found.annotations == {"precision": precision, **words}


@pytest.mark.parametrize("before", ["highest", "high", "medium"])
def test_fp32_is_literal_whatever_the_process_had_set(before: str) -> None:
    kept = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(before)
        with matmul_format(choose_hardware("fp32", CPU)):
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cuda.matmul.allow_tf32
        with matmul_format(Hardware(precision="bf16", tf32=True, fused=True, pinned=True)):
            assert torch.get_float32_matmul_precision() == "high"
            assert torch.backends.cuda.matmul.allow_tf32
        assert torch.get_float32_matmul_precision() == before
    finally:
        torch.set_float32_matmul_precision(kept)


def test_autocast_is_on_for_bf16_only() -> None:
    layer, rows = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast("bf16"):
        assert layer(rows).dtype is torch.bfloat16
    with autocast("fp32"):
        assert layer(rows).dtype is torch.float32


def test_adamw_steps_in_one_kernel() -> None:
    layer = torch.nn.Linear(2, 2)
    assert adamw(layer, [], TrainingConfig()).defaults["fused"] is True


class HostTensor:
    """What `torch.from_numpy` gives, on a machine that has a GPU."""

    def __init__(self, calls: list[object]) -> None:
        self.calls = calls

    def pin_memory(self) -> HostTensor:
        self.calls.append("pinned")
        return self

    def to(self, device: torch.device, **options: object) -> HostTensor:
        self.calls.append((device, options))
        return self


def test_arrays_go_to_cuda_pinned_and_without_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(loading.torch, "from_numpy", lambda values: HostTensor(calls))
    loading.on_device(np.zeros(2), GPU)
    assert calls == ["pinned", (GPU, {"non_blocking": True})]
    calls.clear()
    loading.on_device(np.zeros(2), CPU)
    assert calls == [(CPU, {})]


def test_tensors_and_arrays_come_to_the_cpu_as_they_are() -> None:
    values = np.arange(3)
    assert loading.on_device(values, CPU).tolist() == [0, 1, 2]
    tensor = torch.arange(3)
    assert loading.on_device(tensor, CPU) is tensor


def trained(folder: Path, precision: str) -> Run:
    config = {
        "encoder": "tiny",
        "max_length": 16,
        "batch_size": 16,
        "epochs": 0.25,
        "reports": 1,
        "precision": precision,
    }
    spec = RunSpec(
        sweep="s",
        number=0,
        cell=Cell("sample", 0),
        method="carl",
        config=config,
        folder=str(folder / "leases" / "a"),
    )
    trial = execute_run(spec, NullListener(), data_dir="", annotations={"pack": "4"})
    assert trial is not None
    return trial


def test_rows_say_what_was_used_and_keys_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, auto = trained(tmp_path / "fp32", "fp32"), trained(tmp_path / "auto", "auto")
    assert auto.config["precision"] == "auto"
    assert auto.provenance["precision"] == named.provenance["precision"] == "fp32"
    assert auto.provenance["pack"] == "4"
    assert auto.metrics == named.metrics  # on a CPU, auto is fp32
    assert auto.provenance["stage_key"] == named.provenance["stage_key"]
    coarse = Hardware(precision="fp32", tf32=True, fused=True, pinned=False)
    monkeypatch.setattr(run_module, "choose_hardware", lambda *_: coarse)
    other = trained(tmp_path / "tf32", "auto")
    assert other.provenance["tf32"] == "true"
    assert other.provenance["stage_key"] != named.provenance["stage_key"]


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before
