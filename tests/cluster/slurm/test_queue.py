"""The commands of Slurm that are called, and what is read from their answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from slurm_queue import SlurmQueue

from raysearch.cluster.slurm import queue
from raysearch.errors import RaysearchError

FOLDER = Path("/home/me/my results/a|b")


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> SlurmQueue:
    return SlurmQueue(monkeypatch)


def test_the_latest_job_comes_first_and_others_are_left_out(played: SlurmQueue) -> None:
    played.add("9", Path("results/carl"))
    played.lines.append("11|11|RUNNING|None|(null)")
    played.add("10", FOLDER, state="PENDING", command="digest")
    latest, other = queue.queued()
    assert (latest.id, latest.command, latest.folder) == ("10", "digest", FOLDER)
    assert latest.waits and latest.reason == "Resources"
    assert (other.id, other.waits) == ("9", False)


def test_what_waits_is_taken_out_and_what_runs_is_asked(played: SlurmQueue) -> None:
    played.add("1", FOLDER)
    played.add("2", FOLDER, state="PENDING")
    assert queue.stop_jobs() == ("2", True)
    assert queue.stop_jobs("1") == ("1", True)
    assert played.asked == [("scancel", "2"), ("scancel", "--batch", "--signal=USR2", "1")]
    assert queue.stop_jobs("1") == ("1", False)
    with pytest.raises(RaysearchError, match="must be in Slurm's queue to be stopped"):
        queue.stop_jobs()


def test_a_machine_without_slurm_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RaysearchError, match="`squeue` must be found here, but is not; run this"):
        queue.queued()


def test_what_slurm_refuses_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 'invalid partition' >&2\nexit 1\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RaysearchError, match="must succeed, but said: invalid partition"):
        queue.submit(Path("job.sh"))
