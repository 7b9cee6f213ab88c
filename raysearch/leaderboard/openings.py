"""Records each opening of data that no selection may see: when, by whom, and what was read.

``<sweep>/openings/<role>.<cell of a trial>.<token>.json`` is one opening. It is written, as
*begun*, before the data is opened, later holds the reading, and is never removed. So a process that
was killed after reading leaves a trace, and a reading whose row is lost or damaged is restored from
here without opening the data again. The row says how often its cell was opened.

Each file contains a digest of itself. A file that does not match still counts as an opening.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from raysearch.errors import StoreError
from raysearch.json_text import read_json
from raysearch.leaderboard.row_check import schema_faults, value_faults
from raysearch.leaderboard.schema import (
    CURVE_COLUMNS,
    TRIAL_COLUMNS,
    curve_rows,
    read_trials,
    trial_rows,
)
from raysearch.leaderboard.store import Store
from raysearch.run import Cell, Run
from raysearch.seal import is_sealed, seal, unseal
from raysearch.storage import RETRY_LONG, RETRY_SHORT, UnansweredError, open_storage
from raysearch.storage.locks import this_process
from raysearch.storage.uri import join
from raysearch.storage.whole import is_full

__all__ = [
    "OPENINGS",
    "SCORES",
    "Opening",
    "Openings",
    "Readings",
    "count_of",
    "counts_in",
    "readings_of",
]

OPENINGS = "openings"
"""Provenance of a reading: how often its cell's data was opened. Also the folder's name."""
SCORES = "scores"
"""Purpose of `raysearch evaluate`; a study's measure has a name of its own."""
ROOM_BYTES = 1 << 20
"""Reserved on disk before data is opened, so that there is space for what will be read."""
_MOST_DIGITS = 9
"""Most digits of a count; a longer text is not ours."""
_TEXTS = ("role", "trial", "token", "began", "by", "what", "weights", "finished")
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    KeyError,
    NotImplementedError,  # of Arrow, about a type
    RecursionError,
    TypeError,
    ValueError,
)
"""Errors of reading a record that somebody may have crafted."""
_CURE = (
    "move it away and run the same `raysearch evaluate` again, which writes its rows anew from "
    f"the records in {OPENINGS}/ and opens no data for them"
)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """One opening of a role's data for one cell of a trial.

    Attributes:
        role: ``test``, or the role of an oracle.
        trial: `Run.id`: number and cell.
        token: Distinguishes openings of one cell.
        began: Start, ISO 8601; empty if the record is damaged.
        by: The process that opened it, and its host.
        what: Purpose: ``scores``, or the measure of a study.
        weights: SHA-256 of the weights that it was opened for; empty if unknown.
        finished: End of the purpose, ISO 8601; empty if it was interrupted.
        reading: What was read; None if nothing was kept.
        damaged: Whether the record cannot be read; then nothing else of it is known.
    """

    role: str
    trial: str
    token: str
    began: str = ""
    by: str = ""
    what: str = ""
    weights: str = ""
    finished: str = ""
    reading: Run | None = None
    damaged: bool = False

    @property
    def rows(self) -> str:
        """Name of the readings that its row belongs to, as for `readings_of`."""
        return "test" if self.role == "test" else "oracle"

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.role}.{self.trial}.{self.token}.json"


class Openings:
    """The openings of one sweep; one process at a time writes.

    Args:
        folder: The sweep's folder or URI.
        guard: The writer's check: raises StoreError when another process may write there too.

    Raises:
        StoreError: The folder does not exist; every method may raise it too.
    """

    def __init__(self, folder: str, guard: Callable[[], None] | None = None) -> None:
        self.folder, self._guard = join(folder, OPENINGS), guard or _reader
        make = guard is not None
        self._storage = open_storage(
            self.folder, make=make, retry=RETRY_LONG if make else RETRY_SHORT
        )

    def all(self, role: str | None = None) -> list[Opening]:
        """Every opening, or those of a role, in order of time."""
        with self._sentences("read"):
            named = self._named()
            files = {file.name for file in self._storage.files()}  # excludes pipes, which block
            found = [self._read(item) if item.name in files else item for item in named]
        chosen = [item for item in found if item is not None and role in (None, item.role)]
        return sorted(chosen, key=lambda item: (item.began, item.name))

    def counts(self) -> Counter[tuple[str, str]]:
        """How often data was opened, by `Opening.rows` and `Run.id`; nothing is read."""
        with self._sentences("read"):
            return Counter((item.rows, item.trial) for item in self._named())

    def begin(self, trial: Run, role: str, *, what: str, weights: str) -> Opening:
        """Record that the data is about to be opened, and reserve space for what will be read.

        Raises:
            StoreError: Neither can be written, or another process may write here too: the data
                must stay closed.
        """
        self._guard()
        opening = Opening(
            role=role,
            trial=trial.id,
            token=secrets.token_hex(4),
            began=_now(),
            by=this_process(),
            what=what,
            weights=weights,
        )
        with self._sentences("written before the data is opened, which it was not"):
            try:
                if self._storage.free_bytes() is not None:
                    self._storage.write(_room(role), [os.urandom(ROOM_BYTES)])  # incompressible
                self._write(opening)
                self._guard()  # the last check before the data is opened
            except BaseException:
                self._storage.remove(_room(role))
                self._storage.remove(opening.name)
                raise
        return opening

    def finish(self, opening: Opening, reading: Run | None = None) -> None:
        """Record the end of an opening, and what was read if it is to be kept.

        Raises:
            StoreError: It cannot be written, or another process may write here too.
        """
        self._guard()
        with self._sentences("written"):
            self._storage.remove(_room(opening.role))
            self._write(replace(opening, finished=_now(), reading=reading))

    def put_back(self, opening: Opening) -> None:
        """Write the record of an opening again if it was removed: the data was opened.

        The name is unique, so another writer's files are not affected.
        """
        with self._sentences("written"):
            if not self._storage.exists(opening.name):
                self._write(opening)

    def _write(self, opening: Opening) -> None:
        reading = opening.reading
        text = None if reading is None else reading.to_json()
        record = {**asdict(replace(opening, reading=None)), "reading": text}
        self._storage.write(opening.name, [_sealed(record).encode()])

    def _named(self) -> list[Opening]:
        """An opening for every name of ours, marked as damaged whatever the file holds."""
        found = []
        for file in self._storage.tree():
            name = file.name
            role, _, rest = name.removesuffix(".json").partition(".")
            trial, _, token = rest.rpartition(".")
            ours = name.endswith(".json") and "/" not in name and _is_line(name)
            if ours and role and trial and token:
                found.append(Opening(role=role, trial=trial, token=token, damaged=True))
        return found

    def _read(self, named: Opening) -> Opening | None:
        """The opening with a name; None if it no longer exists."""
        try:
            with self._storage.open(named.name) as file:
                opening = _parsed(_unsealed(file.read()))
            if opening.name != named.name:
                raise ValueError(f"it is of {opening.name}")
        except FileNotFoundError:
            return None
        except (StoreError, *_DAMAGE):
            return named
        return opening

    @contextmanager
    def _sentences(self, done: str) -> Iterator[None]:
        try:
            yield
        except UnansweredError as error:
            raise StoreError(str(error)) from error
        except OSError as error:
            full = is_full(error)
            what = "the disk is full" if full else str(error.strerror or error)
            cure = "free some space" if full else "mend it"
            raise StoreError(
                f"`{self._storage.uri}` must be {done}, but {what}; {cure}, then run the same "
                "command again"
            ) from error


class Readings(Store):
    """The readings of a sweep's trials, each with the number of openings of its data.

    The number is the larger of the row's and that of `Openings`: a row is written once, and the
    data may be opened again after it, for the measure of a study.

    Args:
        folder: The sweep's folder or URI.
        name: ``test``, or ``oracle``.
    """

    def __init__(self, folder: str, name: str) -> None:
        super().__init__(join(folder, name), _CURE)
        self._sweep, self._name = folder, name

    def table(self) -> pa.Table:
        """See `Store.table`; ``provenance/openings`` has the counts."""
        return self._counted(super().table())

    def rows_as_written(self) -> list[Run]:
        """As `Store.trials`, with the counts in the rows themselves."""
        return read_trials(super().table(), self.curves())

    def _counted(self, rows: pa.Table) -> pa.Table:
        opened = Openings(self._sweep).counts()
        ids = [
            Cell(task, seed).id_of(number)
            for number, task, seed in zip(
                *(rows.column(name).to_pylist() for name in ("trial", "task", "seed")), strict=True
            )
        ]
        counts = [count for _, count in counts_in(rows)]
        most = [max(n, opened[self._name, id_]) for n, id_ in zip(counts, ids, strict=True)]
        if most == counts:
            return rows
        column, values = f"provenance/{OPENINGS}", pa.array([str(n) for n in most], pa.string())
        if column in rows.column_names:
            return rows.set_column(rows.column_names.index(column), column, values)
        return rows.append_column(column, values)


def _reader() -> None:
    raise TypeError("whoever writes openings must be alone, and know it")


def _room(role: str) -> str:
    return f".{role}.room"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def readings_of(folder: str, name: str = "test") -> Readings:
    """The readings of a sweep's trials: ``test``, or ``oracle``."""
    return Readings(folder, name)


def count_of(reading: Run) -> int:
    """How often a reading's cell was opened; 1 if the row does not say."""
    return _count(reading.provenance.get(OPENINGS))


def counts_in(rows: pa.Table) -> list[tuple[int, int]]:
    """Trial number and `count_of` of each reading."""
    trials, column = rows.column("trial").to_pylist(), f"provenance/{OPENINGS}"
    if column not in rows.column_names:
        return [(trial, 1) for trial in trials]
    return list(zip(trials, map(_count, rows.column(column).to_pylist()), strict=True))


def _count(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) <= _MOST_DIGITS else 1


def _sealed(record: dict[str, Any]) -> str:
    return json.dumps(seal(record), indent=1) + "\n"


def _unsealed(data: bytes) -> dict[str, Any]:
    found = read_json(data)
    if not is_sealed(found):
        raise ValueError("it has no seal")
    return unseal(found)


def _is_line(value: object) -> bool:
    """Whether it is text that a terminal shows unchanged."""
    return isinstance(value, str) and value.isprintable()


def _parsed(record: dict[str, Any]) -> Opening:
    """The opening of a record, which anybody can write and seal.

    Raises:
        One of `_DAMAGE`, or StoreError: It is malformed.
    """
    text = record.pop("reading")
    reading = None if text is None else Run.from_json(text)
    opening = Opening(**record, reading=reading)
    texts = {name: getattr(opening, name) for name in _TEXTS}
    if wrong := [name for name, value in texts.items() if not _is_line(value)]:
        raise ValueError(f"{', '.join(wrong)} must be a text of one line")
    if opening.damaged is not False:
        raise ValueError("it says that it is damaged")
    if reading is not None:
        if reading.id != opening.trial:
            raise ValueError(f"its result is of {reading.id}")
        row, reports = trial_rows(reading), curve_rows(reading)
        for table, base in ((row, TRIAL_COLUMNS), (reports, CURVE_COLUMNS)):
            if faults := (*schema_faults(table.schema, base, None), *value_faults(table)):
                raise ValueError("; ".join(faults))
    return opening
