"""Sessions of a sweep's jobs: each read from its start, in order, until no job is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from slurm_queue import SlurmQueue

from raysearch.cluster.slurm import session
from raysearch.cluster.slurm.session import Session, follow, latest, open_session, sessions
from raysearch.errors import RaysearchError


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SlurmQueue:
    monkeypatch.setattr(session, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(session, "LOOK_SECONDS", 0.01)
    (tmp_path / "carl" / "slurm").mkdir(parents=True)
    return SlurmQueue(monkeypatch)


def write(folder: Path, job: str, text: str, code: int | None) -> None:
    with open_session(folder, job) as (made, file):
        file.write(text.encode())
    if code is not None:
        made.ended(code)


def test_sessions_are_numbered_and_have_their_job_and_code(
    played: SlurmQueue, tmp_path: Path
) -> None:
    folder = tmp_path / "carl"
    write(folder, "7", "", 130)
    write(folder, "12", "", None)
    found = sessions(folder)
    assert [item.events.name for item in found] == ["0001-7.jsonl", "0002-12.jsonl"]
    assert [(item.job, item.code) for item in found] == [("7", 130), ("12", None)]


def test_all_sessions_that_begin_meanwhile_are_followed(played: SlurmQueue, tmp_path: Path) -> None:
    folder, found, told = tmp_path / "carl", [], []
    write(folder, "6", "of another job\n", 0)
    write(folder, "7", "before\n", 130)
    write(folder, "7", "one\nti", None)
    played.add("7", folder)

    def take(of: Session, line: str) -> None:
        found.append((of.events.name[:4], line))
        if line == "one":
            with sessions(folder)[-1].events.open("a") as file:
                file.write("mes\n")
        elif line == "times":
            played.lines.clear()
            played.add("7", folder, state="PENDING")
            write(folder, "7", "three\n", 0)
        elif line == "three":
            played.lines.clear()

    assert follow(folder, "7", take, told.append) == 0
    assert found == [("0003", "one"), ("0003", "times"), ("0004", "three")]
    assert told == ["7 waits in Slurm's queue: Resources"]


def test_a_session_that_was_killed_has_no_code(played: SlurmQueue, tmp_path: Path) -> None:
    write(tmp_path / "carl", "7", "one\n", None)
    assert follow(tmp_path / "carl", "7", lambda of, line: None, lambda text: None) is None


def test_the_latest_is_in_the_queue_else_in_the_results(played: SlurmQueue, tmp_path: Path) -> None:
    with pytest.raises(RaysearchError, match="or have left its output in"):
        latest(tmp_path)
    folder = tmp_path / "carl"
    for number, job in enumerate(("7", "5")):
        write(folder, job, "", 0)
        os.utime(sessions(folder)[-1].events, (number, number))
    assert latest(tmp_path) == ("5", folder)
    assert latest(tmp_path, "7") == ("7", folder)
    played.add("3", Path("/elsewhere/msmo"))
    assert latest(tmp_path) == ("3", Path("/elsewhere/msmo"))
    with pytest.raises(RaysearchError, match="but job 8 is not there"):
        latest(tmp_path, "8")
