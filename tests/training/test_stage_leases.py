"""Real trials in processes of their own that share stages as they run, against cold ones."""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from raysearch.config import read_config
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.run import Cell, Run, RunSpec, RunState

WORKER = Path(__file__).with_name("lease_worker.py")
SMALL = {
    "encoder": "tiny",
    "batch_size": 4,
    "align_steps": 3,
    "steps": 6,
    "student_steps": 4,
    "distill_steps": 5,
    "distillation": "single",
    "reports": 2,
    "guards": "report",
}
TEMPERATURES = (1.0, 2.0)


def spec(folder: Path, number: int) -> str:
    raw = {**SMALL, "distill_temperature": TEMPERATURES[number]}
    return RunSpec(
        sweep="s",
        number=number,
        cell=Cell("en-es", 1),
        method="msmo",
        config=asdict(read_config(MsmoConfig, raw, where="test")),
        folder=str(folder / "trials" / str(number)),
    ).to_json()


def start(folder: Path, *numbers: int, limit: int) -> subprocess.Popen[str]:
    specs = [spec(folder, number) for number in numbers]
    command = [sys.executable, str(WORKER), str(folder / "stages"), str(limit), *specs]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> list[Run]:
    text = process.communicate(timeout=500)[0]
    assert process.returncode == 0
    return [Run.from_json(line) for line in text.splitlines()]


def numbers(trial: Run) -> list[Any]:
    assert trial.state is RunState.COMPLETE, trial.reason
    return [(report.rung, report.step, dict(report.metrics)) for report in trial.curve]


@pytest.mark.slow
def test_trials_that_run_at_once_share_their_stages_and_change_no_bit(tmp_path: Path) -> None:
    cold = finish(start(tmp_path / "cold", 0, 1, limit=0))
    at_once = [start(tmp_path / "shared", number, limit=10**9) for number in (0, 1)]
    shared = [trial for process in at_once for trial in finish(process)]
    assert [numbers(trial) for trial in shared] == [numbers(trial) for trial in cold]
    assert [trial.steps for trial in cold + shared] == [3 + 6 + 4 + 5] * 4
    assert [trial.provenance["steps_reused"] for trial in cold] == ["0", "0"]
    # Alignment, teacher and the student's start are each computed by one of the two.
    reused = [int(trial.provenance["steps_reused"]) for trial in shared]
    assert sum(reused) == 3 + 6 + 4
