"""Where does the study live, and what may go wrong there.

An Optuna study in any database that SQLAlchemy reaches. SQLite runs in WAL mode with
``synchronous=NORMAL``: a killed process loses nothing that was written, and a write costs well
under a millisecond; only a power cut may lose the last writes. (WAL needs a local disk: put a
study that several machines write to into a server such as PostgreSQL.)

Every method but `fail` writes one transaction, and every failure of the database is one sentence.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from raysearch.errors import StoreError

__all__ = ["REASON", "StudyDatabase"]

REASON = "reason"
"""Attribute of a failed trial."""
_BUSY_SECONDS = 5.0
"""How long a write waits for another program's write to end."""
_SENTENCES = {
    "is locked": "is locked by another program: end that one, then run the same command again",
    "readonly": "must be writable, but is read-only",
    "is full": "cannot be written, the disk is full: make room, then run the same command again",
    "unable to open": "cannot be opened: does its folder exist, and may it be written to?",
    "not a database": "must be a database, but is another kind of file or damaged",
    "malformed": "must be a database, but is damaged: restore it from a copy",
}
"""Part of a database's own message to what to tell the user."""


class StudyDatabase:
    """One study in a database; creates both where they are missing.

    Args:
        url: SQLAlchemy URL.
        name: Name of the study.
        direction: ``maximize`` or ``minimize``, used when the study is created.

    Raises:
        StoreError: The database cannot be used; every method may raise it too.
    """

    def __init__(self, url: str, name: str, direction: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._shown = url
        with self._sentences():
            parsed = sqlalchemy.engine.make_url(url)
            self._shown = parsed.render_as_string(hide_password=True)
            self._storage = _open_storage(parsed, self._shown)
            try:
                self._study_id = self._create_or_find(name, StudyDirection[direction.upper()])
            except BaseException:
                self.close()
                raise

    def attributes(self) -> dict[str, Any]:
        """What the study says of itself."""
        with self._sentences():
            return self._storage.get_study_user_attrs(self._study_id)

    def set_attribute(self, key: str, value: Any) -> None:
        """Write one attribute of the study."""
        with self._sentences():
            self._storage.set_study_user_attr(self._study_id, key, value)

    def trials(self) -> list[FrozenTrial]:
        """All trials with all that is written about them, in order of number."""
        with self._sentences():
            found = self._storage.get_all_trials(self._study_id, deepcopy=False)
        return sorted(found, key=lambda trial: trial.number)

    def create(self, template: FrozenTrial) -> int:
        """Create a running trial, complete with parameters and attributes; returns its id.

        Raises:
            StoreError: Also when the trial did not get the template's number: somebody else
                writes to the study.
        """
        with self._sentences():
            trial_id = self._storage.create_new_trial(self._study_id, template)
            found = self._storage.get_trial_id_from_study_id_trial_number(
                self._study_id, template.number
            )
        if found != trial_id:
            raise StoreError(
                f"the study in {self._shown} must have one driver at a time, but another wrote "
                f"trial {template.number}; end that one, then run the same command again"
            )
        return trial_id

    def trial_id(self, number: int) -> int:
        """The database's id of a trial."""
        with self._sentences():
            return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def trial(self, trial_id: int) -> FrozenTrial:
        """A trial with all that is written about it."""
        with self._sentences():
            return self._storage.get_trial(trial_id)

    def trial_attributes(self, trial_id: int) -> dict[str, Any]:
        """What is written about a trial."""
        with self._sentences():
            return self._storage.get_trial_user_attrs(trial_id)

    def set_trial_attribute(self, trial_id: int, key: str, value: Any) -> None:
        """Write one attribute of a trial that is running."""
        with self._sentences():
            self._storage.set_trial_user_attr(trial_id, key, value)

    def set_intermediate(self, trial_id: int, rung: int, value: float) -> None:
        """Write the objective of a running trial at a rung."""
        with self._sentences():
            self._storage.set_trial_intermediate_value(trial_id, rung, value)

    def tell(self, trial_id: int, state: TrialState, values: Sequence[float] | None) -> None:
        """End a trial as COMPLETE or PRUNED."""
        with self._sentences():
            self._storage.set_trial_state_values(trial_id, state, values)

    def fail(self, trial_id: int, reason: str) -> None:
        """End a trial as FAIL; the reason is written first, in a transaction of its own."""
        with self._sentences():
            self._storage.set_trial_user_attr(trial_id, REASON, reason)
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def close(self) -> None:
        """Close every connection."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _create_or_find(self, name: str, direction: StudyDirection) -> int:
        try:
            return self._storage.get_study_id_from_name(name)
        except KeyError:
            return self._storage.create_new_study([direction], name)

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
            raise StoreError(f"the study's database {self._shown} {_sentence(error)}") from error


def _open_storage(url: sqlalchemy.engine.URL, shown: str) -> RDBStorage:
    options: dict[str, Any] = {}
    path = url.database
    if url.get_backend_name() == "sqlite" and path and path != ":memory:":
        options["creator"] = lambda: _connect_sqlite(path)
    try:
        return RDBStorage(
            url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}"),
            engine_kwargs=options,
        )
    except ImportError as error:
        raise StoreError(
            f"the study's database {shown} needs a driver that is not installed: {error.__cause__}"
        ) from error
    except RuntimeError as error:
        raise StoreError(
            f"the study's database {shown} must have the schema of optuna {optuna.__version__}, "
            "but another version made it; install that version, or take another database"
        ) from error


def _connect_sqlite(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _sentence(error: BaseException) -> str:
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    text = str(root)
    for part, sentence in _SENTENCES.items():
        if part in text:
            return sentence
    return f"cannot be used: {text.splitlines()[0] if text else type(root).__name__}"
