"""The folder of a running sweep is removed, and another sweep of its name begins there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raysearch.cli import main
from raysearch.leaderboard import Store
from raysearch.run import RunState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

SPACE = """\
method: carl
objective: {metric: dev/va_pearson, direction: maximize}
budget: {trials: TRIALS, seeds: 1}
sampler: random
pruner: none
setting: {encoder: tiny, layers: 0, corpora: [sample], epochs: 2, reports: 2, batch_size: 16}
search:
  learning_rate: {low: 2e-5, high: 1e-3, log: true}
  top_k: {low: 0.05, high: 0.4}
"""


def begin(results: Path, *, trials: int) -> subprocess.Popen[str]:
    space = results.parent / f"{trials}.yaml"
    space.write_text(SPACE.replace("TRIALS", str(trials)))
    words = ["--space", str(space), "--slots", "1", "--results", str(results), "--name", "mine"]
    return subprocess.Popen(
        [sys.executable, "-m", "raysearch", "sweep", "carl", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_the_old_driver_ends_with_a_sentence_and_the_new_sweep_is_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    old = begin(results, trials=40)
    try:
        deadline = time.monotonic() + 200
        while not list(results.glob("mine/trials/part-*")):
            assert old.poll() is None and time.monotonic() < deadline, old.communicate()
            time.sleep(0.05)
        (results / "mine").rename(tmp_path / "gone")  # in one step, as no writer may come between
        shutil.rmtree(tmp_path / "gone")
        new = begin(results, trials=3)
        try:
            said, errors = old.communicate(timeout=100)
            assert old.returncode == 2, (said, errors)
            assert "was removed or replaced: nothing more is written there" in errors
            assert "Traceback" not in errors and "raysearch leaderboard" not in said
            said, errors = new.communicate(timeout=300)
        finally:
            new.kill()
    finally:
        old.kill()
    assert new.returncode == 0, (said, errors)
    rows = Store(results / "mine").trials()
    assert [(row.number, row.state) for row in rows] == [(n, RunState.COMPLETE) for n in range(3)]
    assert main(["verify", str(results / "mine"), "--sample", "0%"]) == 0, capsys.readouterr()
