"""One driver's lock on a study on a database server, and its lost connections.

A driver has one connection, and takes a lock with it that the server gives to one connection
only: every write of the sweep goes through a session that holds the lock, so a driver that has
lost it cannot write. The server frees the lock when the connection ends, which it does at once
when the driver's process dies, and after about `LOST_SECONDS` when its host is gone.

========== ================================ ==========================================
database   lock                             freed when the driver's host is lost
========== ================================ ==========================================
PostgreSQL ``pg_try_advisory_lock``         after `LOST_SECONDS` (TCP keepalive)
others     none: only the sweep's lock file
========== ================================ ==========================================

A lock of a session needs a session: no pooler in transaction mode between driver and server.
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
"""Of silence after which both sides take a connection for lost."""
_IDLE, _INTERVAL, _PROBES = 30, 10, 3
_CONNECT_SECONDS = 10
_LIBPQ = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": _IDLE,
    "keepalives_interval": _INTERVAL,
    "keepalives_count": _PROBES,
    "tcp_user_timeout": 1000 * LOST_SECONDS,
}
"""Connection arguments of the drivers over libpq; those that the URL names go before."""
_PATIENCE_SECONDS = 300.0
"""How long a driver waits for its server to come back."""
_PAUSE_SECONDS = 1.0
_DEAD_SECONDS = 5.0
"""How long the lock of a driver that was killed just now may still be held."""


class ConnectionLost(Exception):
    """The connection is gone, and no other is opened until the caller says so."""


class LockHeld(Exception):
    """Another driver's connection holds the study; says whose."""


class StudyServer:
    """The one connection of this driver to a database server.

    Args:
        url: Where the server is.
        study: Name of the study; with the database it is what the lock is on.
        on_wait: Told in one sentence that a lost server is waited for, and that it is back.
    """

    def __init__(self, url: URL, study: str, on_wait: Callable[[str], None]) -> None:
        self._url, self._study, self._on_wait = url, study, on_wait
        self._shown = shown_url(url.render_as_string(hide_password=False))
        self._connected = False
        self._connection: Any = None
        self.driver = f"process {os.getpid()} on {socket.gethostname()}"
        """Who holds the lock, as the server and other drivers are told."""

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of SQLAlchemy's engine: one connection, which holds the lock."""
        return {"creator": self._connect, "poolclass": StaticPool}

    def lost(self, error: BaseException | None) -> bool:
        """Whether the connection is what failed, not the statement."""
        while error is not None:
            if isinstance(error, ConnectionLost | LockHeld):
                return True
            if isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated:
                return True
            error = error.__cause__
        return False

    def open(self, engine: sqlalchemy.Engine, why: BaseException) -> None:
        """Get a connection again, and with it the lock; waits while there is none.

        Args:
            engine: The engine that has lost its connection.
            why: The error that said so.

        Raises:
            StoreError: There was none for five minutes.
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
        if self._connected:  # SQLAlchemy and Optuna would connect again by themselves
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
        """End the connection, and so let go of the lock, where nobody else will."""
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
        """What the lock is on, as 32 bytes; `scope` is what tells apart studies of one name."""
        return hashlib.sha256(f"raysearch\0{scope}\0{self._study}".encode()).digest()


def _take_lock(cursor: Any, server: StudyServer) -> str:
    """Take the lock; who holds it, or empty when it is ours now."""
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
