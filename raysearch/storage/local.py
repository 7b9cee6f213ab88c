"""Where do files lie in a folder of this machine or of a shared file system?"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from raysearch.storage.base import Bytes, StoredFile

__all__ = ["LEFTOVER_SECONDS", "LocalStorage"]

LEFTOVER_SECONDS = 3600.0
"""Age from which a temporary file counts as left behind by a writer that was killed."""


class LocalStorage:
    """Files in a folder of this machine or of a shared file system.

    A file is written under a temporary name and renamed. Temporary files of writers that were
    killed are removed by `make` when they are older than `LEFTOVER_SECONDS`.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.place = str(root)

    def make(self) -> None:
        """See `Storage.make`."""
        self._root.mkdir(parents=True, exist_ok=True)
        for folder in (self._root, *(path for path in self._root.iterdir() if path.is_dir())):
            _remove_leftovers(folder)

    def open(self, name: str) -> BinaryIO:
        """See `Storage.open`."""
        return (self._root / name).open("rb")

    def exists(self, name: str) -> bool:
        """See `Storage.exists`."""
        return (self._root / name).exists()

    def write(self, name: str, parts: Sequence[Bytes], *, lasting: bool = True) -> None:
        """See `Storage.write`; nothing is left behind when the disk is full."""

        def write(file: BinaryIO) -> None:
            for part in parts:
                file.write(part)

        self._put(name, write, lasting=lasting)

    def fill(self, name: str, writer: Callable[[BinaryIO], object]) -> None:
        """See `Storage.fill`; nothing is left behind when the disk is full."""
        self._put(name, writer, lasting=True)

    def _put(self, name: str, writer: Callable[[BinaryIO], object], *, lasting: bool) -> None:
        path = self._root / name
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                writer(file)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if lasting:
            _keep_names(path.parent)

    def touch(self, name: str) -> None:
        """See `Storage.touch`."""
        os.utime(self._root / name)

    def remove(self, name: str) -> None:
        """See `Storage.remove`."""
        (self._root / name).unlink(missing_ok=True)

    def files(self, folder: str = "") -> list[StoredFile]:
        """See `Storage.files`."""
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

    def tree(self) -> list[StoredFile]:
        """See `Storage.tree`."""
        found = []
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = Path(folder, name)
                try:
                    about = path.stat()
                except FileNotFoundError:
                    continue  # removed by another process since the folder was read
                relative = path.relative_to(self._root).as_posix()
                found.append(StoredFile(relative, about.st_size, about.st_mtime))
        return found

    def remove_folder(self, name: str) -> None:
        """See `Storage.remove_folder`."""
        try:
            shutil.rmtree(self._root / name)
        except FileNotFoundError:
            return  # not there, or another process that removes it was faster

    def free_bytes(self) -> int | None:
        """See `Storage.free_bytes`."""
        return shutil.disk_usage(self._root).free


def _remove_leftovers(folder: Path) -> None:
    found = list(folder.glob(".*.tmp"))
    now = _time_of(folder) if found else 0.0
    for path in found:
        try:
            if now - path.stat().st_mtime > LEFTOVER_SECONDS:
                path.unlink()
        except FileNotFoundError:
            continue  # its writer, or another process that tidies up, was faster


def _time_of(folder: Path) -> float:
    """The time by the clock that dates the folder's files; this host's clock may be wrong."""
    probe = folder / f".now.{secrets.token_hex(4)}.tmp"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


def _keep_names(folder: Path) -> None:
    """Let the names in a folder survive a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
