"""Detects that a node is about to go, so that its workers can save.

There are two sources: SIGTERM to the worker's process, and Ray's drain, which the slot's controller
reports (`raysearch.cluster.trainer`). Signals arrive only in the main thread, so training runs
beside it and polls; the original action of SIGTERM follows once the trial is released. Ray
ends a node's workers at once when its raylet gets SIGTERM (``ray stop``): drain a node before
taking it away.
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
    "drain",
    "give_notice",
    "seconds_left",
    "watch",
    "watch_signals",
]

GRACE_SECONDS = 25.0
"""Longest that a process lives after SIGTERM; Kubernetes kills after 30 s, systemd after 90 s."""


class PreemptionNotice:
    """A process's notice of its end; thread-safe.

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
        """Seconds since the notice; 0 before."""
        return 0.0 if self._given is None else time.monotonic() - self._given

    def give(self) -> None:
        """Give notice that the node is about to go; the first time counts."""
        self._given = time.monotonic() if self._given is None else self._given

    @contextmanager
    def work(self) -> Iterator[None]:
        """Mark the block as work to save; the process may end after it."""
        self._working = True
        try:
            yield
        finally:
            self._working = False
            if self.given:
                self._let_go.set()

    def watch(self) -> None:
        """Treat SIGTERM as a notice from now on; only in the main thread.

        Its original action follows when no work is in progress, once that is finished, and in
        any case after the grace period. A local Ray starts its processes with SIGTERM ignored.
        """
        before = signal.getsignal(signal.SIGTERM)

        def on_signal(number: int, frame: FrameType | None) -> None:
            self.give()
            if self._leaving or not self._working:
                signal.signal(signal.SIGTERM, before)
                signal.raise_signal(signal.SIGTERM)
            elif not self._waits():
                threading.Thread(target=self._leave, name=_WAITING, daemon=True).start()

        signal.signal(signal.SIGTERM, on_signal)
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
    """`PreemptionNotice.watch` of this process; slots run it in their workers' main threads."""
    NOTICE.watch()


def give_notice() -> None:
    """`PreemptionNotice.give` of this process."""
    NOTICE.give()


METADATA = "http://169.254.169.254/latest"
"""Instance Metadata Service version 2 (AWS, *Spot Instance interruption notices*)."""
LOOK_SECONDS = 5.0
"""Seconds between two polls, as AWS recommends."""
ANSWER_SECONDS = 2.0


def watch(head: str, *, base: str = METADATA, look: float = LOOK_SECONDS) -> int:
    """Wait for the notice, then drain this node.

    Args:
        head: ``HOST:PORT`` of the cluster's head.
        base: Where the metadata service is.
        look: Seconds between two polls.

    Returns:
        The exit status of ``ray drain-node``.
    """
    while (left := seconds_left(base)) is None:
        time.sleep(look)
    return drain(head, left, "spot")


def drain(head: str, seconds: float, why: str, *more: str) -> int:
    """Have Ray place nothing more on a node, and give notice to what runs there.

    Args:
        head: ``HOST:PORT`` of the cluster's head.
        seconds: Until the node goes.
        why: A word for Ray's logs.
        more: Options of ``ray drain-node``, such as another node than this.

    Returns:
        The exit status of ``ray drain-node``.
    """
    words = ["drain-node", "--address", head, "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
    words += ["--reason-message", why, "--deadline-remaining-seconds", str(int(seconds)), *more]
    return subprocess.run([sys.executable, "-m", "ray.scripts.scripts", *words]).returncode


def seconds_left(base: str = METADATA) -> float | None:
    """Seconds until the instance is stopped or terminated, at least 0; None without a notice."""
    try:
        token = _ask(f"{base}/api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        answer = _ask(
            f"{base}/meta-data/spot/instance-action", "GET", {"X-aws-ec2-metadata-token": token}
        )
        when = datetime.fromisoformat(json.loads(answer)["time"])
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
