"""A driver killed and its study dropped: recovered from the rows, nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from postgres import running_postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CHECKPOINT_INTERVAL = 2
"""Steps between the checkpoints of the runner in `kill_points`."""
STRIDES = {"sqlite": 29, "postgresql": 23}
"""One in so many writes is a kill point; on the server every other one keeps its study."""

Runs = list[dict[str, Any]]


@pytest.fixture(scope="module", params=STRIDES)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    stride = STRIDES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        return run_all(folder, "", stride)
    with running_postgres() as server:
        return run_all(folder, server.url(), stride)


def run_all(folder: Path, url: str, stride: int) -> Runs:
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, str(here / "lost_study.py"), str(folder), url, str(stride)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (here.parents[1], here.parent)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_left_is_what_an_undisturbed_run_leaves(runs: Runs) -> None:
    quiet = {run["kind"]: run for run in runs if "at" not in run}
    assert set(quiet) == {"joint", "per_task"}
    killed = [run for run in runs if "at" in run]
    for run in killed:
        calm = quiet[run["kind"]]
        for name in ("trials", "count", "rows", "points", "files", "steps"):
            assert run[name] == calm[name], (run["kind"], run["at"], run["what"], name)
        assert run["kept"], (run["kind"], run["at"], run["what"])
        assert run["redone"] <= CHECKPOINT_INTERVAL, (run["kind"], run["at"], run["what"])
    lost = [run for run in killed if run["lost"]]
    assert len(lost) >= 5 and any(run["begun"] for run in lost)
