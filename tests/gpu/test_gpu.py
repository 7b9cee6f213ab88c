"""What only a GPU can show: run where there is one with ``-m gpu``, collected nowhere else.

    python -m pytest -m gpu

With one GPU two workers share it over gloo; with two, each has its own and they talk over NCCL.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import raysearch
from raysearch.cluster.gpus import gpu_fault, gpu_problem, visible_gpus
from raysearch.errors import TooLargeError
from raysearch.leaderboard import Store
from raysearch.methods import get_method
from raysearch.run import Cell, Run, RunSpec, RunState
from raysearch.training.progress import NullListener
from raysearch.training.run import execute_run

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
TINY: dict[str, Any] = {
    "encoder": "tiny",
    "max_length": 16,
    "batch_size": 16,
    "epochs": 0.25,
    "reports": 1,
    "corpora": ["sample"],
}


def trained(folder: Path, **settings: Any) -> Run:
    spec = RunSpec(
        sweep="s",
        number=0,
        cell=Cell("sample", 0),
        method="carl",
        config=TINY | settings,
        folder=str(folder / "leases" / "0"),
    )
    row = execute_run(spec, NullListener(), data_dir="")
    assert row is not None and row.state is RunState.COMPLETE, row
    return row


@pytest.fixture(autouse=True)
def _first_device() -> Iterator[None]:
    torch.cuda.set_device(0)
    yield
    torch.cuda.synchronize()  # no test leaves a dead context to the next


def test_the_gpu_is_seen_and_computes() -> None:
    assert visible_gpus() == torch.cuda.device_count() >= 1
    assert gpu_problem(1) == "" == gpu_fault()


def test_a_worker_without_gpus_sees_none() -> None:
    words = "from raysearch.cluster.gpus import claim_device; claim_device(0); import torch; "
    words += "assert not torch.cuda.is_available()"
    subprocess.run([sys.executable, "-c", words], check=True, env=ENVIRONMENT)


def test_a_trial_says_what_it_ran_on_and_comes_to_the_same_again(tmp_path: Path) -> None:
    on_gpu = trained(tmp_path / "gpu")
    assert on_gpu.device == torch.cuda.get_device_name(0)
    assert int(on_gpu.provenance["gpu_peak_bytes"]) > 1_000
    again = trained(tmp_path / "again")
    assert again.metrics == pytest.approx(on_gpu.metrics, rel=1e-3, abs=1e-3)
    assert trained(tmp_path / "auto", precision="auto").provenance["pinned"] == "true"


def test_memory_is_free_after_a_trial_that_fits_and_one_that_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(tmp_path / "first")
    before = torch.cuda.memory_reserved()
    trained(tmp_path / "second")
    assert torch.cuda.memory_reserved() <= before
    loader = get_method("carl")

    def too_much(*arguments: Any, **options: Any) -> Any:
        small = torch.ones(1 << 20, device="cuda")
        whole = torch.cuda.get_device_properties(0).total_memory
        return small, torch.empty(2 * whole, dtype=torch.uint8, device="cuda")

    monkeypatch.setattr(type(loader), "build", too_much, raising=False)
    with pytest.raises(TooLargeError, match="must fit the memory of its GPU"):
        trained(tmp_path / "third")
    assert torch.cuda.memory_reserved() <= before


ASSERT = """
import torch
from raysearch.cluster.gpus import gpu_fault, is_gpu_fault
rows = torch.zeros(4, device="cuda")
try:
    rows[torch.tensor([9], device="cuda")].sum().item()
except RuntimeError as error:
    assert is_gpu_fault(error), repr(error)
    assert gpu_fault()
    print("dead")
"""


def test_a_device_side_assert_is_told_from_a_bug() -> None:
    words = [sys.executable, "-c", ASSERT]
    answer = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT)
    assert answer.stdout == "dead\n", answer.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sweep_trains_on_the_gpus(workers: int, tmp_path: Path) -> None:
    """By the command, in processes of their own; nothing says that they should take a GPU."""
    share = 1 if torch.cuda.device_count() >= workers else 1 / workers
    settings = [f"--set={name}={value}" for name, value in TINY.items() if name != "corpora"]
    words = ["sweep", "carl", "--trials=2", "--name=g", f"--results={tmp_path}", *settings]
    words += [f"--workers-per-trial={workers}", f"--gpus-per-worker={share}", "--quiet"]
    subprocess.run([sys.executable, "-m", "raysearch", *words], env=ENVIRONMENT, check=True)
    rows = Store(str(tmp_path / "g")).trials()
    assert {row.device for row in rows} == {torch.cuda.get_device_name(0)}
    assert raysearch.leaderboard(tmp_path / "g").shape[0] == 2
