"""What a slot's worker does when the sweep that it works for is gone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from noop_sweep import NoopRunner
from ray.exceptions import ActorDiedError

from raysearch.cluster import service
from raysearch.trial import Cell, Lease


def test_worker_whose_driver_is_gone_leaves_no_failed_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the trial broke, but the mail room: the next driver goes on with the lease."""

    def no_answer(reference: Any) -> Any:
        raise ActorDiedError

    monkeypatch.setattr(service.ray, "get", no_answer)
    calls = SimpleNamespace(remote=lambda *arguments: None)
    room = SimpleNamespace(post=calls, called_off=calls)
    config = {"x": 0.5, "reports": 1}
    lease = Lease(
        sweep="s", number=0, cell=Cell("t", 0), method="noop", config=config, folder=str(tmp_path)
    )
    with pytest.raises(ActorDiedError):
        service._work(service._Mail(room, "slot", lease, "worker"), NoopRunner(), lease, alone=True)
    assert not (tmp_path / "error.txt").exists()
