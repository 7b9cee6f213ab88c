"""Where does the study live, and what may go wrong there.

An Optuna study in any database that SQLAlchemy reaches. SQLite runs in WAL mode with
``synchronous=NORMAL``: a killed process loses nothing that was written, and a write costs well
under a millisecond; only a power cut may lose the last writes. WAL needs a local disk; a study
on a server (PostgreSQL) may be driven from any machine, and one at a time does: see
`raysearch.search.study_server`, also for what happens when the connection is lost.

Every method but `fail` writes one transaction, and every failure of the database is one sentence.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from raysearch.errors import StoreError
from raysearch.search.lock import Guard, unguarded
from raysearch.search.study_sentences import sentence
from raysearch.search.study_server import (
    LOST_SECONDS,
    ConnectionLost,
    LockHeld,
    StudyServer,
    driver_url,
)
from raysearch.storage.no_follow import check_no_link
from raysearch.storage.secret_parts import shown_url

__all__ = ["REASON", "StudyDatabase"]

REASON = "reason"
"""Attribute of a failed trial."""
_DRIVER = "driver"
"""Attribute of a study on a server: who opened it last."""
_BUSY_SECONDS = 5.0
"""How long a write waits for another program's write to end."""
_FAILURES = (
    optuna.exceptions.StorageInternalError,
    sqlalchemy.exc.SQLAlchemyError,
    ConnectionLost,
    LockHeld,
)
T = TypeVar("T")


class StudyDatabase:
    """One study in a database; creates both where they are missing.

    Args:
        url: SQLAlchemy URL.
        name: Name of the study.
        direction: ``maximize`` or ``minimize``, used when the study is created.
        on_wait: Told in one sentence that a lost server is waited for, and that it is back.
        guard: Called before each transaction.

    Raises:
        StoreError: The database cannot be used; every method may raise it too.
    """

    def __init__(
        self,
        url: str,
        name: str,
        direction: str,
        on_wait: Callable[[str], None] = lambda text: None,
        guard: Guard = unguarded,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.shown, self._name = "`--study`", name
        """The URL without its secrets."""
        self._guard = guard
        self._server: StudyServer | None = None
        try:
            parsed = driver_url(_parsed(url))
            self.shown = shown_url(parsed.render_as_string(hide_password=False))
            if parsed.get_backend_name() != "sqlite":
                self._server = StudyServer(parsed, name, on_wait)
            self._storage = _open_storage(parsed, self.shown, self._server)
            try:
                self._study_id = self._create_or_find(name, StudyDirection[direction.upper()])
                self._sign()
            except BaseException:
                self.close()
                raise
        except _FAILURES as error:
            raise self._store_error(error) from error

    def attributes(self) -> dict[str, Any]:
        """What the study says of itself."""
        return self._run(lambda again: self._storage.get_study_user_attrs(self._study_id))

    def set_attribute(self, key: str, value: Any) -> None:
        """Write one attribute of the study."""
        self._run(lambda again: self._storage.set_study_user_attr(self._study_id, key, value))

    def trials(self) -> list[FrozenTrial]:
        """All trials with all that is written about them, in order of number."""
        found = self._run(
            lambda again: self._storage.get_all_trials(self._study_id, deepcopy=False)
        )
        return sorted(found, key=lambda trial: trial.number)

    def create(self, template: FrozenTrial) -> int:
        """Create a trial, complete with parameters and attributes; returns its id.

        Raises:
            StoreError: Also when the trial did not get the template's number: somebody else
                writes to the study.
        """

        def create(again: bool) -> tuple[int, int]:
            if again:  # the transaction may have been done, and only its echo lost
                found = self._storage.get_all_trials(self._study_id, deepcopy=False)
                if len(found) > template.number:
                    same = found[template.number].user_attrs == template.user_attrs
                    trial_id = found[template.number]._trial_id
                    return trial_id, trial_id if same else -1
            return self._storage.create_new_trial(self._study_id, template), self._id_of(
                template.number
            )

        trial_id, found = self._run(create)
        if found != trial_id:
            raise StoreError(
                f"the study in {self.shown} must have one driver at a time, but another wrote "
                f"trial {template.number}; end that one, then run the same command again"
            )
        return trial_id

    def trial_id(self, number: int) -> int:
        """The database's id of a trial."""
        return self._run(lambda again: self._id_of(number))

    def trial(self, trial_id: int) -> FrozenTrial:
        """A trial with all that is written about it."""
        return self._run(lambda again: self._storage.get_trial(trial_id))

    def trial_attributes(self, trial_id: int) -> dict[str, Any]:
        """What is written about a trial."""
        return self._run(lambda again: self._storage.get_trial_user_attrs(trial_id))

    def set_trial_attribute(self, trial_id: int, key: str, value: Any) -> None:
        """Write one attribute of a trial that is running."""
        self._run(lambda again: self._storage.set_trial_user_attr(trial_id, key, value))

    def set_intermediate(self, trial_id: int, rung: int, value: float) -> None:
        """Write the objective of a running trial at a rung."""
        self._run(lambda again: self._storage.set_trial_intermediate_value(trial_id, rung, value))

    def tell(self, trial_id: int, state: TrialState, values: Sequence[float] | None) -> None:
        """End a trial."""

        def tell(again: bool) -> None:
            if not (again and self._storage.get_trial(trial_id).state.is_finished()):
                self._storage.set_trial_state_values(trial_id, state, values)

        self._run(tell)

    def fail(self, trial_id: int, reason: str) -> None:
        """End a trial as FAIL; the reason is written first, in a transaction of its own."""
        self.set_trial_attribute(trial_id, REASON, reason)
        self.tell(trial_id, TrialState.FAIL, None)

    def start_over(self) -> None:
        """Delete the study, and create it anew, empty."""
        try:
            (direction,) = self._storage.get_study_directions(self._study_id)
            self._storage.delete_study(self._study_id)
            self._study_id = self._create_or_find(self._name, direction)
            self._sign()
        except _FAILURES as error:
            raise self._store_error(error) from error

    def close(self) -> None:
        """Close every connection."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _create_or_find(self, name: str, direction: StudyDirection) -> int:
        try:
            return self._storage.get_study_id_from_name(name)
        except KeyError:
            return self._storage.create_new_study([direction], name)

    def _id_of(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _sign(self) -> None:
        """Write down who drives the study, to be looked for when the lock was let go of."""
        if self._server is not None:
            self._signature = f"{self._server.driver}, {secrets.token_hex(8)}"
            self._storage.set_study_user_attr(self._study_id, _DRIVER, self._signature)

    def _check_signature(self) -> None:
        found = self._storage.get_study_user_attrs(self._study_id).get(_DRIVER, "nobody")
        if found != self._signature:
            self.close()  # the lock is the other's to have
            raise StoreError(
                f"the study in {self.shown} must have one driver at a time, but while the "
                f"connection was lost {found.split(',')[0]} took it; run the same command again "
                "when that one has ended"
            )

    def _run(self, work: Callable[[bool], T]) -> T:
        """Do it; again when the connection was lost and is back.

        Args:
            work: One transaction; told whether it may have been done before.
        """
        again = False
        while True:
            self._guard()
            try:
                if again:
                    self._check_signature()
                return work(again)
            except _FAILURES as error:
                if self._server is None or not self._server.lost(error):
                    raise self._store_error(error) from error
                self._server.open(self._storage.engine, error)
                again = True

    def _store_error(self, error: BaseException) -> StoreError:
        if isinstance(error, LockHeld):
            return StoreError(
                f"a sweep must have one driver, but {error} runs the study `{self._name}` in "
                f"{self.shown}; wait for it (a lost host lets go after {LOST_SECONDS} s), or "
                "give this sweep another `--name`"
            )
        return StoreError(f"the study's database {self.shown} {sentence(error)}")


def _parsed(url: str) -> sqlalchemy.engine.URL:
    try:
        return sqlalchemy.engine.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:  # not shown: may hold a password
        raise StoreError(
            "`--study` must be a URL as SQLAlchemy takes it, such as sqlite:///FILE or "
            "postgresql://USER@HOST/DATABASE, but got another text; write an @ in a password as %40"
        ) from error


def _open_storage(url: sqlalchemy.engine.URL, shown: str, server: StudyServer | None) -> RDBStorage:
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
    for suffix in ("", "-wal", "-shm", "-journal"):  # SQLite itself would follow a link
        check_no_link(path.with_name(path.name + suffix))
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
