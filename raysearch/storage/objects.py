"""Files in an object store, such as S3.

An object appears whole when its upload ends, and every later read sees it: S3, GCS and Azure
guarantee that. Where a partial upload is visible (HDFS), readers detect it: stages, checkpoints
and weights by their digest, rows by their own format.

pyarrow's S3 retries passing errors by a strategy of its own, silently: for a URI every 0.2 s for
31 attempts, so that a stalling server blocks it for minutes (measured: 288 s). We use the SDK's
standard strategy with `ATTEMPTS`, which limits each of our attempts to about half a minute;
`raysearch.storage.retry` does the rest and logs it.
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
"""Requests of S3's client per request of ours, with pauses of a second or two between them."""
GCS_SECONDS = 10
"""How long GCS's client retries one request of ours; its default is 15 minutes."""

_USED = ".used"
"""Suffix of an empty object whose modification time is the last use of the one beside it."""


def open_uri(uri: str) -> Storage:
    """The store behind a URI that ``pyarrow.fs.FileSystem.from_uri`` supports.

    Credentials are best left to the environment (``AWS_ACCESS_KEY_ID`` and so on).

    Raises:
        OSError, ValueError, NotImplementedError: The URI is invalid, or its root unreachable.
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
    """The same file system with `ATTEMPTS`, which no URI can set.

    Its pickle state holds the URI's options, but no credentials from elsewhere: those are looked
    up again. A small object is sent in one request, not in three.
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
        """See `Storage.make`; an upload of a killed writer never became an object."""
        self._filesystem.create_dir(self._root, recursive=True)

    def open(self, name: str) -> BinaryIO:
        """See `Storage.open`; fetches the whole object in one request."""
        with self._filesystem.open_input_file(self._path(name)) as stream:
            return io.BytesIO(stream.read(stream.size()))

    def exists(self, name: str) -> bool:
        """See `Storage.exists`."""
        return bool(self._filesystem.get_file_info(self._path(name)).is_file)

    def write(self, name: str, parts: Sequence[Bytes], *, lasting: bool = True) -> None:
        """See `Storage.write`; an object is durable once it is visible."""
        # Closing a stream half-way would create a truncated object: no Ctrl-C reaches this thread.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._upload, name, parts).result()

    def fill(self, name: str, writer: Callable[[BinaryIO], object]) -> None:
        """See `Storage.fill`; the file is built in memory first."""
        buffer = io.BytesIO()
        writer(buffer)
        self.write(name, [buffer.getbuffer()])

    def _upload(self, name: str, parts: Sequence[Bytes]) -> None:
        with self._filesystem.open_output_stream(self._path(name), compression=None) as stream:
            for part in parts:
                stream.write(part)

    def touch(self, name: str) -> None:
        """See `Storage.touch`; an empty object beside it records the time of use."""
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
        """See `Storage.free_bytes`; an object store is unbounded."""
        return None

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name) if name else self._root
