"""The main job as a user runs it: a sweep, killed in the middle, gone on with, read by others."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from ray._private.services import psutil

ROOT = Path(__file__).parents[1]
SETTINGS = [
    "encoder=tiny",
    "layers=0",
    "epochs=2",
    "batch_size=16",
    "reports=2",
    "checkpoint_seconds=0",
]


def sweep(results: Path, *more: str, **changed: int) -> subprocess.Popen[str]:
    pairs = dict(pair.split("=") for pair in SETTINGS) | changed
    settings = [part for name, value in pairs.items() for part in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "raysearch", "sweep", "carl", "--trials", "4", "--slots", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "--results", str(results), *settings, *more], start_new_session=True,
        cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def rows(results: Path) -> pd.DataFrame:
    return pd.read_parquet(results / "carl" / "trials")


@pytest.mark.slow
def test_a_killed_sweep_goes_on_and_equals_an_undisturbed_one(tmp_path: Path) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    run = sweep(calm)
    out, error = run.communicate(timeout=400)
    assert run.returncode == 0, error
    assert re.search(r"best: dev/va_pearson -?0\.\d+, trial \d", out)
    assert "the paper's own setting, trial 0" in out
    assert "sample" in out and "tiny" in out

    run = sweep(killed)
    deadline = time.monotonic() + 300
    while not list((killed / "carl" / "trials").glob("part-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    before = rows(killed)
    assert 0 < len(before) < 4

    run = sweep(killed)
    out, error = run.communicate(timeout=400)
    assert run.returncode == 0, error
    columns = [
        "trial",
        "task",
        "seed",
        "state",
        "steps",
        "config/learning_rate",
        "metric/dev/va_pearson",
    ]
    expected = rows(calm).sort_values("trial")[columns].reset_index(drop=True)
    found = rows(killed).sort_values("trial")[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)
    assert list(found["trial"]) == [0, 1, 2, 3]

    parts = f"read_parquet('{killed}/carl/trials/*.parquet', union_by_name=true)"
    assert duckdb.sql(f"select count(*) from {parts} where state is not null").fetchall() == [(4,)]
    card = json.loads((killed / "carl" / "sweep.json").read_text())
    assert (card["metric"], card["direction"], card["cells"]) == ("dev/va_pearson", "maximize", 1)

    again = sweep(killed)
    out, error = again.communicate(timeout=400)
    assert again.returncode == 0, error
    pd.testing.assert_frame_equal(
        rows(killed).sort_values("trial")[columns].reset_index(drop=True), expected
    )


@pytest.mark.slow
def test_a_second_driver_is_refused(tmp_path: Path) -> None:
    first = sweep(tmp_path)
    deadline = time.monotonic() + 120
    while not (tmp_path / "carl" / "sweep.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    second = sweep(tmp_path)
    _, error = second.communicate(timeout=200)
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    out, said = first.communicate(timeout=200)
    assert first.returncode == 130, said
    assert "the same command continues" in out + said and "Traceback" not in said
    assert second.returncode == 2
    assert "Traceback" not in error
    assert f"a sweep must have one driver, but process {first.pid} on" in " ".join(error.split())


def live_groups() -> Iterator[int]:
    """The process group of every process that has not ended."""
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.status() != psutil.STATUS_ZOMBIE:
                yield os.getpgid(process.pid)


@pytest.mark.slow
def test_a_group_that_is_told_to_end_does_so_in_order(tmp_path: Path) -> None:
    """As by ``systemctl stop`` or ``scancel``: Ray's processes get the signal, too."""
    run = sweep(tmp_path, "--format", "json", epochs=900, checkpoint_seconds=3600)
    assert run.stdout
    while line := run.stdout.readline():
        if json.loads(line)["news"] == "progress":
            break
    os.killpg(run.pid, signal.SIGTERM)
    out, error = run.communicate(timeout=200)
    assert run.returncode == 130, error
    deadline = time.monotonic() + 10  # `systemctl stop` waits for every process
    while any(pgid == run.pid for pgid in live_groups()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "Traceback" not in error
    news = [json.loads(line) for line in out.splitlines()]
    said = "\n".join(item["text"] for item in news if item["news"] == "message")
    assert re.search(r"trial 00000-sample-s0: .*checkpoint at step [1-9]", said)
    assert news[-1]["summary"]["ending"] == "interrupted"
    assert list((tmp_path / "carl" / "leases").glob("*/checkpoint.safetensors"))
