"""A whole sweep in an S3 that fails now and then, and whose driver is killed in mid-trial."""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from storage.s3_server import ENVIRONMENT, S3Server

from raysearch.api.options import SweepOptions
from raysearch.api.sweep_plan import plan_of
from raysearch.cli import main, parser
from raysearch.cli.arguments import given
from raysearch.leaderboard import Store
from raysearch.run import Run, RunSpec
from raysearch.search.study.ledger import StudyLedger
from raysearch.storage.uri import join
from raysearch.training.checkpoint import load_checkpoint
from raysearch.training.progress import NullListener
from raysearch.training.run import execute_run

SPACE = """\
method: carl
objective: {metric: dev/va_pearson, direction: maximize}
budget: {trials: 3, seeds: 1}
sampler: random
pruner: none
setting:
  {encoder: tiny, layers: 0, corpora: [sample], epochs: 2, reports: 2, batch_size: 16,
   checkpoint_seconds: 0.2}
search:
  learning_rate: {low: 2e-5, high: 1e-3, log: true}
  top_k: {low: 0.05, high: 0.4}
"""
FAULTS: list[dict[str, Any]] = [  # pyarrow alone asks three times; what is more is ours to do
    {"what": "slow_down", "when": "PUT .*00000-sample-s0/checkpoint", "times": 4},
    {"what": "internal", "when": "PUT .*00000-sample-s0/final", "times": 4},
    {"what": "cut", "when": "PUT .*/trials/part-00000", "times": 4},
    {"what": "expired", "when": "PUT .*00001-sample-s0/checkpoint", "times": 2},
    {"what": "expired", "when": "(HEAD|LIST|GET) .*/trials/", "times": 1},
    {"what": "cut_answer", "when": "GET .*00001-sample-s0/checkpoint", "times": 1},
    {"what": "slow_down", "when": "GET .*list-type", "times": 4},
]


def words(folder: Path, storage: str) -> list[str]:
    space = folder / "space.yaml"
    space.write_text(SPACE)
    where = ["--results", str(folder), "--name", "far", "--storage", storage]
    return ["sweep", "carl", "--space", str(space), "--slots", "1", *where]


def begin(folder: Path, storage: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "raysearch", *words(folder, storage)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": "1"},
    )


def undisturbed(folder: Path) -> list[Run]:
    """The same sweep's trials in a folder, one after the other in this process."""
    args: argparse.Namespace = parser().parse_args(words(folder, str(folder / "place")))
    plan = plan_of(SweepOptions(**given(args)))
    plan.folder.mkdir()
    trials = []
    with StudyLedger.open(plan.url, plan.name, plan.space, cells=plan.cells) as ledger:
        while asked := ledger.ask():
            spec = RunSpec(
                sweep=plan.name,
                number=asked.number,
                cell=asked.cells[0],
                method="carl",
                config=asked.config,
                folder="",
            )
            spec = replace(spec, folder=join(plan.runs, spec.id))
            trial = execute_run(spec, NullListener(), data_dir=plan.data_dir)
            assert trial is not None
            trials.append(ledger.finish_cell(asked.number, trial))
    assert (folder / "place" / "far" / "leases" / trials[0].id / "checkpoint.safetensors").is_file()
    return trials


def numbers(trials: list[Run]) -> list[Any]:
    """What no fault and no place may change, bit by bit."""
    return [
        (trial.id, trial.state, dict(trial.config), trial.steps)
        + tuple((report.rung, report.step, dict(report.metrics)) for report in trial.curve)
        for trial in trials
    ]


@pytest.mark.slow
def test_a_sweep_on_a_failing_s3_loses_nothing(
    s3: S3Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    storage = s3.uri("bucket/sweeps")
    far = join(storage, "far")
    s3.fail(*FAULTS)
    first = begin(tmp_path, storage)
    second_checkpoint = (
        "served PUT /bucket/sweeps/far/leases/00001-sample-s0/checkpoint.safetensors"
    )
    deadline = time.monotonic() + 240
    while not s3.asked(second_checkpoint) and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    said = first.communicate()
    assert first.returncode == -signal.SIGKILL, said
    assert "true does not answer and is asked again" in said[0] + said[1], said
    assert s3.asked("expired PUT") and s3.asked("slow_down PUT") and s3.asked("cut PUT")
    before = Store(far).trials()
    assert [trial.number for trial in before] == [0]
    checkpoint = load_checkpoint(join(far, "leases", "00001-sample-s0", "checkpoint.safetensors"))
    assert checkpoint is not None and checkpoint["position"]["done"] > 0

    s3.fail(*FAULTS[5:])
    second = begin(tmp_path, storage)
    out, error = second.communicate(timeout=300)
    assert second.returncode == 0, error
    assert s3.asked("served GET /bucket/sweeps/far/leases/00001-sample-s0/checkpoint.safetensors")
    assert not s3.asked("leases/00000-sample-s0/checkpoint.safetensors")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    (tmp_path / "near").mkdir()
    expected = undisturbed(tmp_path / "near")
    torch.set_num_threads(threads)
    trials = Store(far).trials()
    assert numbers(trials) == numbers(expected)
    assert {path.name for path in (tmp_path / "far").iterdir()} <= {"study.db", "sweep.lock"}

    assert re.search(rf"leaderboard '{re.escape(far)}'", out)
    for command in (["leaderboard", far], ["evaluate", far]):
        assert main(command) == 0
    assert main(["export", f"{far}:best", str(tmp_path / "encoder")]) == 0
    assert (tmp_path / "encoder" / "config.json").is_file()
    assert "training it again" not in capfd.readouterr().err
    assert len(Store(join(far, "test")).trials()) == 1
