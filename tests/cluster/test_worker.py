"""What a slot's worker does when the sweep that it works for, or its node, is gone or going."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from noop_sweep import NoopRunner
from ray.exceptions import ActorDiedError

from raysearch.cluster import worker
from raysearch.cluster.preemption import PreemptionNotice
from raysearch.errors import StoreError
from raysearch.events import Event, EventKind
from raysearch.run import Cell, RunSpec
from raysearch.training.progress import Listener


def test_worker_whose_driver_is_gone_leaves_no_failed_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the trial broke, but the dispatcher: the next driver goes on with the run."""

    def no_answer(reference: Any) -> Any:
        raise ActorDiedError

    monkeypatch.setattr(worker.ray, "get", no_answer)
    calls = SimpleNamespace(remote=lambda *arguments: None)
    dispatcher = SimpleNamespace(post=calls, cancelled=calls)
    config = {"x": 0.5, "reports": 1}
    spec = RunSpec(
        sweep="s", number=0, cell=Cell("t", 0), method="noop", config=config, folder=str(tmp_path)
    )
    with pytest.raises(ActorDiedError):
        worker._work(
            worker._ChannelListener(dispatcher, "slot", spec, "worker"),
            NoopRunner(),
            spec,
            alone=True,
        )
    assert not (tmp_path / "error.txt").exists()


@pytest.mark.parametrize("going", [False, True])
def test_what_fails_on_a_node_that_is_going_is_no_fault_of_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, going: bool
) -> None:
    """A checkpoint that a closing network does not take ends nothing: the run stays open."""
    posted: list[Event] = []

    def remote(slot: str, event: Event) -> bool:
        posted.append(event)
        return False

    notice = PreemptionNotice()
    monkeypatch.setattr(worker, "NOTICE", notice)
    monkeypatch.setattr(worker.ray, "get", lambda answer: answer)
    dispatcher = SimpleNamespace(post=SimpleNamespace(remote=remote))
    config = {"x": 0.5, "reports": 1}
    spec = RunSpec(
        sweep="s", number=0, cell=Cell("t", 0), method="noop", config=config, folder=str(tmp_path)
    )
    listener = worker._ChannelListener(dispatcher, "slot", spec, "worker")

    def runner(spec: RunSpec, listener: Listener) -> None:
        listener.progress(40, 100)
        if going:
            notice.give()
        raise StoreError("the network is down")

    over = worker._work(listener, runner, spec, alone=True)
    assert over is not going
    if not over:
        listener.release(preempted=True)
    assert posted[-1].kind is (EventKind.PREEMPTED if going else EventKind.REFUSED)
    if going:
        said = "its node is about to go: no checkpoint (the network is down) at step 40, "
        assert posted[-1].text.startswith(said)


def test_a_run_that_winds_up_has_its_workers_save(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked at most once a second; what is released then stays open, with its checkpoint."""
    posted: list[Event] = []
    answers = iter([False, True])
    monkeypatch.setattr(worker, "NOTICE", PreemptionNotice())
    monkeypatch.setattr(worker.ray, "get", lambda answer: answer)
    post = SimpleNamespace(remote=lambda slot, event: posted.append(event))
    asked = SimpleNamespace(remote=lambda: next(answers))
    dispatcher = SimpleNamespace(post=post, winding_up=asked)
    spec = RunSpec(sweep="s", number=0, cell=Cell("t", 0), method="noop", config={}, folder="")
    listener = worker._ChannelListener(dispatcher, "slot", spec, "worker")
    listener.progress(40, 100)
    assert not listener.preempted()
    assert not listener.preempted()
    monkeypatch.setattr(worker, "EVENT_SECONDS", 0)
    assert listener.preempted() and listener.preempted()
    listener.release(preempted=listener.winding_up)
    assert posted[-1].kind is EventKind.PREEMPTED
    assert posted[-1].text == "checkpoint at step 40"
