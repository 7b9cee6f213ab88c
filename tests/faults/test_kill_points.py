"""A driver killed at any of its writes: nothing lost, nothing twice, one interval redone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(1800)

CHECKPOINT_INTERVAL = 2
"""Steps between the checkpoints of the runner in `kill_points`."""


Runs = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def every_run(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, str(here / "kill_points.py"), str(tmp_path_factory.mktemp("sweeps"))],
        env={**os.environ, "PYTHONPATH": f"{here.parents[1]}{os.pathsep}{here.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found: Runs = {}
    for line in done.stdout.splitlines():
        run = json.loads(line)
        found.setdefault(run["kind"], []).append(run)
    return found


@pytest.fixture(params=["joint", "per_task"])
def runs(every_run: Runs, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return every_run[request.param]


def test_every_write_point_was_tried(runs: list[dict[str, Any]]) -> None:
    quiet, *killed = runs
    assert [run["at"] for run in killed] == list(range(1, quiet["writes"] + 1))
    kinds = {run["what"].split()[0] for run in killed}
    assert kinds == {"commit", "open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}
    assert sum(run["what"] == "commit" for run in killed) > 20


def test_what_is_left_is_what_an_undisturbed_run_leaves(runs: list[dict[str, Any]]) -> None:
    quiet, *killed = runs
    assert quiet["count"] == len(quiet["rows"]) > 3
    for run in killed:
        for name in ("trials", "count", "rows", "points", "files", "steps"):
            assert run[name] == quiet[name], (run["at"], run["what"], name)


def test_at_most_one_checkpoint_interval_is_redone(runs: list[dict[str, Any]]) -> None:
    quiet, *killed = runs
    assert quiet["redone"] == 0
    for run in killed:
        assert run["redone"] <= CHECKPOINT_INTERVAL, (run["at"], run["what"])
