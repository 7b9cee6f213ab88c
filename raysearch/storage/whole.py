"""Writes files that appear whole or not at all.

A file is written beside its destination under a recognisable name, and renamed. A killed writer
leaves that file behind; `is_leftover` recognises it, and no file that somebody else made.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from raysearch.errors import StoreError

__all__ = [
    "is_full",
    "is_leftover",
    "keep_names",
    "temporary_beside",
    "unwritten",
    "whole_file",
    "write_output",
]

_TEMPORARY = re.compile(r"\.raysearch-[0-9a-f]{32}\.tmp")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def temporary_beside(path: Path) -> Path:
    """An unused path in the same folder."""
    return path.with_name(f".raysearch-{secrets.token_hex(16)}.tmp")


def is_leftover(entry: os.DirEntry[str]) -> bool:
    """Whether this is a file of ours that waits to be renamed, or that a killed writer left."""
    return _TEMPORARY.fullmatch(entry.name) is not None and entry.is_file(follow_symlinks=False)


@contextmanager
def whole_file(path: Path, *, lasting: bool = True, replacing: bool = True) -> Iterator[BinaryIO]:
    """A file to write inside the block; it is moved to its path when the block succeeds.

    Args:
        path: Destination, in an existing folder. A link there is replaced.
        lasting: Whether it must survive a power cut from then on.
        replacing: Whether it may replace an existing file.

    Raises:
        FileExistsError: The file exists and must not be replaced.
        OSError: It cannot be written; nothing is left of it.
    """
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as file:
            yield file
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        if replacing:
            temporary.replace(path)
        else:
            _put_new(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if lasting:
        keep_names(path.parent)


def write_output(path: Path, text: str, what: str) -> None:
    """Write a file that the user named, whole; replaces an existing one.

    A symlink is kept and its target replaced. A device or a pipe is written to directly.

    Args:
        path: What the user named.
        text: Its content, written as UTF-8.
        what: Its name in messages: ```--output```.

    Raises:
        StoreError: It cannot be written; the former file is unchanged.
    """
    data = text.encode()
    try:
        target = Path(os.path.realpath(path))
        try:
            kind: int | None = target.stat().st_mode
        except FileNotFoundError:
            kind = None
        if kind is not None and not stat.S_ISREG(kind):
            target.write_bytes(data)  # fails for a folder
            return
        with whole_file(target) as file:
            if kind is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(kind))
            file.write(data)
    except OSError as error:
        raise StoreError(f"{what} must be written, but {path}: {unwritten(error)}") from error


def unwritten(error: OSError) -> str:
    """Why a file could not be written and what to do, to complete a sentence."""
    if is_full(error):
        return "the disk is full; free some space and run the same command again"
    said = error.strerror or " ".join(str(error).split())
    return f"{said}; make it writable or name another"


def is_full(error: OSError) -> bool:
    """Whether the error says that the disk, a quota or the maximum file size is exhausted."""
    return error.errno in _FULL


def _put_new(temporary: Path, path: Path) -> None:
    """Rename, unless the destination exists: of two concurrent calls, one fails."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        temporary.replace(path)
    else:
        temporary.unlink()


def keep_names(folder: Path) -> None:
    """Make the names in a folder survive a power cut, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
