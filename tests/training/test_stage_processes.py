"""Several processes and one stage: one computes, the killed are replaced, the patient wait."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("stage_worker.py")


def worker(
    root: str, log: Path, *, seconds: float = 0, stale: float = 5, retry: float = 60
) -> subprocess.Popen[str]:
    arguments = [root, "key", str(log), str(seconds), str(stale), str(retry)]
    command = [sys.executable, str(WORKER), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def until_computing(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "computing\n"


def last_word(process: subprocess.Popen[str]) -> str:
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    return text.splitlines()[-1]


@pytest.mark.slow
def test_three_ask_and_one_computes(root: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [worker(root, log, seconds=0.5) for _ in range(3)]
    assert sorted(last_word(process) for process in processes) == ["computed", "took 7", "took 7"]
    assert log.read_text() == "computed\n"


@pytest.mark.slow
@pytest.mark.parametrize("root", ["folder", "s3"], indirect=True)
def test_a_killed_holder_is_taken_over(root: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = worker(root, log, seconds=600)
    until_computing(first)
    second = worker(root, log, stale=1.5)
    time.sleep(0.1)
    first.kill()
    first.communicate()
    assert last_word(second) == "computed"
    assert log.read_text() == "computed\n" * 2
    assert last_word(worker(root, log)) == "took 7"


def test_who_waits_too_long_does_other_work(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = worker(str(tmp_path / "stages"), log, seconds=600)
    until_computing(first)
    assert last_word(worker(str(tmp_path / "stages"), log, retry=0.3)) == "abandoned"
    first.kill()
    first.communicate()
    assert log.read_text() == "computed\n"
