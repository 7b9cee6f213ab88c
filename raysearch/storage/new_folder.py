"""Creates a folder that appears whole, and never replaces another.

It is made inside a draft folder beside its destination, ``.NAME.raysearch``, and renamed. The draft
has a marker file that names its owner, who keeps it locked. A draft left by a killed process is
cleared by the next one that makes NAME; one without the marker is somebody else's and stays.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from raysearch.errors import StoreError
from raysearch.storage.locks import lock_file
from raysearch.storage.no_follow import open_no_follow

__all__ = ["MARKER", "new_folder"]

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
