"""Files in a folder of this machine or of a shared file system."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from raysearch.storage.base import Bytes, StoredFile
from raysearch.storage.whole import is_leftover, temporary_beside, whole_file

__all__ = ["LEFTOVER_SECONDS", "LocalStorage"]

LEFTOVER_SECONDS = 3600.0
"""Age, in seconds, from which a temporary file counts as a leftover of a killed writer."""


class LocalStorage:
    """Files in a folder of this machine or of a shared file system.

    A file is written under a temporary name and renamed (`raysearch.storage.whole`). `make` removes
    temporary files of killed writers when they are older than `LEFTOVER_SECONDS`; anything else
    in the folder is left alone. Once made, the folder is not made again: if it is removed while a
    sweep runs, the next write fails, and cannot leave a file for another sweep of that name.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._made = root, False
        self.uri = str(root)

    def make(self) -> None:
        """See `Storage.make`."""
        self._root.mkdir(parents=True, exist_ok=True)
        for folder in (self._root, *(path for path in self._root.iterdir() if path.is_dir())):
            _remove_leftovers(folder)
        self._made = True

    def open(self, name: str) -> BinaryIO:
        """See `Storage.open`; refuses anything but a regular file, such as a pipe or a device."""
        path = self._root / name
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return os.fdopen(opened, "rb")

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
        if not self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif path.parent != self._root:
            path.parent.mkdir(exist_ok=True)  # fails where the root is gone
        with whole_file(path, lasting=lasting) as file:
            writer(file)

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
                        continue  # removed by another process since the folder was listed
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
                    continue  # removed by another process since the folder was listed
                relative = path.relative_to(self._root).as_posix()
                found.append(StoredFile(relative, about.st_size, about.st_mtime))
        return found

    def remove_folder(self, name: str) -> None:
        """See `Storage.remove_folder`."""
        folder = self._root / name
        if folder.is_symlink():
            raise NotADirectoryError(
                errno.ENOTDIR, "a link to a folder is not removed", str(folder)
            )
        try:
            with os.scandir(folder) as entries:
                files = [entry.path for entry in entries if not entry.is_dir(follow_symlinks=False)]
            for file in files:
                Path(file).unlink(missing_ok=True)
            folder.rmdir()
        except FileNotFoundError:
            return  # missing, or another process removed it first
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # a subfolder, which no writer of ours made
                raise

    def free_bytes(self) -> int | None:
        """See `Storage.free_bytes`."""
        return shutil.disk_usage(self._root).free


def _remove_leftovers(folder: Path) -> None:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if is_leftover(entry)]
    now = _time_of(folder) if found else 0.0
    for entry in found:
        try:
            if now - entry.stat(follow_symlinks=False).st_mtime > LEFTOVER_SECONDS:
                Path(entry.path).unlink()
        except FileNotFoundError:
            continue  # its writer, or another cleanup, was faster


def _time_of(folder: Path) -> float:
    """The current time by the clock that dates the folder's files; this host's may be wrong."""
    probe = temporary_beside(folder / "clock")
    probe.touch(exist_ok=False)
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()
