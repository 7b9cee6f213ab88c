"""Does a command go on, and end with its own code, when nobody reads what it writes?"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from raysearch.render.output import lasting_output, leave


def test_what_is_written_goes_nowhere_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = io.StringIO()
    monkeypatch.setattr(sys, "stderr", heard)
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", encoding="utf-8") as unread:  # closing raises if some is undelivered
        monkeypatch.setattr(sys, "stdout", unread)
        with lasting_output(), lasting_output("nobody reads"):
            for _ in range(3):
                Console().print("a line")
                sys.stdout.flush()
    assert heard.getvalue() == "raysearch: nobody reads\n"


def test_a_disk_that_is_full_is_still_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with lasting_output(), pytest.raises(OSError, match="No space"):
            sys.stdout.write("a line")
            sys.stdout.flush()
        leave(full)


def shell(words: str, end: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours in a shell; the code is that of the command, not of its reader."""
    script = f"{sys.executable} -m raysearch {words} {end}; exit ${{PIPESTATUS[0]}}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", ["--help", "sweep --help", "--version", "experiment"])
def test_a_full_disk_is_said_also_of_the_help(words: str) -> None:
    ended = shell(words, ">/dev/full")
    assert ended.returncode == 2
    assert ended.stderr.startswith("raysearch: the output must be written, but the disk is full")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", ["--help", "experiment"])
@pytest.mark.parametrize("end", ["| (exec <&-)", "2>&1 | (exec <&-)", ">&-"])
def test_commands_end_well_without_a_reader(words: str, end: str) -> None:
    done = shell(words, end)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_mistake_is_a_mistake_without_a_reader(tmp_path: Path) -> None:
    assert shell(f"leaderboard {tmp_path}", "2>&1 | (exec <&-)").returncode == 2
