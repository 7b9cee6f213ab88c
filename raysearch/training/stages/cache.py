"""A cache of finished stages, shared by slots and machines.

Entries are addressed by content (`training.stages`): same key, same bytes. So the cache cannot
make a number wrong: an entry that is damaged, evicted or computed twice only costs time, and no
trial fails because an entry could not be stored.
"""

from __future__ import annotations

import io
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysearch.storage import RETRY_LONG, StoredFile, open_storage
from raysearch.training.stages.locks import HeartbeatInterval, StageLocks
from raysearch.training.state_file import DamagedStateError, read_state, write_state

__all__ = ["ClaimAbandoned", "HeartbeatInterval", "StageCache", "Summary"]

_log = logging.getLogger(__name__)
_KIND, _SUFFIX = "stage", ".stage"
_DEFAULT_MOST = 50 * 10**9


class ClaimAbandoned(Exception):
    """`idle` ended the wait for a stage that another process computes."""


@dataclass(frozen=True)
class Summary:
    """Number and total size (bytes) of a cache's entries."""

    entries: int
    bytes: int


class StageCache:
    """Finished stages in a folder or an object store, one file per key, shared by processes.

    Last use is the time of an entry's last `get` or `put`. Two processes that put at the same
    moment may pass the limit by one entry each until the next `put`.

    Args:
        root: A folder, or a URI that ``pyarrow.fs.FileSystem.from_uri`` knows.
        limit_bytes: Total size limit; None for no limit. With 0 nothing is stored and nobody
            waits for another: every trial computes its own stages.
        pace: How often claims and pins are renewed and checked.

    Raises:
        StoreError: The root cannot be created, listed or reached.
    """

    def __init__(
        self,
        root: str | Path,
        limit_bytes: int | None = None,
        *,
        pace: HeartbeatInterval | None = None,
    ) -> None:
        open_storage(root, retry=RETRY_LONG)  # fail early: without it no trial can run
        self._store = open_storage(root, make=False)
        self._limit = limit_bytes
        self._pace = pace or HeartbeatInterval()
        self._holders = StageLocks(self._store, self._pace)

    @staticmethod
    def default_limit(root: str | Path) -> int | None:
        """Default size limit of a cache, in bytes.

        Half of what is free or already the cache's, at most 50 GB: a stage of a base-size
        encoder takes about 1.1 GB, so that is the aligned encoders, teachers and student
        starts of some forty configurations, and the other half of the disk is for checkpoints.
        None for an object store, which is unbounded and whose owner sets a lifetime there.

        Raises:
            StoreError: The root cannot be created, listed or reached.
        """
        cache = StageCache(root)
        free = cache._store.free_bytes()
        if free is None:
            return None
        return min((free + cache.summary().bytes) // 2, _DEFAULT_MOST)

    def has(self, key: str) -> bool:
        """Whether there is an entry for the key; it may still prove damaged."""
        try:
            return self._store.exists(key + _SUFFIX)
        except OSError as error:
            self._warn("cannot be looked up and counts as absent", key, error)
            return False

    def get(self, key: str) -> dict[str, Any] | None:
        """The state at the end of the stage, on the CPU, or None.

        A damaged entry is removed, logged, and treated as missing.
        """
        if not self.has(key):
            return None
        name = key + _SUFFIX
        try:
            with self._holders.pinned([key]), self._store.open(name) as file:
                state, _ = read_state(file, kind=_KIND, key=key)
            self._store.touch(name)
        except FileNotFoundError:
            return None  # evicted since `has`
        except DamagedStateError as error:
            self._warn("is damaged, was removed and is computed again", key, error)
            self._discard(key)
            return None
        except OSError as error:
            self._warn("cannot be read and counts as absent", key, error)
            return None
        return state

    def put(self, key: str, state: dict[str, Any]) -> None:
        """Store the state for others, whole or not at all, after making room for it.

        An entry that cannot be written, or does not fit beside those in use, is not stored;
        that is logged and not an error.
        """
        if self._limit == 0:
            return
        entry = io.BytesIO()
        write_state(entry, state, kind=_KIND, key=key)
        content = entry.getbuffer()
        try:
            if not self._make_room(key, len(content)):
                return
            self._store.write(key + _SUFFIX, [content])
        except OSError as error:
            self._warn("could not be kept for other trials", key, error)

    @contextmanager
    def pin(self, keys: Collection[str]) -> Iterator[None]:
        """Keep all processes from evicting the keys' entries inside; for the life of a trial."""
        with self._holders.pinned(keys):
            yield

    @contextmanager
    def claimed(
        self, key: str, idle: Callable[[], bool] = lambda: False
    ) -> Iterator[dict[str, Any] | None]:
        """The entry's state, or None with the key claimed until exit: compute it and `put` it.

        Waits while another live process computes it. A dead process's claim is taken over after
        `HeartbeatInterval.stale` seconds without a sign of life.

        Args:
            key: The stage's key.
            idle: Called about every second of waiting; True ends the wait.

        Raises:
            ClaimAbandoned: `idle` ended the wait; nothing is claimed.
        """
        if self._limit == 0:
            yield None
            return
        state = self._await(key, idle)
        try:
            yield state
        finally:
            if state is None:
                self._holders.release(key)

    def summary(self) -> Summary:
        """Number and size of the entries.

        Raises:
            OSError: The cache cannot be listed.
        """
        entries = self._entries()
        return Summary(len(entries), sum(entry.size for entry in entries))

    def shrink(self, limit: int) -> int:
        """Evict the least recently used entries, none in use, down to `limit` bytes in total.

        Returns:
            The bytes freed; fewer than needed if the rest is in use.

        Raises:
            OSError: The cache cannot be listed, or an entry cannot be removed.
        """
        entries = self._entries()
        excess = sum(entry.size for entry in entries) - limit
        return self._evict(self._spare(entries), excess) if excess > 0 else 0

    def _await(self, key: str, idle: Callable[[], bool]) -> dict[str, Any] | None:
        chance = secrets.SystemRandom()  # must not change the training's generators
        while True:
            state = self.get(key)
            if state is not None:
                return state
            if self._holders.claim(key):
                state = self.get(key)  # may have been put between the check and the claim
                if state is not None:
                    self._holders.release(key)
                return state
            if idle():
                raise ClaimAbandoned(key)
            time.sleep(self._pace.look * chance.uniform(0.5, 1.0))

    def _make_room(self, key: str, size: int) -> bool:
        """Evict the least recently used entries, none in use, until `size` more bytes fit."""
        if self._limit is None:
            return True
        entries = [entry for entry in self._entries() if entry.name != key + _SUFFIX]
        excess = sum(entry.size for entry in entries) + size - self._limit
        if excess <= 0:
            return True
        spare = self._spare(entries)
        if sum(entry.size for entry in spare) < excess:
            _log.warning(
                "stage %s of %d bytes is not kept for other trials: the cache %s may take %d "
                "bytes, and the rest is in use",
                *(key, size, self._store.uri, self._limit),
            )
            return False
        self._evict(spare, excess)
        return True

    def _spare(self, entries: list[StoredFile]) -> list[StoredFile]:
        in_use = self._holders.in_use()
        return [entry for entry in entries if entry.name.removesuffix(_SUFFIX) not in in_use]

    def _evict(self, spare: list[StoredFile], excess: int) -> int:
        """Remove the least recently used until `excess` bytes are freed; returns the sum."""
        freed = 0
        for entry in sorted(spare, key=lambda entry: entry.used):
            if freed >= excess:
                break
            self._store.remove(entry.name)
            freed += entry.size
        return freed

    def _entries(self) -> list[StoredFile]:
        return [file for file in self._store.files() if file.name.endswith(_SUFFIX)]

    def _discard(self, key: str) -> None:
        try:
            self._store.remove(key + _SUFFIX)
        except OSError as error:
            self._warn("is damaged and cannot be removed", key, error)

    def _warn(self, what: str, key: str, error: Exception) -> None:
        _log.warning("stage %s in %s %s: %s", key, self._store.uri, what, error)
