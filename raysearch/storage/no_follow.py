"""Opens a file of a fixed name for writing where another user may have tampered with it.

Whoever can write to a folder can put a symlink under the name that we are about to open, and make
us write through it into one of our user's files. So such a name is never followed, and the opened
file must be a regular one with no second name (a hard link is the same attack).

Its owner is not checked: in a folder that a group shares we continue a colleague's run in their
files, and in a stranger's own file a write can harm only the stranger.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from raysearch.errors import StoreError

__all__ = ["check_no_link", "open_no_follow"]


def open_no_follow(path: Path, flags: int) -> int:
    """Open a file of this process's own; returns its descriptor.

    Args:
        path: The file; folders above it may be links.
        flags: As for `os.open`; ``O_NOFOLLOW``, ``O_CLOEXEC`` and ``O_NONBLOCK`` (so that a
            pipe does not block) are added. ``O_TRUNC`` must not be set: nothing may be truncated
            before the file is checked.

    Raises:
        StoreError: It is a symlink, has a second name, or is not a regular file.
        OSError: It cannot be opened.
    """
    kept = flags & ~os.O_TRUNC
    try:
        descriptor = os.open(path, kept | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _refused(path, _kind(os.lstat(path)) or "was one a moment ago") from error
        raise
    try:
        if what := _kind(os.fstat(descriptor)):
            raise _refused(path, what)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_no_link(path: Path) -> None:
    """Check that a library that would follow a link can safely write a file, if it exists.

    Raises:
        StoreError: It is a symlink, has a second name, or is not a regular file.
    """
    try:
        about = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if what := _kind(about):
        raise _refused(path, what)


def _kind(about: os.stat_result) -> str:
    """What is wrong with a file; empty if nothing is."""
    if stat.S_ISLNK(about.st_mode):
        return "is a symbolic link"
    if not stat.S_ISREG(about.st_mode):
        return "is no regular file"
    if about.st_nlink > 1:
        return f"has {about.st_nlink} names (hard links)"
    return ""


def _refused(path: Path, what: str) -> StoreError:
    return StoreError(
        f"`{path}` must be a file of its own, but {what}, and writing there would change another "
        "file: who may write to this folder? remove it, then run the same command again"
    )
