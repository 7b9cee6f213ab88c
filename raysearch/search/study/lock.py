"""Restricts a sweep to one driver: a lock in its folder, checked before each write.

If the folder of a running sweep is removed and created again by another driver, the lock is a
different file, and the first driver stops at its next write. If the rows lie elsewhere
(``--storage``), a mark in the root names the latest driver; an earlier one stops likewise.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from raysearch.errors import StoreError
from raysearch.json_text import read_json
from raysearch.storage import RETRY_LONG, open_storage
from raysearch.storage.locks import FolderLock, HeldError, hold_folder, this_process

__all__ = ["Guard", "RootMark", "SweepLock", "sweep_lock", "unguarded"]

Guard = Callable[[], None]
"""Called before each write; raises StoreError when this driver no longer owns the sweep."""

_FILE = "sweep.lock"
_MARK = "driver.json"


def unguarded() -> None:
    """The guard of a sweep that nobody else can take: never raises."""


class SweepLock:
    """A sweep's folder while this process holds it.

    Args:
        folder: The folder.
        held: Its lock.
    """

    def __init__(self, folder: Path, held: FolderLock) -> None:
        self._folder, self._held = folder, held

    def check(self) -> None:
        """Check the lock before a write; two system calls.

        Raises:
            StoreError: The folder or the lock was removed or replaced meanwhile.
        """
        if not self._held.holds():
            raise StoreError(
                f"the sweep's folder must stay where it is while it runs, but {self._folder} (or "
                f"{_FILE} in it) was removed or replaced: nothing more is written there, and this "
                "run ends; what is there now is another sweep's, or none's"
            )


@contextmanager
def sweep_lock(folder: Path) -> Iterator[SweepLock]:
    """Hold the sweep's lock in a ``with`` block; creates its folder.

    Raises:
        StoreError: Another driver holds it, the folder cannot be written, or its lock is a symlink.
    """
    with ExitStack() as stack:
        try:
            held = stack.enter_context(hold_folder(folder, _FILE))
        except HeldError as error:
            raise StoreError(
                f"a sweep must have one driver, but {error} runs the one in {folder}; wait for "
                "it, or give this sweep another `--name`"
            ) from error
        except OSError as error:
            raise StoreError(
                f"the sweep's folder must be writable, but {folder} is not: {error.strerror}"
            ) from error
        lock = SweepLock(folder, held)
        lock.check()  # the file may have been removed between opening and locking
        yield lock


class RootMark:
    """The mark of the current driver, for a root apart from the sweep's folder.

    Args:
        root: Folder or URI of the rows.

    Raises:
        StoreError: It cannot be written; `check` may raise it too.
    """

    def __init__(self, root: str) -> None:
        self._storage = open_storage(root, retry=RETRY_LONG)
        self._own = json.dumps({"driver": this_process(), "token": secrets.token_hex(8)}).encode()
        try:
            self._storage.write(_MARK, [self._own])
        except OSError as error:
            raise StoreError(
                f"`--storage` must be a place that can be written, but {self._storage.uri} "
                f"cannot: {error.strerror or error}"
            ) from error

    def check(self) -> None:
        """Check the mark before a write; reads a small file.

        Raises:
            StoreError: The root was removed, or another driver has taken it.
        """
        try:
            with self._storage.open(_MARK) as file:
                found = file.read()
        except FileNotFoundError:
            found = b""
        except OSError as error:
            raise StoreError(
                f"`{self._storage.uri}` must be readable, but: {error.strerror or error}"
            ) from error
        if found != self._own:
            raise StoreError(
                f"the sweep's rows must stay where they are while it runs, but "
                f"{self._storage.uri} was removed or is driven by {_named(found)}: nothing more "
                "is written there, and this run ends"
            )


def _named(mark: bytes) -> str:
    """Who left the mark, if it is readable."""
    try:
        return str(read_json(mark)["driver"])[:200]
    except (ValueError, KeyError, TypeError):
        return "another"
