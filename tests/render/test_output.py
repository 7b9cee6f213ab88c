"""Text from rows and files on any terminal: nothing of it is a command, all is readable."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raysearch.cli import main
from raysearch.leaderboard import Store
from raysearch.render.output import as_it_is, safe_output
from raysearch.run import Cell, Report, Run, RunState

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b8m\u202egnp.exe\u2066\u200b\x7f\x85"
"""Title, clear, conceal, reversed text, zero width, DEL, next line."""
FORMULA = '=HYPERLINK("http://x.example","click")'


def trial(number: int, **changes: Any) -> Run:
    metrics = {"dev/va_pearson": 0.5 - number / 10}
    fields: dict[str, Any] = {
        "sweep": "carl",
        "number": number,
        "cell": Cell("sample", 0),
        "method": "carl",
        "state": RunState.COMPLETE,
        "config": {"encoder": f"enc{EVIL}", "top_k": 0.1 * number, "note": f"[red]{EVIL}[/red]"},
        "metrics": metrics,
        "curve": (Report(rung=1, step=1, seconds=1.0, metrics=metrics),),
        "steps": 1,
        "seconds": 1.0,
        "device": f"cpu{EVIL}",
        "finished": "2026-01-02T03:04:05+00:00",
        "provenance": {"commit": f"1{EVIL}", "corpora": f"sample{EVIL}", "encoder": EVIL},
    }
    return Run(**{**fields, **changes})


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    store = Store("results/carl")
    store.append(trial(0))
    store.append(trial(1, config={"encoder": "tiny", "top_k": 0.2, "note": FORMULA}))
    failed = {"state": RunState.FAILED, "metrics": {}, "curve": ()}
    store.append(trial(2, reason=f"it broke {EVIL} and\nraysearch: all is well", **failed))
    card = {"name": "carl", "metric": "dev/va_pearson", "direction": "maximize", "cells": 1}
    (tmp_path / "results/carl/sweep.json").write_text(json.dumps(card))
    return tmp_path


def unseen(text: str) -> set[str]:
    return {sign for sign in text if not sign.isprintable() and sign not in "\n\t\xa0"}


@pytest.mark.parametrize(
    "words",
    [
        ["leaderboard"],
        ["leaderboard", "--by", "parameter"],
        ["leaderboard", "--format", "csv"],
        ["leaderboard", "--format", "json"],
        ["compare", "results/carl:0", "results/carl:1"],
        ["compare", "results/carl:0", "results/carl:1", "--format", "json"],
        ["compare", "results/carl:0", "results/carl:1", "--format", "latex"],
        ["export", "results/carl", "--as", "latex"],
        ["export", "results/carl", "--as", "markdown"],
        ["verify", "results", "--sample", "0%"],
        ["leaderboard", "results/" + EVIL],
        ["leaderboard", "--metric", EVIL],
        ["train", "carl", "--set", f"encoder={EVIL}"],
        ["sweep", "carl", "--space", f"{EVIL}.yaml"],
        ["recover", "results/carl"],
        ["evaluate", f"results/{EVIL}"],
    ],
    ids=lambda words: " ".join(words).partition("\x1b")[0],
)
def test_no_text_is_a_command(
    words: list[str], sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(words)
    said = capsys.readouterr()
    assert said.out + said.err
    assert not unseen(said.out + said.err)
    if "json" in words:
        assert json.loads(said.out)


def test_a_planted_line_is_not_one_of_ours(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["export", "results/carl", "--as", "latex"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("%")] == lines[:1]


def test_brackets_in_a_name_are_no_markup(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["leaderboard"])
    assert "[red]" in capsys.readouterr().out


def test_cells_that_a_spreadsheet_would_run_are_text(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[1]["config/note"] == f"'{FORMULA}"
    assert rows[1]["score"] == "0.4"

    assert main(["leaderboard", "--format", "csv", "--raw"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert rows[1]["config/note"] == FORMULA
    assert rows[0]["config/encoder"] == f"enc{EVIL}"

    assert main(["leaderboard", "--raw"]) == 2
    assert "`--raw` must go with --format csv, but got table" in capsys.readouterr().err


def test_both_streams_are_as_before_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with safe_output():
        sys.stderr.write("a\x1bb\n")
        sys.stdout.writelines(["c\x1b\n"])
        as_it_is().write("d\x1b\n")
    assert (sys.stdout, sys.stderr) == before
    assert tuple(capsys.readouterr()) == ("c\\x1b\nd\x1b\n", "a\\x1bb\n")


def test_how_a_stream_encodes_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", "strict")
    monkeypatch.setattr(sys, "stdout", stream)
    with safe_output():
        sys.stdout.write("±")
    assert stream.errors == "strict" and stream.buffer.getvalue() == b"+-"  # type: ignore[attr-defined]


ASCII = {"PYTHONIOENCODING": "ascii"}
LATIN = {"PYTHONIOENCODING": "latin-1"}
POSIX = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def run(words: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    here = str(Path(__file__).parents[2])
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "raysearch", *words],
        cwd=folder,
        env={**keep, "PYTHONPATH": here, **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("encoding", [ASCII, LATIN, POSIX], ids=["ascii", "latin", "posix"])
@pytest.mark.parametrize(
    "words",
    [
        ["leaderboard", "--help"],
        ["data", "list"],
        ["compare", "results/carl:0", "results/carl:1"],
        ["export", "results/carl", "--as", "markdown"],
        ["leaderboard"],
    ],
    ids=" ".join,
)
def test_a_terminal_that_lacks_signs(
    words: list[str], encoding: dict[str, str], sweep: Path
) -> None:
    done = run(words, sweep, **encoding)
    assert done.returncode == 0, done.stderr.decode("latin-1")
    assert b"Traceback" not in done.stderr
    text = done.stdout.decode("latin-1" if encoding is LATIN else "ascii")
    assert text.strip()
    assert "?" not in text.replace("--help", "") or words == ["data", "list"]


@pytest.mark.parametrize("columns", ["0", "-5", "1", "²", "", "a", "9" * 30])
def test_a_width_that_is_none_is_80(
    columns: str,
    sweep: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["leaderboard"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("0.5000" in line for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("width", [80, 160])
def test_a_terminal_has_our_colours_and_no_others(
    width: int, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.delenv("NO_COLOR", raising=False)
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert main(["leaderboard"]) == 0
        terminal.flush()
        seen = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "\x1b[1m" in seen and "\x1b[31m" in seen
    assert "\x1b]0" not in seen and "\x1b[2J" not in seen and "\x9b" not in seen
    assert r"\x1b]0;owned" in seen
    assert seen.startswith("\x1b[1mcarl\x1b[0m  carl on")
    assert r"\u202egnp.exe\u2066" in seen
