"""Temporary files of writers that were killed: whose clock says that they are old."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from raysearch.storage.local import LEFTOVER_SECONDS, LocalStorage


@pytest.mark.parametrize("jump", [-2 * LEFTOVER_SECONDS, 0, 2 * LEFTOVER_SECONDS])
def test_a_clock_that_jumps_takes_no_file_from_its_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    written_now, left_behind = tmp_path / ".a.tmp", tmp_path / ".b.tmp"
    for path in (written_now, left_behind):
        path.write_bytes(b"half")
    long_ago = time.time() - 1.5 * LEFTOVER_SECONDS
    os.utime(left_behind, (long_ago, long_ago))
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + jump)
    LocalStorage(tmp_path).make()
    assert list(tmp_path.iterdir()) == [written_now]
