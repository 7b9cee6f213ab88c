"""Opens a file of a fixed name for writing where somebody else may have prepared it.

Who may write to a folder can put a link under the name that we are about to open, and have us
write through it into a file of this user's. So such a name is never followed, and what was
opened must be a regular file with no second name (a hard link is the same attack).

Its owner is not asked for: in a folder that a group shares, the file of a colleague's run is
ours to go on with, and a stranger's own file is the only one that writing to it can harm.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from raysearch.errors import StoreError

__all__ = ["check_no_link", "open_no_follow"]


def open_no_follow(path: Path, flags: int) -> int:
    """Open a file of this process's own; its descriptor.

    Args:
        path: The file; folders above it may be links.
        flags: As `os.open` takes them; ``O_NOFOLLOW``, ``O_CLOEXEC`` and, so that a pipe does
            not hold us, ``O_NONBLOCK`` are added. ``O_TRUNC`` must be left out: nothing may be
            cut before it is known what was opened.

    Raises:
        StoreError: It is a link, has a second name, or is no regular file.
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
    """See that a file, if it is there, may be written by a library that would follow a link.

    Raises:
        StoreError: It is a link, has a second name, or is no regular file.
    """
    try:
        about = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if what := _kind(about):
        raise _refused(path, what)


def _kind(about: os.stat_result) -> str:
    """What speaks against a file; empty when nothing does."""
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
