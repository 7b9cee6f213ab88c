"""Writes files that appear whole or not at all.

It is written beside its place under a name that says whose it is, and renamed. A writer that is
killed leaves that file behind; `is_leftover` knows it, and no file that somebody else made.
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
    """A path in the same folder at which nothing is."""
    return path.with_name(f".raysearch-{secrets.token_hex(16)}.tmp")


def is_leftover(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file of ours that waits to be renamed, or that a killed writer left."""
    return _TEMPORARY.fullmatch(entry.name) is not None and entry.is_file(follow_symlinks=False)


@contextmanager
def whole_file(path: Path, *, lasting: bool = True, replacing: bool = True) -> Iterator[BinaryIO]:
    """A file to be written inside the block; it is at its path when the block ends well.

    Args:
        path: Where it is to be, in a folder that is there. A link there is replaced.
        lasting: Whether it survives a power cut from then on.
        replacing: Whether it may take the place of another.

    Raises:
        FileExistsError: It may not, and there is one.
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
    """Write a file that the user named, whole; a former one of the same name is replaced.

    A link stays and what it points at is replaced. A device or a pipe is written to, as it is.

    Args:
        path: What the user named.
        text: Goes there as UTF-8.
        what: How the message names it: ```--output```.

    Raises:
        StoreError: It cannot be written; the former file is still there.
    """
    data = text.encode()
    try:
        target = Path(os.path.realpath(path))
        try:
            kind: int | None = target.stat().st_mode
        except FileNotFoundError:
            kind = None
        if kind is not None and not stat.S_ISREG(kind):
            target.write_bytes(data)  # a folder refuses this
            return
        with whole_file(target) as file:
            if kind is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(kind))
            file.write(data)
    except OSError as error:
        raise StoreError(f"{what} must be written, but {path}: {unwritten(error)}") from error


def unwritten(error: OSError) -> str:
    """Why a file could not be written and what to do, as the rest of a sentence."""
    if is_full(error):
        return "the disk is full; free some space and run the same command again"
    said = error.strerror or " ".join(str(error).split())
    return f"{said}; make it writable or name another"


def is_full(error: OSError) -> bool:
    """Whether the disk, a quota or the largest size of a file is used up."""
    return error.errno in _FULL


def _put_new(temporary: Path, path: Path) -> None:
    """Rename, unless something is there: of two that do this at once, one finds it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        temporary.replace(path)
    else:
        temporary.unlink()


def keep_names(folder: Path) -> None:
    """Let the names in a folder survive a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
