"""A key, a password or a token that a sweep is given lies in nothing that it leaves or says."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from noop_sweep import noop_plan, noop_report, noop_space
from pyarrow import fs
from storage.s3_server import S3Server, s3_server

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from kill_points import drive  # noqa: E402

from raysearch.cluster.events import ended_trial
from raysearch.cluster.service import Listener
from raysearch.devices import cpu_device
from raysearch.storage.place import shown
from raysearch.training.provenance import provenance
from raysearch.trial import Lease, Trial, TrialState

ROOT = Path(__file__).parents[2]
PLANTED = "planted-Zb81xQ"
TOKENS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RAY_AUTH_TOKEN", "HF_TOKEN", "PGPASSWORD")


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


def test_keys_in_the_uri_of_the_storage(
    server: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "raysearch")
    place = server.uri("bucket/sweeps", user=f"AK:{PLANTED}@")
    plan = noop_plan(tmp_path, noop_space(trials=3), killed_in_the_second_trial, storage=place)
    with pytest.raises(KeyboardInterrupt):
        drive(plan)
    store, base = fs.FileSystem.from_uri(plan.root)
    left = store.get_file_info(fs.FileSelector(base, recursive=True))
    names = [info.path for info in left if info.is_file]
    assert any("intents/" in name for name in names)
    for name in names:
        with store.open_input_stream(name) as stream:
            assert PLANTED.encode() not in stream.read(), name
    assert list(tmp_path.glob("trials/part-*"))
    assert_not_in(tmp_path)
    assert PLANTED not in caplog.text


def killed_in_the_second_trial(lease: Lease, listener: Listener) -> Trial:
    listener.started(cpu_device(1), {"host": "here"})
    if lease.number:
        raise KeyboardInterrupt
    listener.report(noop_report(lease.config, lease.cell, 1, 1))
    return ended_trial(lease, TrialState.FAILED, f"a bug (see {shown(lease.folder)})")


def test_tokens_in_the_environment(tmp_path: Path) -> None:
    """A sweep whose commands are told of keys writes none of them, nor says one."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **dict.fromkeys(TOKENS, PLANTED)}
    script = (
        "import json; from raysearch.training.provenance import provenance;"
        "print(json.dumps(provenance()))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout).keys() == provenance().keys()
    assert PLANTED not in said.stdout + said.stderr


def assert_not_in(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert path.is_dir() or PLANTED.encode() not in path.read_bytes(), path
