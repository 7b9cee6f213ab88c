"""A lock on a folder for one process at a time, freed when the process ends.

The lock is on a file in the folder, whose name can be removed: a folder that was removed and
created again has another file, and two processes would hold "the" lock. So the holder can check
whether the name still leads to the locked file.

Some network and FUSE file systems refuse ``flock`` (ENOSYS, ENOLCK, EOPNOTSUPP) but support the
locks of ``fcntl``. Of those we use open file description locks, which behave like flock's: they
are freed when the file is closed, not when another descriptor of it is. Where there is neither,
an exclusively created file with a heartbeat takes their place, with a warning.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from raysearch.storage.no_follow import open_no_follow

__all__ = [
    "NO_LOCKS",
    "FolderLock",
    "HeldError",
    "hold_folder",
    "lock_file",
    "sole_file",
    "this_process",
]

_log = logging.getLogger(__name__)

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""Errors of a file system that does not support a kind of lock."""
BEAT_SECONDS, STALE_SECONDS, LOOK_SECONDS = 5.0, 30.0, 1.0
"""Seconds between heartbeats; without one until a holder is dead; between checks. Measured by
the checker's own clock, so that clocks of two machines are never compared."""


def lock_file(file: int) -> bool:
    """Lock an open file until it is closed; False if its file system does not support locks.

    Raises:
        BlockingIOError: Another process has locked it.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return _lock_range(file)
    return True


def _lock_range(file: int) -> bool:
    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:
        return False
    whole = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(file, command, whole)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise BlockingIOError(error.errno, error.strerror) from error
        if error.errno in (*NO_LOCKS, errno.EINVAL):
            return False
        raise
    return True


@contextmanager
def sole_file(path: Path, holder: str) -> Iterator[int]:
    """Create a file that only one process has, with a heartbeat, for the duration of the block.

    A file left by a killed process is removed after `STALE_SECONDS` without a heartbeat. A
    process that was suspended for longer must check whether the name still leads to its file
    before it writes.

    Args:
        path: The file.
        holder: Description of this process for others.

    Raises:
        BlockingIOError: A live process holds it.
        OSError: It cannot be written.
    """
    file = _make(path)
    ended = threading.Event()
    sign = f"{holder} {secrets.token_hex(8)}"
    _show(file, f"{sign} {0:012}")
    thread = threading.Thread(target=_beat, args=(file, sign, ended), daemon=True)
    thread.start()
    try:
        yield file
    finally:
        ended.set()
        thread.join()
        with suppress(OSError):
            if os.path.samestat(os.lstat(path), os.fstat(file)):
                path.unlink()
        os.close(file)


def _beat(file: int, sign: str, ended: threading.Event) -> None:
    count = 0
    while not ended.wait(BEAT_SECONDS):
        count += 1
        with suppress(OSError):  # a server that does not answer: the next heartbeat may reach it
            _show(file, f"{sign} {count:012}")


def _show(file: int, sign: str) -> None:
    """Write a heartbeat through to the server, where other machines see it."""
    os.pwrite(file, sign.encode(), 0)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (*NO_LOCKS, errno.EINVAL):  # no fsync either: written at once
            raise


def _make(path: Path) -> int:
    while True:
        try:
            return open_no_follow(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            _bury(path)


def _bury(path: Path) -> None:
    """Remove a file whose holder is dead.

    Raises:
        BlockingIOError: Its holder lives.
    """
    found = _read(path)
    holder = found.decode(errors="replace").rsplit(" ", 2)[0][:100]
    text = "%s is of %s: looking for %.0f s whether that one lives"
    _log.warning(text, path, holder or "another process", STALE_SECONDS)
    deadline = time.monotonic() + STALE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        if not path.exists():
            return
        if _read(path) != found:
            raise BlockingIOError(errno.EAGAIN, "its holder lives")
    grave = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with suppress(FileNotFoundError):  # another process has removed it
        path.rename(grave)
        alive = _read(grave) != found  # recreated by a process that removed it a moment ago
        if alive:
            with suppress(FileExistsError):
                os.link(grave, path)
        grave.unlink()
        if alive:
            raise BlockingIOError(errno.EAGAIN, "its holder lives")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


_log = logging.getLogger(__name__)
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


class HeldError(Exception):
    """Another process holds the folder; the message names it if it can."""


class FolderLock:
    """A folder while this process holds it.

    Args:
        path: The file that only this process has.
        file: Its descriptor.
    """

    def __init__(self, path: Path, file: int) -> None:
        self._path, self._held = path, _identity(os.fstat(file))
        # Kept open, since the inode number of a removed folder may be reused.
        self._above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._folder = _identity(os.fstat(self._above))

    def holds(self) -> bool:
        """Whether the names still lead to the folder and the file that are held."""
        try:
            folder, file = os.stat(self._path.parent), os.lstat(self._path)
        except OSError as error:
            # A server that does not answer proves nothing; the next write checks again.
            return error.errno not in _GONE
        return _identity(folder) == self._folder and _identity(file) == self._held

    def close(self) -> None:
        """Release the folder."""
        os.close(self._above)


@contextmanager
def hold_folder(folder: Path, name: str) -> Iterator[FolderLock]:
    """Hold a folder inside the block, by the lock of this name; creates the folder.

    Raises:
        HeldError: Another process holds it.
        StoreError: The lock's file is a symlink.
        OSError: The folder cannot be written.
    """
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    file = open_no_follow(path, os.O_RDWR | os.O_CREAT)
    with ExitStack() as stack:
        stack.callback(os.close, file)
        sole, own = path, file
        try:
            if not lock_file(file):
                sole = path.with_name(f"{name}.held")
                own = stack.enter_context(sole_file(sole, this_process()))
                _log.warning("%s", _unlocked(folder))
        except BlockingIOError as error:
            holder = os.pread(file, 200, 0).decode(errors="replace").strip()
            raise HeldError(holder or "another process") from error
        lock = FolderLock(sole, own)
        stack.callback(lock.close)
        os.ftruncate(file, 0)
        os.pwrite(file, this_process().encode(), 0)
        yield lock


def _unlocked(folder: Path) -> str:
    return (
        f"the file system of {folder} knows no locks: a file with a sign of life keeps other "
        "processes away, and what this one leaves if it is killed keeps them away for half a minute"
    )


def this_process() -> str:
    """Description of this process for others."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino
