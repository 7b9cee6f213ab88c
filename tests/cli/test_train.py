"""`raysearch train`: how it uses the machine that it is on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from raysearch.cli import train
from raysearch.training import run
from raysearch.trial import Cell, Lease


def test_no_more_threads_than_cores_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Torch counts the node's cores, whatever a container or Slurm allows of them."""
    seen = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    monkeypatch.setattr(train, "usable_cores", lambda: 2)
    monkeypatch.setattr(run, "run_lease", lambda lease, listener, **more: "done")
    lease = Lease(
        sweep="s", number=0, cell=Cell("t", 0), method="carl", config={}, folder=str(tmp_path)
    )
    assert train.train_here(lease, "") == "done"  # type: ignore[comparison-overlap]
    assert seen == [2, 64]
