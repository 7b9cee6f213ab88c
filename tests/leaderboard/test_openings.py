"""A record of an opening that anybody planted counts as damaged, and stops nobody."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raysearch.leaderboard.openings import Openings, _sealed, count_of
from raysearch.run import Cell, Run, RunState

NAME = "test.00002-sample-s0.00000000.json"
READING = Run(
    sweep="carl",
    number=2,
    cell=Cell("sample", 0),
    method="carl",
    state=RunState.COMPLETE,
    config={"top_k": 0.1},
    metrics={"test/va_pearson": 0.5},
    finished="2026-01-02T03:04:05+00:00",
    provenance={"commit": "0123456"},
)


def planted(change: dict[str, Any]) -> bytes:
    """A record that whoever can write there has sealed."""
    record = {
        **{"role": "test", "trial": READING.id, "token": "00000000"},
        **{"began": "2026-01-03T00:00:00+00:00", "by": "", "what": "scores", "weights": ""},
        **{"finished": "", "damaged": False, "reading": READING.to_json()},
    }
    return _sealed({**record, **change}).encode()


def put(folder: Path, content: bytes) -> Openings:
    (folder / "openings").mkdir()
    (folder / "openings" / NAME).write_bytes(content)
    return Openings(str(folder))


def test_a_sealed_record_is_read(tmp_path: Path) -> None:
    (opening,) = put(tmp_path, planted({})).all("test")
    assert not opening.damaged and opening.reading == READING


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b"\xff",
        b"5",
        b'{"opening": 5, "sha256": ""}',
        *(planted({name: 5}) for name in ("began", "by", "what", "weights", "finished", "damaged")),
        planted({"reading": "[" * 200_000}),
        planted({"reading": 5}),
        planted({"by": "\x1b[2J"}),
    ],
    ids=range(13),
)
def test_a_planted_record_is_damaged(tmp_path: Path, content: bytes) -> None:
    openings = put(tmp_path, content)
    (opening,) = openings.all()
    assert opening.damaged and opening.name == NAME
    assert openings.counts() == {("test", READING.id): 1}


@pytest.mark.parametrize(
    "change",
    [
        {"number": 1},
        {"metrics": 5},
        {"metrics": {"test/va_pearson": "0.9"}},
        {"provenance": {"commit": 5}},
        {"config": []},
        {"finished": "today"},
        {"steps": 2**70},
        {"steps": -1},
        {"sweep": []},
        {"curve": [{"rung": 1, "step": 1, "seconds": 1.0, "metrics": 5}]},
    ],
    ids=str,
)
def test_a_planted_reading_that_is_no_row_is_damaged(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    text = json.dumps({**json.loads(READING.to_json()), **change})
    assert [item.damaged for item in put(tmp_path, planted({"reading": text})).all()] == [True]


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe"])
def test_a_pipe_counts_and_holds_nobody(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "openings" / NAME
    path.parent.mkdir()
    os.mkfifo(pipe := path if kind == "pipe" else tmp_path / "pipe")
    if pipe != path:
        path.symlink_to(pipe)
    (opening,) = Openings(str(tmp_path)).all()
    assert opening.damaged and opening.trial == READING.id


@pytest.mark.parametrize(("text", "count"), [("3", 3), ("many", 1), ("9" * 5000, 1), ("-2", 1)])
def test_a_row_s_count_that_is_none_is_one(text: str, count: int) -> None:
    assert count_of(replace(READING, provenance={"openings": text})) == count
