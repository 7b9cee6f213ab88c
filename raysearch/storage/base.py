"""The operations of a store of files, wherever the files are.

A folder and an object store offer the same few operations and the same two guarantees: a file is
there whole or not at all, and every process sees a write at its next read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

__all__ = ["Bytes", "Storage", "StoredFile"]

Bytes = bytes | memoryview


@dataclass(frozen=True)
class StoredFile:
    """A file of a store.

    Attributes:
        name: Relative to the store's root.
        size: Bytes.
        used: When it was last written or touched, in seconds of the store's own clock.
    """

    name: str
    size: int
    used: float


class Storage(Protocol):
    """A flat namespace of files; a name may have one folder before it.

    Every operation may raise OSError.
    """

    uri: str
    """The root for display, without credentials."""

    def make(self) -> None:
        """Create the root if it is missing, and remove leftovers of killed writers.

        A folder that is removed after that is not created again: writes raise FileNotFoundError.
        """
        ...

    def open(self, name: str) -> BinaryIO:
        """The file, opened for reading; FileNotFoundError when there is none."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def write(self, name: str, parts: Sequence[Bytes], *, lasting: bool = True) -> None:
        """Write a file whole, replacing any; `lasting` waits until it survives a power cut."""
        ...

    def fill(self, name: str, writer: Callable[[BinaryIO], object]) -> None:
        """Write a file whole by `writer`; it lasts, and a disk streams it."""
        ...

    def touch(self, name: str) -> None:
        """Mark a file as used now."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        ...

    def files(self, folder: str = "") -> list[StoredFile]:
        """The files directly in the folder; empty when there is no such folder."""
        ...

    def tree(self) -> list[StoredFile]:
        """Every file below the root that takes space, including partial and hidden ones."""
        ...

    def remove_folder(self, name: str) -> None:
        """Remove the files directly in a folder, and the folder if nothing else is in it."""
        ...

    def free_bytes(self) -> int | None:
        """Bytes that can still be written; None when unbounded."""
        ...
