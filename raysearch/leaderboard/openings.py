"""When was data opened that no selection may see, by whom, and what was read?

``<sweep>/openings/<role>.<cell of a trial>.<token>.json`` is one opening. It is there, as *begun*,
before the data is opened, and holds the reading once there is one; it is never removed. So who
was killed after reading leaves a trace, and a reading whose row is lost or damaged is written
anew from here: the data need not be opened for it again. The row says how many openings of its
cell there were.

Each file holds a digest of itself. What does not fit it still counts as an opening.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from raysearch.errors import StoreError
from raysearch.leaderboard.store import Store
from raysearch.storage import BRIEF, LASTING, UnansweredError, open_storage
from raysearch.storage.folder_lock import this_process
from raysearch.storage.place import join
from raysearch.storage.whole import is_full
from raysearch.trial import Trial

__all__ = ["OPENINGS", "Opening", "Openings", "count_of", "counts_in", "readings_of"]

OPENINGS = "openings"
"""Provenance of a reading: how often the data was opened for its cell. Also the folder's name."""
ROOM_BYTES = 1 << 20
"""Taken on a disk before data is opened, so that there is room for what will be read."""
_CURE = (
    "move it away and run the same `raysearch evaluate` again, which writes its readings anew from "
    f"the records in {OPENINGS}/ and opens no data for them"
)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """One opening of a role's data for one cell of a trial.

    Attributes:
        role: ``test``, or the role of an oracle.
        trial: `Trial.id`: number and cell.
        token: Tells openings of one cell apart.
        began: When, ISO 8601; empty where the record is damaged.
        by: The process that opened it, and its host.
        what: What for: ``scores``, or the measure of a study.
        weights: SHA-256 of the weights that it was opened for; empty where that is not known.
        finished: When what it was opened for was done; empty where it was cut off.
        reading: What was read; None where nothing was kept.
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
    reading: Trial | None = None
    damaged: bool = False

    @property
    def rows(self) -> str:
        """Where its reading's row lies, for `readings_of`."""
        return "test" if self.role == "test" else "oracle"

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.role}.{self.trial}.{self.token}.json"


class Openings:
    """The openings of one sweep; one process at a time writes.

    Args:
        folder: The sweep's folder or URI.
        make: Whether it will be written to.

    Raises:
        StoreError: There is no such place; every method may raise it too.
    """

    def __init__(self, folder: str, *, make: bool = False) -> None:
        self.place = join(folder, OPENINGS)
        self._storage = open_storage(self.place, make=make, patience=LASTING if make else BRIEF)

    def all(self, role: str | None = None) -> list[Opening]:
        """Every opening, or those of a role, in order of time."""
        with self._sentences("read"):
            names = [file.name for file in self._storage.files()]
            found = [self._read(name) for name in names if name.endswith(".json")]
        chosen = [item for item in found if item is not None and role in (None, item.role)]
        return sorted(chosen, key=lambda item: (item.began, item.name))

    def begin(self, trial: Trial, role: str, *, what: str, weights: str) -> Opening:
        """Record that the data is about to be opened, and take the room for what will be read.

        Raises:
            StoreError: Neither can be written: the data must stay closed.
        """
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
                    self._storage.write(_room(role), [os.urandom(ROOM_BYTES)])  # does not shrink
                self._write(opening)
            except BaseException:
                self._storage.remove(_room(role))
                raise
        return opening

    def finish(self, opening: Opening, reading: Trial | None = None) -> None:
        """Put the end, and what was read if it is to be kept, into the record of an opening."""
        with self._sentences("written"):
            self._storage.remove(_room(opening.role))
            self._write(replace(opening, finished=_now(), reading=reading))

    def _write(self, opening: Opening) -> None:
        reading = opening.reading
        text = None if reading is None else reading.to_json()
        record = {**asdict(replace(opening, reading=None)), "reading": text}
        self._storage.write(opening.name, [_sealed(record).encode()])

    def _read(self, name: str) -> Opening | None:
        """The opening; None when it is no longer there, or of no name of ours."""
        role, _, rest = name.removesuffix(".json").partition(".")
        trial, _, token = rest.rpartition(".")
        if not (role and trial and token):
            return None
        try:
            with self._storage.open(name) as file:
                record = _unsealed(file.read())
            text = record.pop("reading")
            opening = Opening(**record, reading=None if text is None else Trial.from_json(text))
            if opening.name != name:
                raise ValueError(f"it is of {opening.name}")
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, StoreError):
            return Opening(role=role, trial=trial, token=token, damaged=True)
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
                f"`{self._storage.place}` must be {done}, but {what}; {cure}, then run the same "
                "command again"
            ) from error


def _room(role: str) -> str:
    return f".{role}.room"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def readings_of(folder: str, name: str = "test") -> Store:
    """The rows of what was read for a sweep's trials: ``test``, or ``oracle``."""
    return Store(join(folder, name), _CURE)


def count_of(reading: Trial) -> int:
    """How often the data was opened for a reading's cell; 1 where the row does not say."""
    return _count(reading.provenance.get(OPENINGS))


def counts_in(rows: pa.Table) -> list[tuple[int, int]]:
    """Trial's number and `count_of` of each row of readings."""
    trials, column = rows.column("trial").to_pylist(), f"provenance/{OPENINGS}"
    if column not in rows.column_names:
        return [(trial, 1) for trial in trials]
    return list(zip(trials, map(_count, rows.column(column).to_pylist()), strict=True))


def _count(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 1


def _sealed(record: dict[str, Any]) -> str:
    return json.dumps({"opening": record, "sha256": _digest(record)}, indent=1) + "\n"


def _unsealed(data: bytes) -> dict[str, Any]:
    found = json.loads(data)
    record: dict[str, Any] = found["opening"]
    if _digest(record) != found["sha256"]:
        raise ValueError("it has another digest")
    return record


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
