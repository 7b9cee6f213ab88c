"""What a process does on SIGTERM when there is something to save, and when there is not."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from raysearch.cluster import preemption
from raysearch.cluster.preemption import PreemptionNotice

WORKER = """
import os, signal, sys, threading, time
from raysearch.cluster.preemption import PreemptionNotice

def earlier(number, frame):
    print("earlier", flush=True)
    sys.exit(7)

signal.signal(signal.SIGTERM, earlier)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as a Ray of our own starts it
notice = PreemptionNotice(grace=float(sys.argv[1]))
notice.watch()

def train():
    with notice.work():
        print("working", flush=True)
        while not notice.given:
            time.sleep(0.01)
        time.sleep(float(sys.argv[2]))
        print("saved", flush=True)
    time.sleep(60)

if sys.argv[2] != "idle":
    threading.Thread(target=train, daemon=True).start()
else:
    print("working", flush=True)
while True:
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("grace", "saving", "said"),
    [
        ("60", "0.3", "saved\nearlier\n"),  # stays until it has saved
        ("0.3", "60", "earlier\n"),  # but not for ever
        ("60", "idle", "earlier\n"),  # and has nothing to stay for
    ],
)
def test_what_sigterm_did_before_it_does_once_the_work_is_saved(
    grace: str, saving: str, said: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, grace, saving],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.terminate()
        if saving != "idle":
            process.terminate()  # who asks twice does not get it sooner
        out, _ = process.communicate(timeout=50)
    assert out == said
    assert process.returncode == 7


def test_notice_counts_from_the_first_time() -> None:
    notice = PreemptionNotice()
    assert not notice.given and notice.seconds == 0
    notice.give()
    time.sleep(0.02)
    notice.give()
    assert notice.given and notice.seconds >= 0.02


class Metadata(BaseHTTPRequestHandler):
    """Version 2 of the service: nothing without a token."""

    notice: bytes | None = None

    def do_PUT(self) -> None:
        asked = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        self._answer(b"token" if asked and self.path == "/latest/api/token" else None)

    def do_GET(self) -> None:
        known = self.headers.get("X-aws-ec2-metadata-token") == "token"
        page = self.path == "/latest/meta-data/spot/instance-action"
        self._answer(Metadata.notice if known and page else None)

    def _answer(self, body: bytes | None) -> None:
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def base() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Metadata.notice = None
    yield f"http://127.0.0.1:{server.server_port}/latest"
    server.shutdown()
    server.server_close()


def notice(seconds: float) -> bytes:
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    return json.dumps({"action": "terminate", "time": f"{when:%Y-%m-%dT%H:%M:%SZ}"}).encode()


def test_seconds_left(base: str) -> None:
    assert preemption.seconds_left(base) is None
    Metadata.notice = notice(120)
    left = preemption.seconds_left(base)
    assert left is not None and 110 < left <= 120
    Metadata.notice = notice(-5)
    assert preemption.seconds_left(base) == 0
    Metadata.notice = b"<html>"
    assert preemption.seconds_left(base) is None
    assert preemption.seconds_left("http://127.0.0.1:9/latest") is None


def test_node_is_drained_at_the_notice_and_not_before(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained: list[list[str]] = []

    def run(words: list[str]) -> subprocess.CompletedProcess[bytes]:
        assert Metadata.notice is not None
        drained.append(words)
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(preemption.subprocess, "run", run)
    timer = threading.Timer(0.3, lambda: setattr(Metadata, "notice", notice(100)))
    timer.start()
    assert preemption.watch("10.0.0.1:6379", base=base, look=0.05) == 0
    timer.join()
    (words,) = drained
    assert words[3:7] == ["drain-node", "--address", "10.0.0.1:6379", "--reason"]
    assert 90 < int(words[-1]) <= 100
