"""How is a folder held by one process at a time: a lock on a file in it, gone with the process.

A lock is on a file, and a file has a name only as long as nobody removes it: in a folder that
was removed and made anew there is another lock, and two processes would hold "the" lock. So
whoever holds it can ask whether the name still leads to the file that is locked.

A file system that knows no locks at all (`raysearch.storage.file_lock`) gets a second file, with
a sign of life, and a warning.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from raysearch.storage.file_lock import lock_file, sole_file
from raysearch.storage.no_follow import open_no_follow

__all__ = ["FolderLock", "HeldError", "hold_folder", "this_process"]


_log = logging.getLogger(__name__)
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


class HeldError(Exception):
    """Another process holds the folder; the text says which, or "another process"."""


class FolderLock:
    """A folder, as long as this process holds it.

    Args:
        path: The file that only this process has.
        file: Its descriptor.
    """

    def __init__(self, path: Path, file: int) -> None:
        self._path, self._held = path, _identity(os.fstat(file))
        # Kept open: the number of a removed folder may be given to the next one else.
        self._above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._folder = _identity(os.fstat(self._above))

    def holds(self) -> bool:
        """Whether the names still lead to the folder and the file that are held."""
        try:
            folder, file = os.stat(self._path.parent), os.lstat(self._path)
        except OSError as error:
            # A server that does not answer tells nothing; what is written next is asked again.
            return error.errno not in _GONE
        return _identity(folder) == self._folder and _identity(file) == self._held

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._above)


@contextmanager
def hold_folder(folder: Path, name: str) -> Iterator[FolderLock]:
    """Hold a folder inside the block, by the lock of this name; makes the folder.

    Raises:
        HeldError: Another process holds it.
        StoreError: The lock's file is a link.
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
    """This process, as another one is told of it."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino
