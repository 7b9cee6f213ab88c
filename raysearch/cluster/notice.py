"""How does a worker hear that its node is about to go, and how long does it stay to save?

Two ways lead here: SIGTERM to the worker's process, and Ray's drain, of which the slot's
controller tells (`raysearch.cluster.trainer`). Training runs beside the main thread, where
alone signals arrive, so that it asks; what the process did on SIGTERM before, it does once
the trial is let go of. Ray ends a node's workers at once when its raylet gets SIGTERM
(``ray stop``): who takes a node away should drain it first.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["GRACE_SECONDS", "NOTICE", "Notice", "give_notice", "watch_signals"]

GRACE_SECONDS = 25.0
"""Longest that a process stays after SIGTERM; Kubernetes kills after 30 s, systemd after 90 s."""


class Notice:
    """What one process knows of its end. Any thread may ask.

    Args:
        grace: See `GRACE_SECONDS`.
    """

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self._grace = grace
        self._given: float | None = None
        self._working = False
        self._leaving = False
        self._let_go = threading.Event()

    @property
    def given(self) -> bool:
        """Whether the node is about to go."""
        return self._given is not None

    @property
    def seconds(self) -> float:
        """Seconds since that was heard; 0 before."""
        return 0.0 if self._given is None else time.monotonic() - self._given

    def give(self) -> None:
        """The node is about to go; the first time counts."""
        self._given = time.monotonic() if self._given is None else self._given

    @contextmanager
    def work(self) -> Iterator[None]:
        """Inside there is something to save; on leaving, the process may end."""
        self._working = True
        try:
            yield
        finally:
            self._working = False
            if self.given:
                self._let_go.set()

    def watch(self) -> None:
        """From now on SIGTERM is a notice; only in the main thread.

        What SIGTERM did before, it does when nothing is worked on, once that is let go of,
        and after the grace period in any case. Ray of our own starts its processes deaf to it.
        """
        before = signal.getsignal(signal.SIGTERM)

        def hear(number: int, frame: FrameType | None) -> None:
            self.give()
            if self._leaving or not self._working:
                signal.signal(signal.SIGTERM, before)
                signal.raise_signal(signal.SIGTERM)
            elif not self._waits():
                threading.Thread(target=self._leave, name=_WAITING, daemon=True).start()

        signal.signal(signal.SIGTERM, hear)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _waits(self) -> bool:
        return any(thread.name == _WAITING for thread in threading.enumerate())

    def _leave(self) -> None:
        self._let_go.wait(self._grace)
        self._leaving = True
        os.kill(os.getpid(), signal.SIGTERM)


_WAITING = "preempted"

NOTICE = Notice()
"""This process's."""


def watch_signals() -> None:
    """`Notice.watch` of this process; what a slot runs in its workers' main threads."""
    NOTICE.watch()


def give_notice() -> None:
    """`Notice.give` of this process, likewise."""
    NOTICE.give()
