"""Data that no selection may see, where the sweep lies in an object store: a claim for a lock."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
from storage.s3_server import ENVIRONMENT, S3Server, s3_server

from raysearch.api.evaluate import alone
from raysearch.api.messages import Messages
from raysearch.errors import StoreError
from raysearch.run import Cell, Run, RunState
from raysearch.training.stages.locks import HeartbeatInterval


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with s3_server() as started:
        yield started


def test_in_an_object_store_one_reads_and_a_killed_one_is_waited_for(
    server: S3Server,
) -> None:
    root, pace = server.uri("bucket/sweeps/carl"), HeartbeatInterval(beat=0.1, stale=0.6, look=0.05)
    with alone(root, "test", pace):
        with pytest.raises(StoreError, match="by one process at a time"), alone(root, "test", pace):
            pass
        with alone(root, "target_dev", pace):  # other data
            pass
    with alone(root, "test", pace):
        pass
    child = os.fork()
    if child == 0:
        with alone(root, "test", pace):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    said: list[str] = []
    with alone(root, "test", pace, messages=Messages(note=said.append)) as openings:
        assert openings.all() == []
    assert "or was killed; looking for 0.6 s whether it lives" in said[0]


def test_a_claim_that_was_silent_too_long_is_lost(server: S3Server) -> None:
    root, pace = (
        server.uri("bucket/sweeps/silent"),
        HeartbeatInterval(beat=60, stale=0.6, look=0.05),
    )
    trial = Run(
        sweep="carl",
        number=2,
        cell=Cell("sample", 0),
        method="carl",
        state=RunState.COMPLETE,
        config={},
    )
    with alone(root, "test", pace) as openings:
        opening = openings.begin(trial, "test", what="scores", weights="")
        time.sleep(0.7)
        with pytest.raises(StoreError, match="no sign of life for 0.6 s"):
            openings.finish(opening)
    with alone(root, "test", HeartbeatInterval(beat=0.1, stale=0.6, look=0.05)) as openings:
        time.sleep(0.9)
        openings.finish(opening)
