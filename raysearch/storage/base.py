"""The operations that a store of files has, wherever the files lie.

A folder and an object store show the same few operations and the same two promises: a file is
there whole or not at all, and what was written is seen by the next look of every process.
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
        used: When it was last written or touched, by the store's own clock, in seconds.
    """

    name: str
    size: int
    used: float


class Storage(Protocol):
    """A flat place of named files; a name may have one folder before it.

    Every operation may raise OSError.
    """

    uri: str
    """The root as the user may see it, without credentials."""

    def make(self) -> None:
        """Make the place if it is not there, and remove what killed writers left behind."""
        ...

    def open(self, name: str) -> BinaryIO:
        """The file, to be read; FileNotFoundError when there is none."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def write(self, name: str, parts: Sequence[Bytes], *, lasting: bool = True) -> None:
        """Put a file whole, over an earlier one; `lasting` waits until it survives a power cut."""
        ...

    def fill(self, name: str, writer: Callable[[BinaryIO], object]) -> None:
        """Put a file whole, as `writer` writes it; it lasts, and a disk takes it in a stream."""
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

    def tree(self) -> list[StoredFile]:
        """Every file below the root, half-written and hidden ones too: all that takes room."""
        ...

    def remove_folder(self, name: str) -> None:
        """Remove the files right in a folder, and the folder if nothing else is in it."""
        ...

    def free_bytes(self) -> int | None:
        """Bytes that may still be written; None when nothing bounds them."""
        ...
