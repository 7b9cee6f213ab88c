"""Finds workers that say nothing for longer than their steps so far make likely.

A worker that was stopped, or waits for what never comes, looks like one at work: its process
lives. Its news tell them apart: a trial's progress comes every second or every few steps,
whichever is longer, and an evaluation is a pause of a length that others had too.
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
"""A silence is reported from this length on, if it is this many times as long as any before it."""
BLIND_SECONDS = 30.0
"""A driver that has not looked for this long was stopped itself: that time is nobody's silence."""


@dataclass
class _Worker:
    heard: float
    looked: float
    told: bool = False

    def look(self, now: float) -> float:
        """Seconds of its silence."""
        if now - self.looked > BLIND_SECONDS:
            self.heard += now - self.looked
        self.looked = now
        return now - self.heard


class HangDetector:
    """The pauses between the news of a sweep's trials.

    Args:
        limit: Seconds of silence after which a worker is to be replaced; never less than what is
            told of.
        clock: Seconds that never go back.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._workers: dict[str, _Worker] = {}
        self._longest = self._once = 0.0

    def note_event(self, run_id: str, kind: EventKind) -> None:
        """A worker of a run has news; the first of a worker is that it has the run."""
        now, before = self._clock(), self._workers.get(run_id)
        if kind is EventKind.PREEMPTED:
            self.forget(run_id)
        elif before is not None or kind is EventKind.TAKEN:
            if before is not None and kind is not EventKind.TAKEN:
                self._learn(before.look(now), told=before.told)
            self._workers[run_id] = _Worker(now, now)

    def _learn(self, pause: float, *, told: bool) -> None:
        """A pause has ended by itself.

        One that was told of may have been a worker that was stopped and went on. Two of a length
        are how it works, as evaluations are.
        """
        if told:
            pause, self._once = min(pause, self._once), max(pause, self._once)
        self._longest = max(self._longest, pause)

    def forget(self, run_id: str) -> None:
        """No worker has the run any more."""
        self._workers.pop(run_id, None)

    def told(self, run_id: str) -> str:
        """What is to be said of the run's silence, once for each; empty for nothing.

        To be asked every few seconds.
        """
        worker = self._workers.get(run_id)
        if worker is None:
            return ""
        silent = worker.look(self._clock())
        if worker.told or silent < self._unlikely:
            return ""
        worker.told = True
        return (
            f"trial {run_id}: no news for {silent:.0f} s, and no pause was longer than "
            f"{self._longest:.0f} s so far; its worker is replaced after "
            f"{max(self._limit, self._unlikely):.0f} s (--hang-limit)"
        )

    def over(self, run_id: str) -> bool:
        """Whether the worker is to be replaced now; nothing is expected until another has it."""
        worker = self._workers.get(run_id)
        if worker is None or worker.look(self._clock()) < max(self._limit, self._unlikely):
            return False
        self.forget(run_id)
        return True

    @property
    def _unlikely(self) -> float:
        return max(TELL_SECONDS, FACTOR * self._longest)
