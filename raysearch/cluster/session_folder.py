"""Makes a private folder for the files and sockets of a local Ray.

Ray makes its folders accessible to everybody (0777), and its default, /tmp/ray, belongs to whoever
created it first. Folders made here have an unpredictable name and are removed with their session.
If the session was killed, the next one removes its folder: a locked marker inside shows whether
its owner is alive. `scratch_folder` makes the same kind of folder for other temporary files.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from raysearch.errors import ConfigError, RaysearchError
from raysearch.names import is_text
from raysearch.storage.locks import NO_LOCKS

__all__ = ["scratch_folder", "session_folder"]

LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107
"""Longest path of a UNIX socket, in bytes."""
PREFIX, RANDOM, INNER = "ray-", 8, "r"
MARKER = "raysearch-session"
BASES = ("/tmp", "/var/tmp")
"""Folders to try when neither RAY_TMPDIR nor TMPDIR will do."""


@contextmanager
def session_folder() -> Iterator[Path]:
    """A new folder for Ray's files inside one of mode 0700; both are removed after the block.

    They are made in RAY_TMPDIR, TMPDIR, /tmp or /var/tmp: the first that is short enough for
    Ray's sockets and whose entries nobody else can rename. If a bug ends the block they stay, for
    Ray's logs, until the next session.

    Raises:
        ConfigError: None of these will do.
    """
    private, marker = _private_folder()
    buggy = False
    try:
        yield private / INNER
    except RaysearchError:
        raise
    except Exception:
        buggy = True
        raise
    finally:
        if not buggy:
            _remove(private)
        os.close(marker)


@contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """A new temporary folder, removed after the block.

    If this process is killed, the next one with the same purpose removes it. Its path is UTF-8, as
    Ray and Arrow want it.

    Args:
        purpose: Part of its name.

    Raises:
        OSError: None can be made.
    """
    prefix = f"raysearch-{purpose}-"
    base = next(place for place in (tempfile.gettempdir(), *BASES) if is_text(place))
    _remove_dead(Path(base), prefix)
    try:
        private, marker = _marked(base, prefix)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as unmarked:
            yield Path(unmarked)
        return
    try:
        yield private / INNER
    finally:
        _remove(private)
        os.close(marker)


def _private_folder() -> tuple[Path, int]:
    """A new folder of mode 0700 and its marker; removes those of dead processes."""
    problems = []
    named = [os.environ.get(name, "") for name in ("RAY_TMPDIR", "TMPDIR")]
    for base in dict.fromkeys([*filter(None, named), *BASES]):
        if problem := _unfit(base):
            problems.append(f"{base} ({problem})")
            continue
        _remove_dead(Path(base), PREFIX)
        try:
            return _marked(base, PREFIX)
        except OSError as error:  # a full disk, or a file system without locks
            problems.append(f"{base} ({error.strerror})")
    raise ConfigError(
        "Ray's files must lie in a folder with file locks that you alone can enter, but none can "
        f"be made in {', '.join(problems)}; set TMPDIR to a folder of your own with a short path"
    )


def _marked(base: str, prefix: str) -> tuple[Path, int]:
    """A new folder of mode 0700 with a folder in it, and its marker."""
    private = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, private, ignore_errors=True)
        (private / INNER).mkdir()
        marker = _lock(private)
        undo.pop_all()
    return private, marker


def _unfit(base: str) -> str:
    """Why Ray's sockets cannot be in a folder below this one; empty if they can."""
    name = f"{PREFIX}{'x' * RANDOM}/{INNER}"
    session = f"session_2026-01-01_00-00-00_000000_{os.getpid()}"
    room = LONGEST_SOCKET - len(f"/{name}/{session}/sockets/plasma_store")
    if not os.path.isabs(base):
        return "not a full path"
    if not is_text(base):
        return "its name is not UTF-8"
    if (length := len(os.fsencode(base))) > room:
        return f"{length} bytes, but at most {room} leave room for a socket"
    try:
        mode = os.stat(base).st_mode
    except OSError as error:
        return str(error.strerror)
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        return "others can rename what lies there"
    return ""


def _lock(folder: Path) -> int:
    """A folder's marker, locked before anybody can see it; unlocked when this process is gone."""
    early = folder / f".{MARKER}"
    marker = os.open(early, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    fcntl.flock(marker, fcntl.LOCK_EX)
    early.rename(folder / MARKER)
    return marker


def _remove_dead(base: Path, prefix: str) -> None:
    """Remove folders of this user's dead processes; other users' are left alone."""
    for folder in base.glob(f"{prefix}{'?' * RANDOM}"):
        with suppress(OSError):
            found = folder.lstat()
            private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
            if not private or found.st_uid != os.geteuid():
                continue
            marker = os.open(folder / MARKER, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(marker)


def _remove(folder: Path) -> None:
    """Remove a marked folder; files that a dying process adds are left to the next session."""
    shutil.rmtree(folder / INNER, ignore_errors=True)
    if not (folder / INNER).exists():
        (folder / MARKER).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
