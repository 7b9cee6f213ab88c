"""What a process does on SIGTERM when there is something to save, and when there is not."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

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
