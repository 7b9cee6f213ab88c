"""Rows, curves, readings and cards that no sweep writes: every command answers with a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from strange_rows import WRONG_REPORTS, WRONG_ROWS, changed

from raysearch.api.options import find_space
from raysearch.cli import main
from raysearch.leaderboard import Store
from raysearch.leaderboard.schema import curve_rows, trial_rows
from raysearch.run import Cell, Report, Run, RunState
from raysearch.search.space.space import IDENTITY, identity_of, load_space

COMMANDS = {
    "leaderboard": ["leaderboard", "results/carl"],
    "report": ["report", "results", "--output", "report.html"],
    "compare": ["compare", "results/carl:0", "results/carl:1"],
    "evaluate": ["evaluate", "results/carl"],
    "verify": ["verify", "results", "--sample", "0%"],
    "export": ["export", "results/carl:best", "out"],
    "recover": ["recover", "results/carl"],
    "plan": ["plan", "carl"],
    "replay": ["replay", "results/carl:0"],
}
PART = "part-00001-sample-s0.parquet"


def trial(number: int) -> Run:
    metrics = {"dev/va_pearson": 0.5, "loss": 1.0}
    return Run(
        sweep="carl",
        number=number,
        cell=Cell("sample", 0),
        method="carl",
        state=RunState.COMPLETE,
        config={"encoder": "tiny", "reports": 2},
        metrics=metrics,
        curve=tuple(Report(rung=r, step=r, seconds=1.0, metrics=metrics) for r in (1, 2)),
        steps=2,
        seconds=1.0,
        device="cpu",
        finished="2026-01-02T03:04:05+00:00",
        provenance={"commit": "1"},
    )


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        Store("results/carl").append(trial(number))
    card = {"name": "carl", "metric": "dev/va_pearson", "direction": "maximize", "cells": 1}
    searched = {"trials": 4, IDENTITY: identity_of(load_space(find_space("carl", None)), 0)}
    Path("results/carl/sweep.json").write_text(json.dumps(card | searched))
    return tmp_path / "results" / "carl"


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """What a command says of damaged rows; a traceback is an error of the test."""

    def run(name: str) -> str:
        code = main(COMMANDS[name])
        captured = capsys.readouterr()
        said = captured.err + (captured.out if name == "verify" else "")
        assert code == {"verify": 1, "plan": 0}.get(name, 2), (name, said)
        assert "Traceback" not in said
        return "".join(said.split())

    return run


@pytest.mark.parametrize("kind", WRONG_ROWS)
def test_rows(sweep: Path, told: Callable[[str], str], kind: str) -> None:
    (sweep / "trials" / PART).write_bytes(changed(trial_rows(trial(1)), WRONG_ROWS[kind][0]))
    for name in COMMANDS:
        said = told(name)
        assert f"trials/{PART}`mustbeaParquetfileofrows" in said, (name, said)


@pytest.mark.parametrize("kind", WRONG_REPORTS)
def test_reports(sweep: Path, told: Callable[[str], str], kind: str) -> None:
    (sweep / "curves" / PART).write_bytes(changed(curve_rows(trial(1)), WRONG_REPORTS[kind][0]))
    for name in ("report", "verify", "recover", "evaluate", "replay"):
        assert f"curves/{PART}`mustbeaParquetfileofrows" in told(name), name


@pytest.mark.parametrize("kind", ["no task", "metric a text", "unknown state", "foreign column"])
def test_readings(sweep: Path, told: Callable[[str], str], kind: str) -> None:
    Store(sweep / "test").append(trial(1))
    path = sweep / "test" / "trials" / PART
    path.write_bytes(changed(trial_rows(trial(1)), WRONG_ROWS[kind][0]))
    for name in ("report", "verify", "evaluate"):
        assert f"test/trials/{PART}`mustbeaParquetfileofrows" in told(name), name


CARDS: dict[str, Any] = {
    "no JSON": "{",
    "a list": "[]",
    "deep": "[" * 100_000,
    "a metric of another type": {"metric": 3, "direction": "maximize"},
    "endless cells": {"metric": "dev/va_pearson", "direction": "maximize", "cells": 1e999},
    "tasks of another type": {"metric": "dev/va_pearson", "direction": "maximize", "tasks": [[]]},
    "another seal": {"metric": "dev/va_pearson", "direction": "maximize", "seal": "x"},
}


@pytest.mark.parametrize("kind", CARDS)
def test_cards(sweep: Path, told: Callable[[str], str], kind: str) -> None:
    card = CARDS[kind]
    (sweep / "sweep.json").write_text(card if isinstance(card, str) else json.dumps(card))
    for name in ("leaderboard", "report", "evaluate", "verify", "export", "recover"):
        assert "results/carl/sweep.json`must" in told(name), name
