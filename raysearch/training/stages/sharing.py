"""Decides which stages a trial must run, and which it takes over from others.

A stage is needed when it is the last, or when a needed stage that nobody has finished starts
from it. Entries are loaded as soon as they are found and kept in memory, so that an eviction
during the trial costs nothing. Worker 0 decides and broadcasts, so that all workers agree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from raysearch import distributed
from raysearch.methods.stage import Stage, parents_of
from raysearch.training.stages.cache import ClaimAbandoned, StageCache

__all__ = ["ClaimAbandoned", "SharedStages"]

Entry = dict[str, Any]


_WAITING = "waiting"


def _beating(idle: Callable[[], bool]) -> Callable[[], bool]:
    """`idle` that also tells the other workers at each call that worker 0 still waits.

    Another trial's stage may take hours, and a single collective fails after 30 minutes.
    """

    def beat() -> bool:
        distributed.broadcast_object(_WAITING)
        return idle()

    return beat


class SharedStages:
    """The stages that a trial runs itself, and those that it takes over.

    Args:
        stages: The trial's stages, parents before children.
        keys: Their keys.
        cache: The finished stages, or None when nothing is shared.
    """

    def __init__(self, stages: Sequence[Stage], keys: Sequence[str], cache: StageCache | None):
        self._stages, self._keys, self._cache = stages, keys, cache
        self._found: dict[int, Entry] = {}
        self._needed: set[int] = set()

    def resolve(self, start: int, accepted: Collection[str]) -> bool:
        """Find the stages from `start` on that are needed, and load those that others finished.

        Args:
            start: The first stage that is not done.
            accepted: Names of the stages whose results the trial has.

        Returns:
            False when a needed stage before `start` is missing from the trial: an entry that it
            relied on is gone.
        """
        self._found.clear()
        self._needed = {len(self._stages) - 1}
        for index in range(len(self._stages) - 1, -1, -1):
            if index not in self._needed:
                continue
            if index < start:
                if self._stages[index].name not in accepted:
                    return False
                continue
            entry = self._load(index)
            if entry is None:
                self._needed.update(parents_of(self._stages, index))
            else:
                self._found[index] = entry
        return True

    def needs(self, index: int) -> bool:
        """Whether the trial needs the stage at all."""
        return index in self._needed

    @contextmanager
    def claimed(self, index: int, idle: Callable[[], bool]) -> Iterator[Entry | None]:
        """The stage's entry, or None: then this trial must run it, and nobody else does meanwhile.

        Args:
            index: The stage.
            idle: Called about every second while another trial runs it; True ends the wait.

        Raises:
            ClaimAbandoned: `idle` ended the wait.
        """
        if index in self._found or not self._shares(index):
            yield self._found.pop(index, None)
            return
        with ExitStack() as stack:
            entry, abandoned = None, False
            if distributed.rank() == 0:
                assert self._cache is not None
                beat = _beating(idle)
                try:
                    entry = stack.enter_context(self._cache.claimed(self._keys[index], beat))
                except ClaimAbandoned:
                    abandoned = True
            found = distributed.broadcast_object((entry, abandoned))
            while found == _WAITING:  # of worker 0, which waits for another trial
                found = distributed.broadcast_object(None)
            entry, abandoned = found  # type: ignore[misc]
            if abandoned:
                raise ClaimAbandoned
            yield entry

    def keep(self, index: int, entry: Entry) -> None:
        """Store a finished stage for others, within its claim."""
        if self._shares(index) and distributed.rank() == 0:
            assert self._cache is not None
            self._cache.put(self._keys[index], entry)

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Keep the entries of this trial's stages from being evicted inside."""
        with ExitStack() as stack:
            if self._cache is not None and distributed.rank() == 0:
                shared = [key for at, key in enumerate(self._keys) if self._shares(at)]
                stack.enter_context(self._cache.pin(shared))
            yield

    def _shares(self, index: int) -> bool:
        """Whether others can use the stage; the last is nobody's prefix, unless it says so."""
        last = index + 1 == len(self._stages)
        return self._cache is not None and (not last or self._stages[index].shared)

    def _load(self, index: int) -> Entry | None:
        if not self._shares(index):
            return None
        entry = None
        if distributed.rank() == 0:
            assert self._cache is not None
            entry = self._cache.get(self._keys[index])
        return distributed.broadcast_object(entry)  # type: ignore[return-value]
