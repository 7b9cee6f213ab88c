"""What a trial on a GPU leaves in its process, and what a row says of its memory; on fake GPUs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_gpus import run_on_fake_gpus, written

TRIAL = """
import gc, json, sys
import torch
from raysearch.errors import TooLargeError
from raysearch.run import Cell, RunSpec
from raysearch.training.progress import NullListener
from raysearch.training.run import execute_run

alive = []
torch.cuda.empty_cache = lambda: alive.append(
    sum(isinstance(found, torch.optim.Optimizer) for found in gc.get_objects())
)
torch.cuda.set_device(1)
config = {"encoder": "tiny", "epochs": 0.1, "batch_size": 16, "reports": 1, "corpora": ["sample"]}
folder = sys.argv[1] + "/leases/0"
spec = RunSpec(
    sweep="s", number=0, cell=Cell("sample", 0), method="carl", config=config, folder=folder
)
try:
    row = execute_run(spec, NullListener(), data_dir="")
    found = {**row.provenance, "state": row.state, "reason": row.reason, "device": row.device}
except TooLargeError as error:
    found = {"error": str(error)}
print(json.dumps({**found, "alive": alive}))
"""


@pytest.mark.slow
def test_a_row_says_what_its_trial_took_and_its_process_keeps_nothing(tmp_path: Path) -> None:
    machine = written(tmp_path / "machine", gpus=2)
    answer = run_on_fake_gpus(["-c", TRIAL, str(tmp_path)], machine)
    row = json.loads(answer.stdout.splitlines()[-1])
    assert (row["state"], row["reason"], row["device"]) == ("complete", "", "NVIDIA A10G")
    assert row["gpu"] == "1" and int(row["gpu_peak_bytes"]) > 1_000
    assert row["alive"] == [0]  # the cache is emptied once the model is gone


@pytest.mark.slow
def test_what_does_not_fit_is_said_and_has_not_failed(tmp_path: Path) -> None:
    machine = written(tmp_path / "machine", gpus=2, memory=1_000)
    answer = run_on_fake_gpus(["-c", TRIAL, str(tmp_path)], machine)
    found = json.loads(answer.stdout.splitlines()[-1])
    said = "a trial must fit the memory of its GPU, but 00000-sample-s0 does not fit NVIDIA A10G: "
    assert found["error"].startswith(said + "CUDA out of memory. Tried to allocate ")
    assert found["alive"] == [0]
