"""Is a folder one process's also on a file system without flock, or without any lock?"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from raysearch.errors import StoreError
from raysearch.search.study.lock import sweep_lock
from raysearch.storage import locks
from raysearch.storage.locks import HeldError, hold_folder, this_process
from raysearch.storage.whole import new_folder

Numbers = pytest.mark.parametrize("number", locks.NO_LOCKS, ids=errno.errorcode.get)


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life in quick succession; a test waits for a death as long as it must."""
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(locks, "LOOK_SECONDS", 0.02)


def without(monkeypatch: pytest.MonkeyPatch, number: int, *, ranges: bool) -> None:
    """A file system that refuses flock and, if so, locks of ranges."""
    monkeypatch.setattr(fcntl, "flock", refusing(number))
    if ranges:
        monkeypatch.setattr(fcntl, "fcntl", refusing(number))


@Numbers
def test_without_flock_the_lock_is_that_of_the_open_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    without(monkeypatch, number, ranges=False)
    with hold_folder(tmp_path, "a.lock") as held:
        with pytest.raises(HeldError, match=this_process()), hold_folder(tmp_path, "a.lock"):
            pass
        # Another descriptor of the file was closed just now, which ends no lock of an open file.
        code = (
            "import errno, fcntl, sys; from pathlib import Path\n"
            "from raysearch.storage.locks import HeldError, hold_folder\n"
            f"def flock(*_): raise OSError({number}, 'no flock')\n"
            "fcntl.flock = flock\n"
            "try:\n    with hold_folder(Path(sys.argv[1]), 'a.lock'): print('taken')\n"
            "except HeldError as error: print(error)"
        )
        command = [sys.executable, "-c", code, str(tmp_path)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert told.strip() == this_process()
        assert held.holds()
    with hold_folder(tmp_path, "a.lock"):
        assert [path.name for path in tmp_path.iterdir()] == ["a.lock"]


@Numbers
def test_without_any_lock_a_second_driver_is_refused_and_told_of(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    brisk: None,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    without(monkeypatch, number, ranges=True)
    with caplog.at_level(logging.WARNING), sweep_lock(tmp_path) as lock:
        lock.check()
        assert "knows no locks: a file with a sign of life keeps" in caplog.text
        with (
            pytest.raises(StoreError, match=f"must have one driver, but {this_process()} runs"),
            sweep_lock(tmp_path),
        ):
            pass
        lock.check()
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.lock"]


def test_without_any_lock_the_dead_are_buried_and_who_slept_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brisk: None
) -> None:
    without(monkeypatch, errno.ENOSYS, ranges=True)
    monkeypatch.setattr(locks, "STALE_SECONDS", 0.2)
    (tmp_path / "sweep.lock.held").write_text("process 1 on elsewhere 0123 000000000007")
    with sweep_lock(tmp_path) as first:
        first.check()
    monkeypatch.setattr(locks, "BEAT_SECONDS", 600.0)  # as of a process that is stopped
    with sweep_lock(tmp_path) as sleeper, sweep_lock(tmp_path) as awake:
        awake.check()
        with pytest.raises(StoreError, match="was removed or replaced: nothing more is written"):
            sleeper.check()
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.lock"]


def test_a_file_that_is_made_anew_meanwhile_is_not_buried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brisk: None
) -> None:
    monkeypatch.setattr(locks, "STALE_SECONDS", 0.0)
    path = tmp_path / "held"
    path.write_text("a dead one")
    texts = iter([b"a dead one", b"one that lives"])
    monkeypatch.setattr(locks, "_read", lambda path: next(texts))
    inode = path.stat().st_ino
    with pytest.raises(BlockingIOError), locks.sole_file(path, "me"):
        pass
    assert [found.stat().st_ino for found in tmp_path.iterdir()] == [inode]


@Numbers
@pytest.mark.parametrize("ranges", [False, True])
def test_a_folder_is_made_whole_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, ranges: bool
) -> None:
    without(monkeypatch, number, ranges=ranges)
    with new_folder(tmp_path / "made") as content:
        content.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_another_error_is_no_lack_of_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refusing(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), hold_folder(tmp_path, "a.lock"):
        pass


def test_every_sign_of_life_leaves_this_machines_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brisk: None
) -> None:
    """Else a server of files has it half a minute later, when its holder counts as dead."""
    seen: list[bytes] = []
    thrice = threading.Event()

    def fsync(file: int) -> None:
        seen.append(os.pread(file, 200, 0))
        if len(seen) == 3:
            thrice.set()
        raise OSError(errno.EINVAL, "no fsync here")

    monkeypatch.setattr(os, "fsync", fsync)
    with locks.sole_file(tmp_path / "held", "me"):
        assert thrice.wait(60)
    assert [sign[-12:] for sign in seen[:3]] == [b"%012d" % count for count in range(3)]
