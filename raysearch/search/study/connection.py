"""Connects to the study's database: URLs, SQLite's file, and messages for its errors.

SQLite runs in WAL mode with ``synchronous=NORMAL``: a killed process loses nothing that was
written, and a write takes well under a millisecond; only a power cut may lose the last writes.
WAL needs a local disk. `raysearch.search.study.server` connects to a server.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, Protocol

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL

from raysearch.errors import StoreError
from raysearch.storage.no_follow import check_no_link

__all__ = [
    "Connector",
    "check_file_url",
    "driver_url",
    "file_url",
    "first_line",
    "is_locked",
    "open_database",
    "parsed_url",
    "sentence",
]

_BUSY_SECONDS = 5.0
"""Seconds that one attempt waits while another program has SQLite's file locked."""
_ANEW = (
    "move it away, with the files -wal and -shm beside it, then `python -m raysearch recover` with "
    "the sweep's folder makes the study anew from the rows"
)
_LOCKED = "is locked"
_SENTENCES = {
    _LOCKED: "is locked by another program: end that one, then run the same command again",
    "readonly": "must be writable, but is read-only",
    "read-only transaction": "must be writable, but is read-only",
    "is full": "cannot be written, the disk is full: make room, then run the same command again",
    "No space left": "cannot be written, its disk is full: make room, then run the same command "
    "again",
    "unable to open": "cannot be opened: does its folder exist, and may it be written to?",
    "not a database": f"must be a database, but is damaged or another kind of file: {_ANEW}",
    "malformed": f"must be a database, but is damaged: {_ANEW}",
    "authentication failed": "must be given a user and a password that it knows, but refused these",
    "no password supplied": "must be given a password, but got none: put it into the URL, or "
    "into ~/.pgpass",
    "resolve host": "must be on a host that is known, but there is none of this name",
    "Connection refused": "must be reached, but no server listens there: is it up?",
    "timeout expired": "must be reached, but its host does not answer",
    "does not exist": "must be there, but the server has no such database or user: create it "
    "there (createdb)",
    "permission denied": "must be writable for this user, who may create tables, but is not",
}
"""Part of a database's own message to the message for the user."""


def sentence(error: BaseException) -> str:
    """The rest of a sentence that begins with the database's name; never contains a password."""
    text = first_line(error)
    for part, meaning in _SENTENCES.items():
        if part in text:
            return meaning
    return f"cannot be used: {text}"


def is_locked(error: BaseException) -> bool:
    """Whether another program has the database locked, a temporary condition."""
    return _LOCKED in first_line(error)


def first_line(error: BaseException) -> str:
    """The first line of the database's own message, which has neither statement nor password."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".: ") if text else type(error).__name__


def parsed_url(url: str) -> URL:
    """Parse the URL.

    Raises:
        StoreError: It is not a URL.
    """
    try:
        return sqlalchemy.engine.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:  # not shown: may hold a password
        raise StoreError(
            "`--study` must be a URL as SQLAlchemy takes it, such as sqlite:///FILE or "
            "postgresql://USER@HOST/DATABASE, but got another text; write an @ in a password as %40"
        ) from error


class Connector(Protocol):
    """Connects to a server, for databases that are not files."""

    @property
    def options(self) -> dict[str, Any]:
        """Arguments for SQLAlchemy's engine."""

    def close(self) -> None:
        """Close the connection, if nobody else does."""


def open_database(url: URL, shown: str, server: Connector | None) -> RDBStorage:
    """Open a database; creates SQLite's file and Optuna's tables if they are missing.

    Args:
        url: The database.
        shown: The URL without its secrets.
        server: Connects to the server; None for SQLite.

    Raises:
        StoreError: Its driver is not installed, or another version of Optuna made it.
    """
    options: dict[str, Any] = {} if server is None else server.options
    path = url.database
    if server is None and path and path != ":memory:":
        options["creator"] = lambda: _connect_sqlite(Path(path))
    try:
        return RDBStorage(
            url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}"),
            engine_kwargs=options,
        )
    except ImportError as error:
        raise StoreError(
            f"the study's database {shown} needs a driver that is not installed: {_missing(error)}"
        ) from error
    except RuntimeError as error:
        if server is not None:
            server.close()
        raise StoreError(
            f"the study's database {shown} must have the schema of optuna {optuna.__version__}, "
            "but another version made it; install that version, or take another database"
        ) from error
    except BaseException:
        if server is not None:
            server.close()
        raise


def _missing(error: ImportError) -> str:
    what = str(error.__cause__ or error)
    return what + ("; pip install 'raysearch[postgres]'" if "psycopg" in what else "")


def _connect_sqlite(path: Path) -> sqlite3.Connection:
    for suffix in ("", "-wal", "-shm", "-journal"):  # SQLite itself would follow a symlink
        check_no_link(path.with_name(path.name + suffix))
    _make_file(path)
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _make_file(path: Path) -> None:
    """Create the file and its log under the umask; SQLite's own mode lets no group write.

    An existing file is not opened: closing it would drop SQLite's own POSIX locks on it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666))
    except OSError:  # it exists, or SQLite's own error will say why it cannot be created
        return


def driver_url(url: URL) -> URL:
    """The URL with the driver that this package's extra installs, if it names none."""
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def file_url(path: Path) -> str:
    """The URL of a study in a file; signs that would end the path, such as ``?``, are quoted."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def check_file_url(url: str) -> None:
    """Refuse an SQLite URL whose path ends before its file's name does.

    Raises:
        StoreError: The URL has query options; none are supported.
    """
    path, mark, _ = url.partition("?")
    if mark:
        raise StoreError(
            f"`--study` must name a file of SQLite without options, but {path} is followed by "
            "a question mark; write one that is part of a name as %3F"
        )
