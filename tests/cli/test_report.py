import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import optuna
import pytest
from tensorboardX.proto.event_pb2 import Event

import raysearch
from raysearch.cli import main
from raysearch.leaderboard import Store
from raysearch.run import Cell, Report, Run, RunState


def trial(number: int, **changes) -> Run:
    fields = {
        "sweep": "carl",
        "number": number,
        "cell": Cell("sample", 0),
        "method": "carl",
        "state": RunState.COMPLETE,
        "config": {"top_k": 0.1 * number},
        "metrics": {"dev/va_pearson": 0.1 * number},
        "curve": (
            Report(rung=1, step=5, seconds=1.0, metrics={"dev/va_pearson": 0.05}),
            Report(rung=2, step=9, seconds=2.0, metrics={"dev/va_pearson": 0.1, "x": float("nan")}),
        ),
        "steps": 9,
        "seconds": 2.0,
        "finished": "2026-01-01T00:00:10+00:00",
    }
    return Run(**{**fields, **changes})


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A folder of results with the sweep `carl`."""
    folder = tmp_path / "results" / "carl"
    store = Store(folder)
    for number in range(3):
        store.append(trial(number))
    (folder / "sweep.json").write_text('{"metric": "dev/va_pearson", "direction": "maximize"}')
    return folder


def test_a_setting_that_no_row_has_is_not_drawn(sweep: Path, tmp_path: Path) -> None:
    """As in rows of another version, or of a stranger."""
    searched = {"top_k": {"choices": [0.0, 0.1, 0.2], "when": {}}}
    searched["focal_alpha"] = {"choices": [None, 0.5], "when": {}}
    card = {"metric": "dev/va_pearson", "direction": "maximize"}
    card["study"] = {"space": {"search": searched}, "seed": 0}
    (sweep / "sweep.json").write_text(json.dumps(card))
    assert main(["report", str(sweep), "-o", str(tmp_path / "page.html")]) == 0


def test_a_page_of_trials_without_a_search(sweep: Path, tmp_path: Path) -> None:
    (sweep / "sweep.json").unlink()
    assert main(["report", str(sweep), "-o", str(tmp_path / "page.html")]) == 0
    assert main(["compare", f"{sweep}:1", f"{sweep}:2"]) == 0
    assert main(["export", str(sweep), "--as", "markdown"]) == 0


def test_a_page_is_written_and_said(sweep: Path, tmp_path: Path, capsys) -> None:
    page = tmp_path / "report.html"
    for place in (sweep, sweep.parent):
        assert main(["report", str(place), "-o", str(page)]) == 0
        text = page.read_text(encoding="utf-8")
        assert "Trial 2 is best" in text and text.endswith("</html>\n")
    said = capsys.readouterr().out
    assert said.startswith(f"wrote {page} (") and str(sweep) in said


@pytest.mark.parametrize(
    ("words", "said", "unbuffered"),
    [
        (["report", "SWEEP", "-o", "page.html"], "`--output` must be written, but page.html", ""),
        (["dashboard", "SWEEP", "--tensorboard", "runs"], "`--tensorboard` must be a folder", ""),
        (["leaderboard", "SWEEP", "--format", "csv"], "the output must be written, but", ""),
        (["export", "SWEEP", "--as", "latex"], "the output must be written, but", "1"),
        (["completion", "bash"], "the output must be written, but", "1"),
    ],
)
def test_a_full_disk_is_one_sentence_and_nothing_is_half_written(
    words, said, unbuffered, sweep: Path, tmp_path: Path
) -> None:
    """A file may take 60 bytes: as on a full disk, each write beyond fails."""
    script = (
        "import resource, sys; from raysearch.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60, 60))\n"
        f"sys.exit(main({[str(sweep) if word == 'SWEEP' else word for word in words]!r}))"
    )
    (tmp_path / "page.html").write_text("former")
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(raysearch.__file__).parents[1]),
                "PYTHONUNBUFFERED": unbuffered,
            },
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr and "the disk is full; free some space" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "page.html").read_text() == "former"
    left = [path.name for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]
    assert not [name for name in left if "tfevents" in name or name.endswith(".tmp")]


def test_a_page_needs_neither_torch_nor_ray_nor_optuna(sweep: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from raysearch.cli import main\n"
        f"assert main(['report', {str(sweep)!r}, '-o', {str(tmp_path / 'r.html')!r}]) == 0\n"
        "heavy = {'torch', 'ray', 'optuna', 'transformers', 'scipy', 'sklearn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "NOWHERE"], "there is no such folder"),
        (["report", "EMPTY"], "must hold a sweep's folder"),
        (["report", "BARE"], "must have finished trials, but has none yet"),
        (["report", "SWEEP", "-o", "NOWHERE/r.html"], "must be in a folder that exists"),
        (["report", "SWEEP", "-o", "EMPTY"], "must be a file"),
        (["report", "SWEEP", "-o", "SWEEP/sweep.json/r.html"], "must be in a folder that exists"),
        (["report", "SWEEP", "--metric", "dev/other"], "must be a metric of these trials"),
        (["dashboard", "EMPTY"], "has none; name the study's database with --study"),
        (["dashboard", "EMPTY", "--tensorboard", "EMPTY"], "must be a sweep's folder"),
        (["dashboard", "SWEEP", "--tensorboard", "SWEEP/sweep.json"], "must be a folder that can"),
    ],
)
def test_a_mistake_is_one_sentence(words, said, sweep: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sweep.json").write_text('{"metric": "m", "direction": "maximize"}')
    places = {"NOWHERE": "nowhere", "EMPTY": "empty", "BARE": "bare"}
    places = {name: str(tmp_path / place) for name, place in places.items()}
    places["SWEEP"] = str(sweep)
    argv = []
    for word in words:
        first, slash, rest = word.partition("/")
        argv.append(places.get(first, first) + slash + rest)
    if words[0] == "report" and "-o" not in words:
        argv += ["-o", str(tmp_path / "r.html")]
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
    assert not (tmp_path / "r.html").exists()


def test_a_full_disk_is_one_sentence(sweep: Path, capsys) -> None:
    assert main(["report", str(sweep), "-o", "/dev/full"]) == 2
    assert "`--output` must be written, but /dev/full: the disk is full" in capsys.readouterr().err


def events(path: Path) -> list[Event]:
    """The records of a file as TensorFlow writes them: length, its check, bytes, their check."""
    raw, found = path.read_bytes(), []
    while raw:
        [length] = struct.unpack("<Q", raw[:8])
        event = Event()
        event.ParseFromString(raw[12 : 12 + length])
        found.append(event)
        raw = raw[16 + length :]
    return found


def test_curves_are_written_for_tensorboard(sweep: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "runs"
    for _ in range(2):  # again: the same files
        assert main(["dashboard", str(sweep), "--tensorboard", str(folder)]) == 0
    assert "wrote 3 runs" in capsys.readouterr().out
    runs = sorted(path.parent.name for path in folder.rglob("*tfevents*"))
    assert runs == [f"{number:05d}-sample-s0" for number in range(3)]
    first, *points = events(next((folder / "carl" / runs[0]).iterdir()))
    assert first.file_version == "brain.Event:2"
    assert [point.step for point in points] == [5, 9]
    assert [[v.tag for v in point.summary.value] for point in points] == [["dev/va_pearson"]] * 2
    assert points[1].summary.value[0].simple_value == pytest.approx(0.1)
    assert points[1].wall_time - points[0].wall_time == 1.0


def test_the_dashboard_shows_the_study(sweep: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = f"sqlite:///{sweep / 'study.db'}"
    optuna.create_study(storage=url, study_name="carl").optimize(lambda trial: 1.0, n_trials=1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "raysearch", "dashboard", str(sweep), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stdout and f"http://127.0.0.1:{port}/" in process.stdout.readline()
            assert b"carl" in answer(f"http://127.0.0.1:{port}/api/studies", process)
            busy = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert busy.returncode == 2 and "`--port` must be free" in busy.stderr
        finally:
            process.terminate()


def answer(url: str, process: subprocess.Popen[str]) -> bytes:
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                found: bytes = reply.read()
                return found
        except OSError:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
