"""Where do a sweep's files lie (checkpoints, stages, rows): a folder, or an object store."""

from __future__ import annotations

from pathlib import Path

from raysearch.storage.base import Bytes, Storage, StoredFile
from raysearch.storage.local import LocalStorage
from raysearch.storage.place import is_uri

__all__ = ["Bytes", "Storage", "StoredFile", "open_storage"]


def open_storage(root: str | Path, *, make: bool = True) -> Storage:
    """The store at a folder, a ``file://`` URI, or any other URI that ``pyarrow.fs`` knows.

    Args:
        root: The place.
        make: Whether it is made if it is not there; a reader makes nothing.

    Raises:
        StoreError: There is no such kind of place, or it cannot be made or listed.
    """
    if not is_uri(root):
        return LocalStorage(Path(root), make=make)
    from raysearch.storage.objects import open_uri

    return open_uri(str(root), make=make)
