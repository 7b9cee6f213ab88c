"""What a slot's worker does when the sweep that it works for, or its node, is gone or going."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from noop_sweep import NoopRunner
from ray.exceptions import ActorDiedError

from raysearch.cluster import worker
from raysearch.cluster.gpus import GpuPlace
from raysearch.cluster.preemption import PreemptionNotice
from raysearch.cluster.worker import storage_warnings
from raysearch.errors import StoreError, TooLargeError
from raysearch.events import Event, EventKind
from raysearch.run import Cell, RunSpec
from raysearch.training.progress import Listener

PLACE = GpuPlace(node="n", host="h", gpu="1", type="A10G")


def listening(dispatcher: Any, spec: RunSpec) -> worker._ChannelListener:
    settings = {"dispatcher": dispatcher, "slot": "slot", "gpu_types": ("A10G", "A100")}
    return worker._ChannelListener(settings, spec, "worker", PLACE)


def test_worker_whose_driver_is_gone_leaves_no_failed_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the trial broke, but the dispatcher: the next driver continues the run."""

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
            listening(dispatcher, spec),
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
    listener = listening(dispatcher, spec)

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


LOST = "[/src/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer"


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (RuntimeError(LOST), False),
        (torch.distributed.DistBackendError("NCCL error"), False),
        (RuntimeError("a bug"), True),
    ],
)
def test_a_run_that_lost_another_worker_has_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, failed: bool
) -> None:
    """Ray Train replaces all workers, and the run continues from its checkpoint."""
    posted: list[Event] = []
    monkeypatch.setattr(worker.ray, "get", lambda answer: answer)
    post = SimpleNamespace(remote=lambda slot, event: posted.append(event))
    spec = RunSpec(
        sweep="s", number=0, cell=Cell("t", 0), method="noop", config={}, folder=str(tmp_path)
    )
    listener = listening(SimpleNamespace(post=post), spec)

    def runner(spec: RunSpec, listener: Listener) -> None:
        raise error

    with pytest.raises(type(error)):
        worker._work(listener, runner, spec, alone=False)
    assert [event.kind for event in posted] == [EventKind.FINISHED] * failed
    assert (tmp_path / "error.txt").exists() is failed


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
    listener = listening(dispatcher, spec)
    listener.progress(40, 100)
    assert not listener.preempted()
    assert not listener.preempted()
    monkeypatch.setattr(worker, "EVENT_SECONDS", 0)
    assert listener.preempted() and listener.preempted()
    listener.release(preempted=listener.winding_up)
    assert posted[-1].kind is EventKind.PREEMPTED
    assert posted[-1].text == "checkpoint at step 40"


def test_warnings_of_storage_are_told_inside_only() -> None:
    told: list[str] = []
    log = logging.getLogger("raysearch.storage.retry")
    with storage_warnings(told.append):
        log.warning("%s does not answer", "s3://b/p")
        log.info("no news")
        logging.getLogger("raysearch.training.stages.cache").warning("of no concern")
    log.warning("too late")
    assert told == ["s3://b/p does not answer"]


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (torch.AcceleratorError("CUDA error: device-side assert triggered\nand more"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `x`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"), True),
        (RuntimeError("a bug"), False),
        (ValueError("of CUDA error: no RuntimeError"), False),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_a_run_whose_gpu_failed_stays_open_and_its_process_ends(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    fault: bool,
    alone: bool,
) -> None:
    posted: list[Event] = []
    faults: list[tuple[Any, ...]] = []
    monkeypatch.setattr(worker.ray, "get", lambda answer: answer)
    dispatcher = SimpleNamespace(
        post=SimpleNamespace(remote=lambda slot, event: posted.append(event)),
        fault=SimpleNamespace(remote=lambda *about: faults.append(about)),
    )
    spec = RunSpec(
        sweep="s", number=0, cell=Cell("t", 0), method="noop", config={}, folder=str(tmp_path)
    )
    listener = listening(dispatcher, spec)

    def runner(spec: RunSpec, listener: Listener) -> None:
        raise error

    if fault or not alone:
        with pytest.raises(type(error)):
            worker._work(listener, runner, spec, alone=alone)
    else:
        assert worker._work(listener, runner, spec, alone=alone)
    said = " ".join(str(error).split())
    assert faults == [("slot", PLACE, spec.id, said)] * fault
    assert [event.kind for event in posted] == [EventKind.FINISHED] * (not fault)


@pytest.mark.parametrize("moves", [True, False])
def test_one_of_several_workers_that_lacks_memory_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch, moves: bool
) -> None:
    """Any of them says so; alone it may take the next run, unless this one moves."""
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(worker.ray, "get", lambda answer: answer)

    def too_large(*about: Any) -> bool:
        told.append(about)
        return moves

    dispatcher = SimpleNamespace(too_large=SimpleNamespace(remote=too_large))
    spec = RunSpec(sweep="s", number=0, cell=Cell("t", 0), method="noop", config={}, folder="")
    listener = listening(dispatcher, spec)

    def runner(spec: RunSpec, listener: Listener) -> None:
        raise TooLargeError("a trial must fit")

    assert worker._work(listener, runner, spec, alone=True)
    assert listener.moves is moves
    with pytest.raises(TooLargeError):
        worker._work(listener, runner, spec, alone=False)
    (slot, place, event, types), again = told
    assert (slot, place, event.run_id, event.text) == ("slot", PLACE, spec.id, "a trial must fit")
    assert event.kind is EventKind.TOO_LARGE and types == ("A10G", "A100") and again == told[0]
