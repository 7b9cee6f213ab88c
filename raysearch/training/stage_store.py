"""Where do the bytes of the stage cache lie: a folder, or an object store behind a URI.

Both show the same few operations and the same two promises: a file is there whole or not at
all, and what was written is seen by the next look of every process.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from raysearch.errors import StoreError

__all__ = ["LEFTOVER_SECONDS", "Bytes", "LocalStore", "Store", "StoredFile", "open_store"]

Bytes = bytes | memoryview

LEFTOVER_SECONDS = 3600.0
"""Age from which a temporary file counts as left behind by a writer that was killed."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a store.

    Attributes:
        name: Relative to the store's root.
        size: Bytes.
        used: When it was last written or touched, by the store's own clock, in seconds.
    """

    name: str
    size: int
    used: float


class Store(Protocol):
    """A flat place of named files; a name may have one folder before it.

    Every operation may raise OSError.
    """

    place: str
    """The root as the user may see it, without credentials."""

    def open(self, name: str) -> BinaryIO:
        """The file, to be read; FileNotFoundError when there is none."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def write(self, name: str, parts: Sequence[Bytes], *, lasting: bool = True) -> None:
        """Put a file whole, over an earlier one; `lasting` waits until it survives a power cut."""
        ...

    def touch(self, name: str) -> None:
        """Mark a file as used now."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        ...

    def files(self, folder: str = "") -> list[StoredFile]:
        """The files right in the folder; none when there is no such folder."""
        ...

    def free_bytes(self) -> int | None:
        """Bytes that may still be written; None when nothing bounds them."""
        ...


def open_store(root: str | Path) -> Store:
    """The store at a folder, a ``file://`` URI, or any other URI that ``pyarrow.fs`` knows.

    Raises:
        StoreError: There is no such kind of place, or it cannot be made or listed.
    """
    text = str(root)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is None:
        return LocalStore(Path(root))
    from raysearch.training.stage_objects import open_uri

    return open_uri(text)


class LocalStore:
    """Files in a folder of this machine or of a shared file system.

    A file is written under a temporary name and renamed. Temporary files of writers that were
    killed are removed when the store is opened and they are older than `LEFTOVER_SECONDS`.

    Args:
        root: The folder; made if it is not there.

    Raises:
        StoreError: The folder cannot be made or listed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.place = str(root)
        try:
            root.mkdir(parents=True, exist_ok=True)
            for folder in (root, *(path for path in root.iterdir() if path.is_dir())):
                _remove_leftovers(folder)
        except OSError as error:
            raise StoreError(
                f"the stage cache must be a folder that can be written, but {root} is not: {error}"
            ) from error

    def open(self, name: str) -> BinaryIO:
        """See `Store.open`."""
        return (self._root / name).open("rb")

    def exists(self, name: str) -> bool:
        """See `Store.exists`."""
        return (self._root / name).exists()

    def write(self, name: str, parts: Sequence[Bytes], *, lasting: bool = True) -> None:
        """See `Store.write`; nothing is left behind when the disk is full."""
        path = self._root / name
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                for part in parts:
                    file.write(part)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def touch(self, name: str) -> None:
        """See `Store.touch`."""
        os.utime(self._root / name)

    def remove(self, name: str) -> None:
        """See `Store.remove`."""
        (self._root / name).unlink(missing_ok=True)

    def files(self, folder: str = "") -> list[StoredFile]:
        """See `Store.files`."""
        found = []
        try:
            with os.scandir(self._root / folder) as entries:
                for entry in entries:
                    try:
                        about = entry.stat()
                    except FileNotFoundError:
                        continue  # removed by another process since the folder was read
                    if entry.is_file() and not entry.name.startswith("."):
                        name = f"{folder}/{entry.name}" if folder else entry.name
                        found.append(StoredFile(name, about.st_size, about.st_mtime))
        except FileNotFoundError:
            return []
        return found

    def free_bytes(self) -> int | None:
        """See `Store.free_bytes`."""
        return shutil.disk_usage(self._root).free


def _remove_leftovers(folder: Path) -> None:
    for path in folder.glob(".*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                path.unlink()
        except FileNotFoundError:
            continue  # its writer, or another process that tidies up, was faster
