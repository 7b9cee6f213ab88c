"""How is a sweep kept to one driver: a lock on a file in its folder, gone with the process."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raysearch.errors import StoreError

__all__ = ["sweep_lock"]


@contextmanager
def sweep_lock(folder: Path) -> Iterator[None]:
    """Hold the sweep inside the block; makes its folder.

    Raises:
        StoreError: Another driver holds it, or the folder cannot be written.
    """
    path = folder / "sweep.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise StoreError(
            f"the sweep's folder must be writable, but {folder} is not: {error.strerror}"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise StoreError(
                f"a sweep must have one driver, but {file.read().strip() or 'another process'} "
                f"runs the one in {folder}; wait for it, or give this sweep another `--name`"
            ) from error
        try:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
        except OSError as error:
            raise StoreError(
                f"the sweep's lock must be written, but {path} cannot be: {error.strerror}"
            ) from error
        yield
