"""Detects hung workers: those silent for longer than their earlier pauses make likely.

A stopped or blocked worker looks like a busy one: its process is alive. Only its events differ. A
trial reports progress every second or every few steps, whichever is longer, and the pause of
an evaluation has a length that other trials had too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from raysearch.events import EventKind

__all__ = ["HANG_SECONDS", "HangDetector"]

HANG_SECONDS = 3600.0
"""Default silence after which a worker is replaced."""
TELL_SECONDS, FACTOR = 60.0, 10.0
"""Silence is reported from this length on, if it is this many times the longest pause before."""
BLIND_SECONDS = 30.0
"""A driver that has not looked for this long was suspended itself: the time does not count."""


@dataclass
class _Worker:
    last_event: float
    looked: float
    reported: bool = False

    def look(self, now: float) -> float:
        """Seconds of silence so far."""
        if now - self.looked > BLIND_SECONDS:
            self.last_event += now - self.looked
        self.looked = now
        return now - self.last_event


class HangDetector:
    """The pauses between the events of a sweep's trials.

    Args:
        limit: Seconds of silence after which a worker is replaced; never less than the silence
            that is reported.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._workers: dict[str, _Worker] = {}
        self._longest = self._once = 0.0

    def note_event(self, run_id: str, kind: EventKind) -> None:
        """Record an event of a run; the first from a worker is that it has taken the run."""
        now, before = self._clock(), self._workers.get(run_id)
        if kind is EventKind.PREEMPTED:
            self.forget(run_id)
        elif before is not None or kind is EventKind.TAKEN:
            if before is not None and kind is not EventKind.TAKEN:
                self._learn(before.look(now), reported=before.reported)
            self._workers[run_id] = _Worker(now, now)

    def _learn(self, pause: float, *, reported: bool) -> None:
        """Learn from a pause that ended by itself.

        A pause that was reported may have been a worker that was suspended and resumed. Only a
        second one of that length counts as normal, as evaluations are.
        """
        if reported:
            pause, self._once = min(pause, self._once), max(pause, self._once)
        self._longest = max(self._longest, pause)

    def forget(self, run_id: str) -> None:
        """Stop tracking the run: no worker has it any more."""
        self._workers.pop(run_id, None)

    def silence(self, run_id: str) -> str:
        """A message on the run's silence, once per silence; empty when there is none.

        Must be called every few seconds.
        """
        worker = self._workers.get(run_id)
        if worker is None:
            return ""
        silent = worker.look(self._clock())
        if worker.reported or silent < self._unlikely:
            return ""
        worker.reported = True
        when = f"{self._limit:.0f} s (--hang-limit)"
        if self._limit < self._unlikely:
            when = f"{self._unlikely:.0f} s, as --hang-limit {self._limit:.0f}s is too short here"
        return (
            f"trial {run_id}: no report for {silent:.0f} s, and no pause was longer than "
            f"{self._longest:.0f} s so far; its worker is replaced after {when}"
        )

    def expired(self, run_id: str) -> bool:
        """Whether to replace the worker now; True once until another has the run."""
        worker = self._workers.get(run_id)
        if worker is None or worker.look(self._clock()) < max(self._limit, self._unlikely):
            return False
        self.forget(run_id)
        return True

    @property
    def _unlikely(self) -> float:
        return max(TELL_SECONDS, FACTOR * self._longest)
