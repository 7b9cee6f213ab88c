"""How are the files of the stage cache kept in an object store, such as S3?

An object appears whole when its upload ends, and every later look of anybody sees it: that is
what S3, GCS and Azure promise. Where an upload can be seen half done (HDFS), the header of an
entry tells, and it counts as absent.
"""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pyarrow import fs

from raysearch.errors import StoreError
from raysearch.storage.base import Bytes, Storage, StoredFile
from raysearch.storage.local import LocalStorage

__all__ = ["ObjectStorage", "open_uri"]

_USED = ".used"
"""Suffix of the empty object whose time of writing is the last use of the object beside it."""


def open_uri(uri: str, *, make: bool = True) -> Storage:
    """The store behind a URI that ``pyarrow.fs.FileSystem.from_uri`` knows.

    Credentials are best left to the environment (``AWS_ACCESS_KEY_ID`` and so on); those in the
    URI are not repeated in any message.

    Raises:
        StoreError: The URI has no meaning, or its place cannot be reached or made.
    """
    place = re.sub(r"//[^/@]*@", "//", uri).partition("?")[0]
    try:
        filesystem, root = fs.FileSystem.from_uri(uri)
        if isinstance(filesystem, fs.LocalFileSystem):
            return LocalStorage(Path(root), make=make)
        if make:
            filesystem.create_dir(root, recursive=True)
        return ObjectStorage(filesystem, root, place)
    except (OSError, ValueError, NotImplementedError) as error:
        raise StoreError(
            f"the files' place must be a folder or a URI that pyarrow can open and write, but "
            f"{place} is not: {error}"
        ) from error


class ObjectStorage:
    """Objects under a prefix of a bucket.

    Args:
        filesystem: A ``pyarrow.fs.FileSystem``.
        root: Bucket and prefix.
        place: The root as the user may see it.
    """

    def __init__(self, filesystem: Any, root: str, place: str) -> None:
        self._filesystem, self._root, self.place = filesystem, root, place

    def open(self, name: str) -> BinaryIO:
        """See `Storage.open`; the object is fetched whole, by one pass over the network."""
        with self._filesystem.open_input_stream(self._path(name), compression=None) as stream:
            return io.BytesIO(stream.read())

    def exists(self, name: str) -> bool:
        """See `Storage.exists`."""
        return bool(self._filesystem.get_file_info(self._path(name)).is_file)

    def write(self, name: str, parts: Sequence[Bytes], *, lasting: bool = True) -> None:
        """See `Storage.write`; an object lasts from the moment that it is seen."""
        with self._filesystem.open_output_stream(self._path(name), compression=None) as stream:
            for part in parts:
                stream.write(part)

    def touch(self, name: str) -> None:
        """See `Storage.touch`; objects have no time of use, so an empty one beside it has."""
        self.write(name + _USED, ())

    def remove(self, name: str) -> None:
        """See `Storage.remove`."""
        for path in (self._path(name), self._path(name + _USED)):
            try:
                self._filesystem.delete_file(path)
            except FileNotFoundError:
                continue

    def files(self, folder: str = "") -> list[StoredFile]:
        """See `Storage.files`."""
        selector = fs.FileSelector(self._path(folder), allow_not_found=True)
        found = {
            posixpath.join(folder, about.base_name): about
            for about in self._filesystem.get_file_info(selector)
            if about.is_file
        }
        times = {name: about.mtime_ns / 1e9 for name, about in found.items()}
        return [
            StoredFile(name, about.size, max(times[name], times.get(name + _USED, 0.0)))
            for name, about in found.items()
            if not name.endswith(_USED)
        ]

    def tree(self) -> list[StoredFile]:
        """See `Storage.tree`."""
        selector = fs.FileSelector(self._root, allow_not_found=True, recursive=True)
        return [
            StoredFile(posixpath.relpath(about.path, self._root), about.size, about.mtime_ns / 1e9)
            for about in self._filesystem.get_file_info(selector)
            if about.is_file
        ]

    def remove_folder(self, name: str) -> None:
        """See `Storage.remove_folder`."""
        try:
            self._filesystem.delete_dir(self._path(name))
        except FileNotFoundError:
            return

    def free_bytes(self) -> int | None:
        """See `Storage.free_bytes`; an object store has no end."""
        return None

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name) if name else self._root
