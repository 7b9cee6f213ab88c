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

from raysearch.cli import main
from raysearch.cli.experiment import _command
from raysearch.cli.sweep import JsonView
from raysearch.cluster.worker import _broken
from raysearch.devices import cpu_device
from raysearch.events import Event, EventKind, ended_run
from raysearch.run import Cell, Run, RunSpec, RunState
from raysearch.storage.uri import redacted
from raysearch.training.progress import Listener
from raysearch.training.provenance import provenance

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


def killed_in_the_second_trial(spec: RunSpec, listener: Listener) -> Run:
    listener.started(cpu_device(1), {"host": "here"})
    if spec.number:
        raise KeyboardInterrupt
    listener.report(noop_report(spec.config, spec.cell, 1, 1))
    return ended_run(spec, RunState.FAILED, f"a bug (see {redacted(spec.folder)})")


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


URLS = [
    f"s3://AK:{PLANTED}@b/p",
    f"s3://b/p?secret_key={PLANTED}&region=eu-1",
    f"s3://b/p?endpoint_override=http://me:{PLANTED}@host:9000",
    f"postgresql://me:{PLANTED}@host/db",
    f"postgresql://host/db?user=me&password={PLANTED}",
    f"mysql+pymysql://me:{PLANTED}@host/db?charset=utf8mb4",
    f"mssql+pyodbc:///?odbc_connect=PWD%3D{PLANTED}",
]


@pytest.mark.slow
@pytest.mark.parametrize("url", URLS)
def test_an_error_on_the_screen_names_no_secret(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words that are not understood come back in the message, which a batch system logs."""
    monkeypatch.chdir(tmp_path)
    for words in (["sweep", "carl", url], ["sweep", "carl", "--space", url], ["recover", url]):
        assert main(words) == 2
        assert PLANTED not in capsys.readouterr().err, words


@pytest.mark.parametrize("url", URLS)
def test_a_command_on_the_page_of_a_study_has_no_secret(url: str) -> None:
    words = ["experiment", "carl-ablation", "--stages", url, f"--storage={url}", "--slots", "2"]
    command = _command(words)
    assert PLANTED not in command and command.endswith("--slots 2")
    assert command.startswith("python -m raysearch experiment carl-ablation --stages ")


def test_a_run_in_the_news_names_its_folder_without_keys() -> None:
    folder = f"s3://AK:{PLANTED}@b/sweeps/noop/leases/00001-sample-s0"
    spec = RunSpec(
        sweep="s", number=1, cell=Cell("sample", 0), method="m", config={}, folder=folder
    )
    lines: list[str] = []
    with JsonView(lines.append) as view:
        view.event(Event(kind=EventKind.STARTED, run_id=spec.id, run=spec))
    told = json.loads(lines[0])["lease"]["folder"]
    assert told == "s3://b/sweeps/noop/leases/00001-sample-s0"


def test_a_bug_that_names_the_store_leaves_its_key_neither_in_a_row_nor_in_a_file(
    tmp_path: Path,
) -> None:
    spec = RunSpec(
        sweep="s", number=1, cell=Cell("t", 0), method="m", config={}, folder=str(tmp_path / "l")
    )
    trial = _broken(spec, OSError(f"cannot open 's3://AK:{PLANTED}@b/p'"))
    assert "s3://b/p" in trial.reason and PLANTED not in trial.to_json()
    assert "s3://b/p" in (tmp_path / "l" / "error.txt").read_text()
    assert_not_in(tmp_path)


def assert_not_in(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert path.is_dir() or PLANTED.encode() not in path.read_bytes(), path
