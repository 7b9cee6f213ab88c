"""Files in an object store, such as S3.

An object appears whole when its upload ends, and every later look of anybody sees it: that is
what S3, GCS and Azure promise. Where an upload can be seen half done (HDFS), readers tell: a
stage, a checkpoint and weights by their digest, a row by its own format.

pyarrow's S3 has a strategy of its own for errors that pass, and says nothing meanwhile. That of
a URI asks again every 0.2 s for 31 attempts, so a server that stalls holds it for minutes
(measured: 288 s). Here it is the SDK's standard strategy with `ATTEMPTS`, which bounds one
attempt of ours to about half a minute; `raysearch.storage.retry` does the rest and tells.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from pyarrow import fs

from raysearch.storage.base import Bytes, Storage, StoredFile
from raysearch.storage.local import LocalStorage
from raysearch.storage.uri import redacted

__all__ = ["ObjectStorage", "open_uri"]

ATTEMPTS = 3
"""Requests of S3's client for one of ours, pauses of a second or two between them."""
GCS_SECONDS = 10
"""How long GCS's client retries one request of ours; its default is 15 minutes."""

_USED = ".used"
"""Suffix of the empty object whose time of writing is the last use of the object beside it."""


def open_uri(uri: str) -> Storage:
    """The store behind a URI that ``pyarrow.fs.FileSystem.from_uri`` knows.

    Credentials are best left to the environment (``AWS_ACCESS_KEY_ID`` and so on).

    Raises:
        OSError, ValueError, NotImplementedError: The URI has no meaning, or its place cannot be
            reached.
    """
    if uri.startswith("gs://") and "retry_limit_seconds=" not in uri:
        uri += f"{'&' if '?' in uri else '?'}retry_limit_seconds={GCS_SECONDS}"
    filesystem, root = fs.FileSystem.from_uri(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        return LocalStorage(Path(root))
    if isinstance(filesystem, fs.S3FileSystem):
        filesystem = _impatient(filesystem)
    return ObjectStorage(filesystem, root, redacted(uri))


def _impatient(filesystem: fs.S3FileSystem) -> fs.S3FileSystem:
    """The same file system with `ATTEMPTS`, which no URI can name.

    What a pickle would hold is everything that the URI said, and no credentials from elsewhere:
    those are looked up anew. A small object is sent in one request, not in three.
    """
    make, (settings,) = filesystem.__reduce__()
    strategy = fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS)
    made: fs.S3FileSystem = make(
        {**settings, "allow_delayed_open": True, "retry_strategy": strategy}
    )
    return made


class ObjectStorage:
    """Objects under a prefix of a bucket.

    Args:
        filesystem: A ``pyarrow.fs.FileSystem``.
        root: Bucket and prefix.
        uri: The root as the user may see it.
    """

    def __init__(self, filesystem: Any, root: str, uri: str) -> None:
        self._filesystem, self._root, self.uri = filesystem, root, uri

    def make(self) -> None:
        """See `Storage.make`; what a killed writer sent was never an object."""
        self._filesystem.create_dir(self._root, recursive=True)

    def open(self, name: str) -> BinaryIO:
        """See `Storage.open`; the object is fetched whole, by one request."""
        with self._filesystem.open_input_file(self._path(name)) as stream:
            return io.BytesIO(stream.read(stream.size()))

    def exists(self, name: str) -> bool:
        """See `Storage.exists`."""
        return bool(self._filesystem.get_file_info(self._path(name)).is_file)

    def write(self, name: str, parts: Sequence[Bytes], *, lasting: bool = True) -> None:
        """See `Storage.write`; an object lasts from the moment that it is seen."""
        # A stream that is closed half-way is an object, cut off: no Ctrl-C reaches this thread.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._upload, name, parts).result()

    def fill(self, name: str, writer: Callable[[BinaryIO], object]) -> None:
        """See `Storage.fill`; the file is made in memory first."""
        buffer = io.BytesIO()
        writer(buffer)
        self.write(name, [buffer.getbuffer()])

    def _upload(self, name: str, parts: Sequence[Bytes]) -> None:
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
        selector = fs.FileSelector(self._path(name), allow_not_found=True)
        found = self._filesystem.get_file_info(selector)
        try:
            if all(about.is_file for about in found):
                self._filesystem.delete_dir(self._path(name))
                return
            for about in found:
                if about.is_file:
                    self._filesystem.delete_file(about.path)
        except FileNotFoundError:
            return

    def free_bytes(self) -> int | None:
        """See `Storage.free_bytes`; an object store has no end."""
        return None

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name) if name else self._root
