"""A driver's lock on a study on a database server, and the handling of lost connections.

A driver has a single connection, which holds a lock that the server grants to one connection
only. Every write of the sweep goes through that session, so a driver that has lost the lock
cannot write. The server frees the lock when the connection ends: at once when the driver's process
dies, and after about `LOST_SECONDS` when its host is gone.

========== ================================ ==========================================
database   lock                             freed when the driver's host is lost
========== ================================ ==========================================
PostgreSQL ``pg_try_advisory_lock``         after `LOST_SECONDS` (TCP keepalive)
others     none: only the sweep's lock file
========== ================================ ==========================================

The lock belongs to the session: there must be no pooler in transaction mode in between.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from raysearch.errors import StoreError
from raysearch.search.study.connection import first_line
from raysearch.storage.uri import shown_url

__all__ = [
    "LOST_SECONDS",
    "ConnectionLost",
    "LockHeld",
    "StudyServer",
]

LOST_SECONDS = 60
"""Silence, in seconds, after which both sides consider a connection lost."""
_IDLE, _INTERVAL, _PROBES = 30, 10, 3
_CONNECT_SECONDS = 10
_LIBPQ = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": _IDLE,
    "keepalives_interval": _INTERVAL,
    "keepalives_count": _PROBES,
    "tcp_user_timeout": 1000 * LOST_SECONDS,
}
"""Connection arguments for drivers based on libpq; those in the URL take precedence."""
_PATIENCE_SECONDS = 300.0
"""Seconds that a driver waits for its server to come back."""
_PAUSE_SECONDS = 1.0
_DEAD_SECONDS = 5.0
"""Seconds for which the lock of a driver that was just killed may still be held."""


class ConnectionLost(Exception):
    """The connection is gone; the caller must open the next one."""


class LockHeld(Exception):
    """Another driver's connection holds the study; its message says whose."""


class StudyServer:
    """The one connection of this driver to a database server.

    Args:
        url: The server.
        study: Name of the study; with the database it identifies the lock.
        on_wait: Called with one sentence when a lost server is waited for or is back.
    """

    def __init__(self, url: URL, study: str, on_wait: Callable[[str], None]) -> None:
        self._url, self._study, self._on_wait = url, study, on_wait
        self._shown = shown_url(url.render_as_string(hide_password=False))
        self._connected = False
        self._connection: Any = None
        self.driver = f"process {os.getpid()} on {socket.gethostname()}"
        """Name of this lock's holder for the server and other drivers."""

    @property
    def options(self) -> dict[str, Any]:
        """Arguments for SQLAlchemy's engine: one connection, which holds the lock."""
        return {"creator": self._connect, "poolclass": StaticPool}

    def lost(self, error: BaseException | None) -> bool:
        """Whether the connection failed, rather than the statement."""
        while error is not None:
            if isinstance(error, ConnectionLost | LockHeld):
                return True
            if isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated:
                return True
            error = error.__cause__
        return False

    def open(self, engine: sqlalchemy.Engine, why: BaseException) -> None:
        """Reconnect and take the lock again; waits while the server is away.

        Args:
            engine: The engine that has lost its connection.
            why: The error that reported it.

        Raises:
            StoreError: The server did not come back within five minutes.
        """
        began = time.monotonic()
        self._on_wait(
            f"the study's database {self._shown} has gone ({first_line(why)}); trying again for "
            f"{_PATIENCE_SECONDS / 60:g} minutes, trials run on"
        )
        while time.monotonic() - began < _PATIENCE_SECONDS:
            time.sleep(_PAUSE_SECONDS)
            self._connected = False
            try:
                engine.connect().close()
            except (sqlalchemy.exc.SQLAlchemyError, LockHeld) as error:
                why = error
                continue
            waited = time.monotonic() - began
            self._on_wait(f"the study's database is back after {waited:.0f} s")
            return
        raise StoreError(
            f"the study's database {self._shown} must be reached, but was not for "
            f"{_PATIENCE_SECONDS / 60:g} minutes ({first_line(why)}); nothing that it took is "
            "lost: run the same command again when it is back"
        )

    def _connect(self) -> Any:
        if self._connected:  # SQLAlchemy and Optuna would reconnect without the lock
            raise ConnectionLost("its connection was lost")
        dialect = self._url.get_dialect()
        module = dialect.import_dbapi()
        arguments, options = dialect().create_connect_args(self._url)
        if dialect.driver in ("psycopg", "psycopg2"):
            options = {**_LIBPQ, **options}
        connection = module.connect(*arguments, **options)
        try:
            if dialect.name == "postgresql":
                self._take(connection)
        except BaseException:
            connection.close()
            raise
        self._connected, self._connection = True, connection
        return connection

    def close(self) -> None:
        """Close the connection, and with it the lock, if nobody else does."""
        if self._connection is not None:
            self._connection.close()

    def _take(self, connection: Any) -> None:
        deadline = time.monotonic() + _DEAD_SECONDS
        while holder := _take_lock(connection.cursor(), self):
            connection.rollback()
            if time.monotonic() > deadline:
                raise LockHeld(holder)
            time.sleep(0.1)
        connection.commit()

    def key(self, scope: str) -> bytes:
        """The lock's key, 32 bytes; `scope` distinguishes studies of the same name."""
        return hashlib.sha256(f"raysearch\0{scope}\0{self._study}".encode()).digest()


def _take_lock(cursor: Any, server: StudyServer) -> str:
    """Take the lock; returns its holder, or empty when it is ours."""
    name = re.sub(r"[^A-Za-z0-9 ._-]", "_", f"raysearch {server.driver}")[:60]
    for setting, value in (
        ("application_name", f"'{name}'"),
        ("tcp_keepalives_idle", _IDLE),
        ("tcp_keepalives_interval", _INTERVAL),
        ("tcp_keepalives_count", _PROBES),
        ("tcp_user_timeout", 1000 * LOST_SECONDS),
    ):
        cursor.execute(f"SET {setting} = {value}")
    cursor.execute("SELECT current_schema()")
    key = int.from_bytes(server.key(str(cursor.fetchone()[0]))[:8], "big", signed=True)
    cursor.execute(f"SELECT pg_try_advisory_lock({key})")
    if cursor.fetchone()[0]:
        return ""
    unsigned = key % 2**64
    cursor.execute(
        "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) "
        f"WHERE locktype = 'advisory' AND granted AND classid = {unsigned >> 32} "
        f"AND objid = {unsigned % 2**32} AND objsubid = 1 AND datname = current_database()"
    )
    holder = cursor.fetchone()
    return str(holder[0]).removeprefix("raysearch ") if holder else "another process"
