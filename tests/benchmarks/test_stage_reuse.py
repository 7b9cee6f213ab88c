"""The benchmark of shared stages runs, and counts what a hand counts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "stage_reuse.py"


@pytest.mark.slow
def test_four_trials_that_differ_in_distillation_only(tmp_path: Path) -> None:
    written = tmp_path / "found.json"
    options = ["--encoder=tiny", "--layers=0", "--trials=4", "--scale=0.02", f"--json={written}"]
    answer = subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=True
    )
    found = json.loads(written.read_text())
    # 2 steps of alignment, 8 with labels, 4 of the student's start, 4 of distillation
    assert [row["steps"] for row in found["rows"]] == [4 * 18, 2 + 8 + 4 + 4 * 4]
    assert [row["entries"] for row in found["rows"]] == [0, 4]
    assert found["same"] == 4
    assert "4 of 4 trials the same in every bit" in answer.stdout
