"""Locks on entries of the stage cache: who uses an entry, and who is computing one.

Every process that uses entries has one small file under ``holders/``: the keys that it has
pinned, the keys that it is computing, and a counter that a thread increments while the process
lives. Another process considers a holder dead when the counter has not changed for a given
time *by its own monotonic clock*, so the clocks of two machines are never compared.

A claim is made by writing it and then reading everybody else's: of two concurrent claims at least
one sees the other, and whoever sees another withdraws and retries after a random moment. That needs
neither exclusive creation nor a lock, so it works in a folder and in an object store alike. It
only saves work: two processes that compute a stage at once write the same bytes.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import secrets
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from raysearch.json_text import read_json
from raysearch.names import path_part
from raysearch.storage import Storage

__all__ = ["HeartbeatInterval", "StageLocks"]

_log = logging.getLogger(__name__)
_FOLDER = "holders"


@dataclass(frozen=True, kw_only=True)
class HeartbeatInterval:
    """How often holders write and check, in seconds.

    Attributes:
        beat: Between two signs of life; each writes one small file.
        stale: Silence after which a holder counts as dead; several `beat`, so that a busy
            machine is not mistaken for a dead one.
        look: Between two checks of a process that waits for another.
    """

    beat: float = 5.0
    stale: float = 30.0
    look: float = 1.0


@dataclass(frozen=True)
class _Holder:
    beat: int
    pins: frozenset[str]
    claims: frozenset[str]


class StageLocks:
    """This process's holder file, and its view of the others'.

    Args:
        store: Holds the files.
        pace: How often to write and check.
    """

    def __init__(self, store: Storage, pace: HeartbeatInterval) -> None:
        self._store, self._pace = store, pace
        self._name = f"{path_part(platform.node())}-{os.getpid()}-{secrets.token_hex(4)}.json"
        self._lock = threading.Lock()
        self._pins: Counter[str] = Counter()
        self._claims: set[str] = set()
        self._beat = 0
        self._spoke = time.monotonic()
        self._lapsed: set[str] = set()
        self._ended: threading.Event | None = None
        self._warned = False
        self._seen: dict[str, tuple[int, float]] = {}

    @contextmanager
    def pinned(self, keys: Collection[str]) -> Iterator[None]:
        """Mark the keys as in use inside; cheap if this process has pinned them already."""
        wanted = frozenset(keys)
        self._pin(Counter(wanted))
        try:
            yield
        finally:
            self._pin(Counter(dict.fromkeys(wanted, -1)))

    def claim(self, key: str) -> bool:
        """Claim a key for computing it until `release`; returns whether that succeeded.

        True, too, when the claim cannot be written: the work continues, unshared.
        """
        with self._lock:
            if key in self._claims:
                return False
        if self._claimed_elsewhere(key):
            return False
        with self._lock:
            self._claims.add(key)
            self._tell()
            self._lapsed.discard(key)
        if self._claimed_elsewhere(key):
            self.release(key)
            return False
        return True

    def release(self, key: str) -> None:
        """Give up the claim on a key."""
        with self._lock:
            self._claims.discard(key)
            self._tell()

    def holds(self, key: str) -> bool:
        """Whether the claim on a key is still valid: a silent holder counts as dead.

        A process that was suspended, or whose store did not answer, may not have noticed.
        """
        with self._lock:
            self._look_back()
            return key in self._claims - self._lapsed

    def in_use(self) -> frozenset[str]:
        """Every key that a live process, including this one, has pinned or claimed."""
        with self._lock:
            keys = frozenset(self._pins) | self._claims
        return keys.union(*(holder.pins | holder.claims for holder in self._others()))

    def _pin(self, change: Counter[str]) -> None:
        with self._lock:
            before = set(self._pins)
            self._pins.update(change)
            self._pins = +self._pins  # drops the keys with a count of 0
            if set(self._pins) != before:
                self._tell()

    def _claimed_elsewhere(self, key: str) -> bool:
        return any(key in holder.claims for holder in self._others())

    def _tell(self) -> None:
        """Write the holder file, or remove it when nothing is held; the caller has the lock."""
        if self._pins or self._claims:
            self._write()
            if self._ended is None:
                self._ended = threading.Event()
                thread = threading.Thread(
                    target=self._live, args=(self._ended,), name="stage-cache", daemon=True
                )
                thread.start()
            return
        if self._ended is not None:
            self._ended.set()
            self._ended = None
        with self._excused():
            self._store.remove(f"{_FOLDER}/{self._name}")

    def _live(self, ended: threading.Event) -> None:
        while not ended.wait(self._pace.beat):
            with self._lock:
                if not ended.is_set():
                    self._write()

    def _look_back(self) -> None:
        """Drop all claims after too long a silence; the caller has the lock."""
        if self._ended is not None and time.monotonic() - self._spoke >= self._pace.stale:
            self._lapsed |= self._claims

    def _write(self) -> None:
        self._look_back()
        now = time.monotonic()
        self._beat += 1
        text = json.dumps(
            {"beat": self._beat, "pins": sorted(self._pins), "claims": sorted(self._claims)}
        )
        with self._excused():
            self._store.write(f"{_FOLDER}/{self._name}", [text.encode()], lasting=False)
            self._spoke = now

    def _others(self) -> list[_Holder]:
        """All other live holders; removes the files of dead ones."""
        live = []
        with self._excused():
            names = [file.name for file in self._store.files(_FOLDER)]
            for name in set(names) - {f"{_FOLDER}/{self._name}"}:
                holder = self._read(name)
                if holder is None:
                    continue
                if self._dead(name, holder.beat):
                    self._store.remove(name)
                else:
                    live.append(holder)
            self._seen = {name: self._seen[name] for name in names if name in self._seen}
        return live

    def _read(self, name: str) -> _Holder | None:
        try:
            with self._store.open(name) as file:
                raw = read_json(file.read())
            return _Holder(raw["beat"], frozenset(raw["pins"]), frozenset(raw["claims"]))
        except FileNotFoundError:
            return None  # removed since the folder was listed
        except (ValueError, KeyError, TypeError):
            return _Holder(-1, frozenset(), frozenset())  # not ours: an empty one, removed later

    def _dead(self, name: str, beat: int) -> bool:
        now = time.monotonic()
        seen, since = self._seen.get(name, (None, now))
        if seen != beat:
            since = now
        self._seen[name] = (beat, since)
        return now - since >= self._pace.stale

    @contextmanager
    def _excused(self) -> Iterator[None]:
        """Log the first error of the holder files; without them, stages are not shared."""
        try:
            yield
        except OSError as error:
            if not self._warned:
                _log.warning(
                    "claims and pins of the stage cache %s cannot be kept, so a stage may be "
                    "computed twice: %s",
                    self._store.uri,
                    error,
                )
            self._warned = True
