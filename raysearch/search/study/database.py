"""A sweep's study: an Optuna study in a database, verified on every read.

Any database that SQLAlchemy supports will do (`raysearch.search.study.connection`). A study on
a server (PostgreSQL) can be driven from any machine, one at a time:
`raysearch.search.study.server` has the lock and the handling of lost connections.

Every change of a trial is two transactions, its seal (`raysearch.search.study.seal`) and the change
itself; every database failure becomes one sentence. A study in which a single bit has changed
is refused.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import optuna
import sqlalchemy
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from raysearch.errors import StoreError, quoted
from raysearch.seal import digest_of, is_sealed, seal, unseal
from raysearch.search.study.connection import (
    check_file_url,
    driver_url,
    first_line,
    is_locked,
    open_database,
    parsed_url,
    sentence,
)
from raysearch.search.study.lock import Guard, unguarded
from raysearch.search.study.seal import (
    SEAL,
    Content,
    content_of,
    end_of,
    ended_by_another,
    is_intact,
    sealed,
)
from raysearch.search.study.server import LOST_SECONDS, ConnectionLost, LockHeld, StudyServer
from raysearch.storage.retry import RETRY_LONG
from raysearch.storage.uri import shown_url

__all__ = ["REASON", "DamagedStudyError", "StudyDatabase"]

_log = logging.getLogger(__name__)
REASON = "reason"
"""Attribute of a failed trial."""
_DRIVER = "driver"
"""Attribute of a study on a server: the driver that opened it last."""
_ATTRIBUTE, _VALUE = "attribute", "attribute_value"
"""Keys of a study's sealed attribute: its name, and its value if that is not an object."""
_LOOKS, _PAUSE_SECONDS = 3, 0.1
"""Reads that must find a trial damaged, and the wait between them."""
_FAILURES = (
    optuna.exceptions.StorageInternalError,
    sqlalchemy.exc.SQLAlchemyError,
    ConnectionLost,
    LockHeld,
)
_UNREADABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RecursionError,
)
"""Errors of Optuna and SQLAlchemy on values that they did not write."""
T = TypeVar("T")


class DamagedStudyError(StoreError):
    """The study's content is not what was written.

    Args:
        why: What is wrong, as a clause.
        url: The study's URL without secrets; empty if the caller does not know it.
    """

    def __init__(self, why: str, url: str = "") -> None:
        where = f" in {url}" if url else ""
        super().__init__(
            f"the study{where} must be as it was written, but is damaged: {why}; move "
            "the database away, or name another with --study, and `python -m raysearch recover` "
            "makes the study anew from the rows"
        )


class StudyDatabase:
    """One study in a database; creates both if they are missing.

    Args:
        url: SQLAlchemy URL.
        name: Name of the study.
        direction: ``maximize`` or ``minimize``; None to open an existing study.
        on_wait: Called with one sentence when a lost server or a file locked by another
            program is waited for, and when it is back.
        guard: Called before each transaction.

    Raises:
        StoreError: The database cannot be used; every method may raise it too.
    """

    def __init__(
        self,
        url: str,
        name: str,
        direction: str | None,
        on_wait: Callable[[str], None] = _log.warning,
        guard: Guard = unguarded,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.shown, self._name = "`--study`", name
        """The URL without its secrets."""
        self._guard, self._on_wait = guard, on_wait
        self._server: StudyServer | None = None
        self._contents: dict[int, Content] = {}
        """Trial's id to its written content, for trials that may change."""
        try:
            parsed = driver_url(parsed_url(url))
            self.shown = shown_url(parsed.render_as_string(hide_password=False))
            if parsed.get_backend_name() == "sqlite":
                check_file_url(url)
            else:
                self._server = StudyServer(parsed, name, on_wait)
            self._patiently(lambda: self._open(parsed, direction))
        except _FAILURES as error:
            raise self._store_error(error) from error
        except _UNREADABLE as error:
            raise self.damaged(f"it cannot be read ({first_line(error)})") from error

    def _open(self, url: sqlalchemy.engine.URL, direction: str | None) -> None:
        self._storage = open_database(url, self.shown, self._server)
        try:
            if self._server is None:
                self._check_pages()
            self._study_id = self._open_study(self._name, direction)
            self._sign()
        except BaseException:
            self.close()
            raise

    def check_direction(self, direction: str) -> None:
        """Refuse a study whose direction is not the sweep's."""
        (found,) = self._read(lambda again: self._storage.get_study_directions(self._study_id))
        if found.name.lower() != direction:
            raise self.damaged(f"it is to {found.name.lower()}, and the sweep to {direction}")

    def attributes(self) -> dict[str, Any]:
        """The study's attributes."""
        found = self._read(lambda again: self._storage.get_study_user_attrs(self._study_id))
        return {key: self._unsealed(key, value) for key, value in found.items()}

    def set_attribute(self, key: str, value: Any) -> None:
        """Write an attribute of the study, with its seal."""
        fields = value if isinstance(value, dict) else {_VALUE: value}
        record = seal({**fields, _ATTRIBUTE: key})
        self._read(lambda again: self._storage.set_study_user_attr(self._study_id, key, record))

    def trials(self) -> list[FrozenTrial]:
        """All trials with their content, in order of number."""
        found = self._all()
        for _ in range(_LOOKS):  # Optuna reads in several steps; a driver may write in between
            damaged = [trial for trial in found if not self._read(partial(_intact, trial))]
            if not damaged:
                break
            time.sleep(_PAUSE_SECONDS)
            found = self._all()
        self._check(damaged)
        for number, trial in enumerate(found):
            if trial.number != number:
                raise self.damaged(f"it has no trial {number} and a later one")
        return found

    def _all(self) -> list[FrozenTrial]:
        found = self._read(
            lambda again: self._storage.get_all_trials(self._study_id, deepcopy=False)
        )
        return sorted(found, key=lambda trial: trial.number)

    def create(self, template: FrozenTrial) -> int:
        """Create a trial with its parameters and attributes; returns its id.

        Raises:
            StoreError: Also when the trial's number is not the template's: somebody else
                writes to the study.
        """
        template = sealed(template)

        def create(again: bool) -> tuple[int, int]:
            if again:  # the transaction may have committed, and only its response was lost
                found = self._storage.get_all_trials(self._study_id, deepcopy=False)
                if len(found) > template.number:
                    same = found[template.number].user_attrs == template.user_attrs
                    trial_id = found[template.number]._trial_id
                    return trial_id, trial_id if same else -1
            return self._storage.create_new_trial(self._study_id, template), self._id_of(
                template.number
            )

        trial_id, found = self._read(create)
        if found != trial_id:
            if found != -1:
                self._seal_anew(trial_id)
            raise StoreError(
                f"the study in {self.shown} must have one driver at a time, but another wrote "
                f"trial {template.number}; end that one, then run the same command again"
            )
        return trial_id

    def _seal_anew(self, trial_id: int) -> None:
        """Reseal a trial whose number another driver's trial has changed."""
        seals = [digest_of(content_of(self._read(lambda again: self._storage.get_trial(trial_id))))]
        self._read(lambda again: self._storage.set_trial_user_attr(trial_id, SEAL, seals))

    def trial_id(self, number: int) -> int:
        """The trial's id in the database."""
        return self._read(lambda again: self._id_of(number))

    def trial(self, trial_id: int) -> FrozenTrial:
        """A trial with its content."""
        found = self._read(lambda again: self._storage.get_trial(trial_id))
        if not self._read(partial(_intact, found)):
            self._check([found])
        return found

    def set_trial_attribute(self, trial_id: int, key: str, value: Any) -> None:
        """Write an attribute of a running trial."""
        content = self._content(trial_id)
        after = {**content, "attributes": {**content["attributes"], key: value}}
        write = self._storage.set_trial_user_attr
        self._change(trial_id, content, after, lambda again: write(trial_id, key, value))

    def set_intermediate(self, trial_id: int, rung: int, value: float) -> None:
        """Write the objective of a running trial at a rung."""
        content = self._content(trial_id)
        after = {**content, "reports": {**content["reports"], str(rung): float(value) + 0.0}}
        write = self._storage.set_trial_intermediate_value
        self._change(trial_id, content, after, lambda again: write(trial_id, rung, value))

    def tell(self, trial_id: int, state: TrialState, values: Sequence[float] | None) -> None:
        """End a trial."""

        def tell(again: bool) -> None:
            if not (again and self._storage.get_trial(trial_id).state.is_finished()):
                self._storage.set_trial_state_values(trial_id, state, values)

        content = self._content(trial_id)
        self._change(trial_id, content, {**content, **end_of(state, values)}, tell)
        self._contents.pop(trial_id)

    def fail(self, trial_id: int, reason: str) -> None:
        """End a trial as FAIL; the reason is written first."""
        self.set_trial_attribute(trial_id, REASON, reason)
        self.tell(trial_id, TrialState.FAIL, None)

    def start_over(self) -> None:
        """Delete the study and create it again, empty."""
        try:
            (direction,) = self._storage.get_study_directions(self._study_id)
            self._storage.delete_study(self._study_id)
            self._contents.clear()
            self._study_id = self._storage.create_new_study([direction], self._name)
            self._sign()
        except _FAILURES as error:
            raise self._store_error(error) from error

    def withdraw(self) -> None:
        """Delete the study, which is new and empty."""
        try:
            self._storage.delete_study(self._study_id)
        except _FAILURES as error:
            raise self._store_error(error) from error

    def beside(self) -> tuple[str, ...]:
        """Names of the other studies in the same file; none for a server, which is shared."""
        if self._server is not None:
            return ()
        found = self._read(lambda again: self._storage.get_all_studies())
        return tuple(study.study_name for study in found if study.study_name != self._name)

    def close(self) -> None:
        """Close every connection."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _open_study(self, name: str, direction: str | None) -> int:
        try:
            return self._storage.get_study_id_from_name(name)
        except KeyError as error:
            if direction is None:
                raise StoreError(f"{self.shown} has no study of the name `{name}`") from error
            return self._storage.create_new_study([StudyDirection[direction.upper()]], name)

    def _check_pages(self) -> None:
        """Have SQLite check its pages and indexes."""
        with self._storage.engine.connect() as connection:
            said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
            lost = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if said != "ok":
            raise self.damaged(str(said).splitlines()[-1])  # the first line is a heading
        if lost is not None:
            raise self.damaged(f"a row of {lost[0]} belongs to nothing")

    def _content(self, trial_id: int) -> Content:
        if trial_id not in self._contents:
            self._contents[trial_id] = content_of(self.trial(trial_id))
        return self._contents[trial_id]

    def _change(
        self, trial_id: int, before: Content, after: Content, work: Callable[[bool], None]
    ) -> None:
        """Seal the current and the future content, then make the change."""
        self._contents.pop(trial_id, None)  # unknown if this fails
        seals = [digest_of(before), digest_of(after)]
        try:
            self._run(lambda again: self._storage.set_trial_user_attr(trial_id, SEAL, seals))
            self._run(work)
        except (optuna.exceptions.UpdateFinishedTrialError, KeyError) as error:
            self.trial(trial_id)  # its error says what happened to the trial
            raise self.damaged(f"another program writes to it ({first_line(error)})") from error
        self._contents[trial_id] = after

    def _read(self, work: Callable[[bool], T]) -> T:
        """Call `work`; turns values that cannot be understood into one sentence."""
        try:
            return self._run(work)
        except KeyError as error:
            raise self.damaged(f"some of it was removed ({first_line(error)})") from error
        except _UNREADABLE as error:
            raise self.damaged(f"it cannot be read ({first_line(error)})") from error

    def _unsealed(self, key: str, value: Any) -> Any:
        """An attribute of the study; older versions wrote it without a seal."""
        if not isinstance(value, dict) or not is_sealed(value):
            return value
        try:
            record = unseal(value)
        except (ValueError, RecursionError) as error:
            raise self.damaged(f"its attribute {quoted(key)}: {error}") from error
        if record.pop(_ATTRIBUTE, None) != key:
            raise self.damaged(f"its attribute {quoted(key)} is that of another name")
        return record[_VALUE] if record.keys() == {_VALUE} else record

    def _check(self, damaged: Sequence[FrozenTrial]) -> None:
        foreign = [trial for trial in damaged if ended_by_another(trial)]
        for trial in foreign[:1]:
            raise self.damaged(
                f"trial {trial.number} was ended as {trial.state.name} by another program, such as "
                "optuna-dashboard, and only its sweep may end it"
            )
        if damaged:
            numbers = ", ".join(str(trial.number) for trial in damaged[:5])
            numbers += ", …" if len(damaged) > 5 else ""
            raise self.damaged(f"the seal of trial {numbers} is of other content")

    def damaged(self, why: str) -> DamagedStudyError:
        """The error for a damaged study."""
        return DamagedStudyError(why, self.shown)

    def _id_of(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _sign(self) -> None:
        """Record who drives the study, to be checked when the lock was lost."""
        if self._server is not None:
            self._signature = f"{self._server.driver}, {secrets.token_hex(8)}"
            self._storage.set_study_user_attr(self._study_id, _DRIVER, self._signature)

    def _check_signature(self) -> None:
        found = self._storage.get_study_user_attrs(self._study_id).get(_DRIVER, "nobody")
        if found != self._signature:
            self.close()  # so that the other driver can take the lock
            raise StoreError(
                f"the study in {self.shown} must have one driver at a time, but while the "
                f"connection was lost {found.split(',')[0]} took it; run the same command again "
                "when that one has ended"
            )

    def _run(self, work: Callable[[bool], T]) -> T:
        """Call `work`; again when the connection was lost and is back.

        Args:
            work: One transaction; its argument says whether it may have run before.
        """
        again = False
        while True:
            self._guard()
            try:
                if again:
                    self._check_signature()
                return self._patiently(partial(work, again))
            except _FAILURES as error:
                if self._server is None or not self._server.lost(error):
                    raise self._store_error(error) from error
                self._server.open(self._storage.engine, error)
                again = True

    def _patiently(self, work: Callable[[], T]) -> T:
        """Call `work`; retry while another program, such as a backup, has the file locked."""
        began, warned = time.monotonic(), False
        while True:
            try:
                found = work()
            except _FAILURES as error:
                waited = time.monotonic() - began
                if self._server is not None or waited > RETRY_LONG.seconds or not is_locked(error):
                    raise
                if not warned:
                    self._on_wait(
                        f"the study's database {self.shown} is locked by another program; trying "
                        f"again for {RETRY_LONG.seconds / 60:g} minutes"
                    )
                warned = True
                time.sleep(_PAUSE_SECONDS)
                continue
            if warned:
                waited = time.monotonic() - began
                self._on_wait(f"the study's database is free again after {waited:.0f} s")
            return found

    def _store_error(self, error: BaseException) -> StoreError:
        if isinstance(error, LockHeld):
            return StoreError(
                f"a sweep must have one driver, but {error} runs the study `{self._name}` in "
                f"{self.shown}; wait for it (a lost host loses its lock after {LOST_SECONDS} s), "
                "or give this sweep another `--name`"
            )
        return StoreError(f"the study's database {self.shown} {sentence(error)}")


def _intact(trial: FrozenTrial, again: bool) -> bool:
    return is_intact(trial)
