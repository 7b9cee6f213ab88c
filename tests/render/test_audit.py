"""An audit as a terminal shows it, narrow and wide."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from raysearch.analysis.replay import compare_replay
from raysearch.findings.audit import Finding
from raysearch.render.audit import AuditBoard
from raysearch.run import Cell, MetricGoal, Run, RunState


@pytest.fixture
def board() -> AuditBoard:
    row = Run(
        sweep="carl",
        number=3,
        cell=Cell("sample", 0),
        method="carl",
        state=RunState.COMPLETE,
        config={},
        metrics={"dev/va_pearson": 0.5},
        provenance={"code": "c"},
    )
    tampered = replace(row, number=4, metrics={"dev/va_pearson": 0.6})
    return AuditBoard(
        folder="results",
        rows=60,
        seed=11,
        replays=[compare_replay(row, row), compare_replay(tampered, row)],
        refused={"results/carl:5": "its corpus is not there"},
        findings=[("results/carl", Finding(fault=True, where="trial 9", what="two rows differ"))],
        goals={"carl": MetricGoal("dev/va_pearson")},
        studies={"results/carl": 60, "results/msmo": None},
    )


@pytest.mark.parametrize("width", [80, 160])
def test_it_fits_and_says_all(board: AuditBoard, width: int) -> None:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(board)
    lines = stream.getvalue().splitlines()
    assert all(len(line.rstrip()) <= width for line in lines)
    said = " ".join(stream.getvalue().split())
    assert "60 rows looked at, 3 trained again (sample of --seed 11)" in said
    assert "0.6000 0.5000 differs: by 0.1 in dev/va_pearson" in said
    assert "not trained again: results/carl:5: its corpus is not there" in said
    assert "fault: results/carl: trial 9: two rows differ" in said
    assert "1 fault in what was looked at of all rows; of 2 trained again 1 bit-equal" in said


def test_a_clean_sample_says_what_it_bounds(board: AuditBoard) -> None:
    clean = replace(board, replays=board.replays[:1] * 59, findings=[], refused={})
    assert "no fault in all rows; of 59 trained again 59 bit-equal" in clean.conclusion()
    assert "at most 5 % of all rows would fail (95 % confidence)" in clean.conclusion()
    whole = replace(clean, rows=59)
    assert "confidence" not in whole.conclusion()
