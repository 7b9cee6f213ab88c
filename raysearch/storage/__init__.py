"""Stores a sweep's files (checkpoints, stages, rows) in a folder or an object store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from raysearch.errors import StoreError
from raysearch.storage.base import Bytes, Storage, StoredFile
from raysearch.storage.local import LocalStorage
from raysearch.storage.retry import (
    RETRY_LONG,
    RETRY_SHORT,
    RetryingStorage,
    RetryPolicy,
    UnansweredError,
)
from raysearch.storage.uri import is_uri, join, redacted
from raysearch.storage.whole import unwritten

__all__ = [
    "RETRY_LONG",
    "RETRY_SHORT",
    "Bytes",
    "RetryPolicy",
    "Storage",
    "StoredFile",
    "UnansweredError",
    "open_storage",
    "write_files",
]


def open_storage(
    root: str | Path, *, make: bool = True, retry: RetryPolicy = RETRY_SHORT
) -> Storage:
    """The store at a folder, a ``file://`` URI, or any other URI that ``pyarrow.fs`` knows.

    Args:
        root: Folder or URI.
        make: Whether to create it if it is missing; readers do not.
        retry: How long every operation is retried, including this one.

    Raises:
        StoreError: The scheme is unknown, or the root cannot be created or listed.
    """
    uri = redacted(root)
    opened: Callable[[], Storage]
    if is_uri(root):
        from raysearch.storage.objects import open_uri

        kind = "a folder or a URI that pyarrow can open and write"
        opened = partial(open_uri, str(root))
    else:
        kind = "a folder that can be written"
        opened = partial(LocalStorage, Path(root))
    try:
        return RetryingStorage(uri, opened, retry, make=make)
    except UnansweredError as error:
        raise StoreError(str(error)) from error
    except (OSError, ValueError, NotImplementedError) as error:
        reason = str(error).replace(str(root), uri)  # pyarrow's message repeats an invalid URI
        raise StoreError(f"the files' place must be {kind}, but {uri} is not: {reason}") from error


def write_files(root: str | Path, files: Mapping[str, bytes]) -> None:
    """Write files, each whole; replaces those of the same names.

    Args:
        root: As for `open_storage`.
        files: Name to content, in the order of writing.

    Raises:
        StoreError: The root cannot be written, or does not answer.
    """
    storage = open_storage(root)
    for name, content in files.items():
        try:
            storage.write(name, [content])
        except UnansweredError as error:
            raise StoreError(str(error)) from error
        except OSError as error:
            where = join(storage.uri, name)
            raise StoreError(f"`{where}` must be written, but: {unwritten(error)}") from error
