"""Writes files and folders that appear whole or not at all.

A file is written beside its destination under a recognisable name, and renamed. A killed writer
leaves that file behind; `is_leftover` recognises it, and no file that somebody else made.

A folder is made inside a draft folder beside its destination, ``.NAME.raysearch``, and renamed; it
never replaces another. The draft has a marker file that names its owner, who keeps it locked. A
draft left by a killed process is cleared by the next one that makes NAME; one without the marker
is somebody else's and stays.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from raysearch.errors import StoreError
from raysearch.storage.locks import lock_file
from raysearch.storage.no_follow import open_no_follow

__all__ = [
    "MARKER",
    "is_full",
    "is_leftover",
    "keep_names",
    "new_folder",
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


_log = logging.getLogger(__name__)
MARKER = "made-by-raysearch"
_CONTENT = "content"
_SIGN = b"raysearch makes the folder content here and removes it with all that is in it\n"


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A path to create a folder at; it is moved to `path` when the block succeeds.

    The path is reserved from the start: another process that wants it fails at once. Nested use
    is allowed. A block that fails leaves nothing.

    Args:
        path: Destination; its parents are created.

    Raises:
        StoreError: The destination exists, or another process is making it.
        OSError: It cannot be written.
    """
    path = path.absolute()
    draft = path.with_name(f".{path.name}.raysearch")
    content = draft / _CONTENT
    path.parent.mkdir(parents=True, exist_ok=True)
    with _held(draft, path):
        try:
            shutil.rmtree(content, ignore_errors=True)  # left by a killed process
            if os.path.lexists(path) or os.path.lexists(content):
                raise _taken(path)
            yield content
            if os.path.lexists(path):
                raise _taken(path)
            content.rename(path)
        finally:
            shutil.rmtree(content, ignore_errors=True)
            with suppress(OSError):  # leftover content keeps the marker
                _remove_empty(draft)


@contextmanager
def _held(draft: Path, path: Path) -> Iterator[None]:
    """Hold the draft folder; creates it if it is missing."""
    marker = draft / MARKER
    try:
        try:
            draft.mkdir(mode=0o700)
        except FileExistsError:
            _check_ours(draft)
        opened = open_no_follow(marker, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:  # its holder has ended meanwhile
        raise _held_by_another(path) from None
    try:
        try:
            if not lock_file(opened):
                _log.warning("%s lies where files know no locks: make it once at a time", path)
        except BlockingIOError:
            raise _held_by_another(path) from None
        if not _is_at(opened, marker):
            raise _taken(path) if os.path.lexists(path) else _held_by_another(path)
        _sign(opened)
        yield
    finally:
        os.close(opened)


def _check_ours(draft: Path) -> None:
    """Check that an existing draft folder was made here, or is empty.

    Raises:
        StoreError: It is somebody else's.
    """
    ours, about = False, draft.lstat()
    if stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid():
        names = set(os.listdir(draft))
        known = MARKER in names and names <= {MARKER, _CONTENT}
        ours = not names or (
            known and _is_signed(draft, names) and not (draft / _CONTENT).is_symlink()
        )
    if not ours:
        raise StoreError(
            f"`{draft}` must be free, since a folder is made there first, but was made by somebody "
            "else; move it away, or name another folder"
        )


def _sign(marker: int) -> None:
    """Write the owner into the marker; an empty one is from a process killed before it could."""
    os.ftruncate(marker, 0)
    os.pwrite(marker, _SIGN, 0)


def _is_signed(draft: Path, names: set[str]) -> bool:
    try:
        opened = open_no_follow(draft / MARKER, os.O_RDONLY)
    except StoreError:
        return False
    with os.fdopen(opened, "rb") as file:
        said = file.read(len(_SIGN) + 1)
    return said == _SIGN or (said == b"" and names == {MARKER})


def _remove_empty(draft: Path) -> None:
    """Remove the folder and its marker, if nothing else is in it."""
    if os.listdir(draft) == [MARKER]:
        (draft / MARKER).unlink()
        draft.rmdir()


def _is_at(opened: int, path: Path) -> bool:
    """Whether the open file is the one at the path."""
    try:
        return os.path.samestat(os.fstat(opened), path.lstat())
    except FileNotFoundError:
        return False


def _taken(path: Path) -> StoreError:
    return StoreError(f"`{path}` must not exist yet, but does; name another folder")


def _held_by_another(path: Path) -> StoreError:
    return StoreError(
        f"`{path}` must be made by one process at a time, but another makes it now; wait for it, "
        "or name another folder"
    )
