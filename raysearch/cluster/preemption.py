"""Notices that a node is about to go, and the time that its workers stay to save.

Two ways lead here: SIGTERM to the worker's process, and Ray's drain, of which the slot's
controller tells (`raysearch.cluster.trainer`). Training runs beside the main thread, where
alone signals arrive, so that it asks; what the process did on SIGTERM before, it does once
the trial is let go of. Ray ends a node's workers at once when its raylet gets SIGTERM
(``ray stop``): who takes a node away should drain it first.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

__all__ = [
    "GRACE_SECONDS",
    "NOTICE",
    "PreemptionNotice",
    "give_notice",
    "seconds_left",
    "watch",
    "watch_signals",
]

GRACE_SECONDS = 25.0
"""Longest that a process stays after SIGTERM; Kubernetes kills after 30 s, systemd after 90 s."""


class PreemptionNotice:
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

NOTICE = PreemptionNotice()
"""This process's."""


def watch_signals() -> None:
    """`PreemptionNotice.watch` of this process; what a slot runs in its workers' main threads."""
    NOTICE.watch()


def give_notice() -> None:
    """`PreemptionNotice.give` of this process, likewise."""
    NOTICE.give()


METADATA = "http://169.254.169.254/latest"
"""Instance Metadata Service version 2 (AWS, *Spot Instance interruption notices*)."""
LOOK_SECONDS = 5.0
"""How often it is looked; AWS recommends so."""
ANSWER_SECONDS = 2.0


def watch(head: str, *, base: str = METADATA, look: float = LOOK_SECONDS) -> int:
    """Wait for the notice, then drain this node.

    Args:
        head: ``HOST:PORT`` of the cluster's head.
        base: Where the metadata service is.
        look: Seconds between two looks.

    Returns:
        The exit status of ``ray drain-node``.
    """
    while (left := seconds_left(base)) is None:
        time.sleep(look)
    words = ["drain-node", "--address", head, "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
    words += ["--reason-message", "spot", "--deadline-remaining-seconds", str(int(left))]
    return subprocess.run([sys.executable, "-m", "ray.scripts.scripts", *words]).returncode


def seconds_left(base: str = METADATA) -> float | None:
    """Seconds until the instance is stopped or ended, at least 0; None where nobody says so."""
    try:
        token = _ask(f"{base}/api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        told = _ask(
            f"{base}/meta-data/spot/instance-action", "GET", {"X-aws-ec2-metadata-token": token}
        )
        when = datetime.fromisoformat(json.loads(told)["time"])
    except (OSError, ValueError, KeyError, TypeError):  # no notice is a 404
        return None
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _ask(url: str, method: str, headers: dict[str, str]) -> str:
    request = urllib.request.Request(url, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        text: str = answer.read().decode()
    return text


if __name__ == "__main__":
    sys.exit(watch(sys.argv[1]))
