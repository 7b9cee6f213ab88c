"""A slot's worker: takes a run, executes it, posts its record, and takes the next.

This is the ``train_loop_per_worker`` of the slot's Ray Train run. With several workers, worker 0
uses the channel and the others get the run from it.
"""

from __future__ import annotations

import importlib
import logging
import os
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import ray
from ray.exceptions import RayError, RayTaskError

from raysearch.cluster.driver_code import DriverCode
from raysearch.cluster.gpus import (
    GpuFaultError,
    GpuPlace,
    claim_device,
    gpu_fault,
    is_gpu_fault,
)
from raysearch.cluster.preemption import NOTICE
from raysearch.errors import (
    ConfigError,
    RaysearchError,
    RunError,
    StoreError,
    TooLargeError,
    one_line,
)
from raysearch.events import Event, EventKind, ended_run
from raysearch.run import Report, Run, RunSpec, RunState
from raysearch.storage import open_storage
from raysearch.storage.uri import join, redacted, shown_text
from raysearch.training.progress import Listener

__all__ = ["Runner", "SlotShape", "TrainingRunner", "enter_directory", "serve", "storage_warnings"]


class _Teller(logging.Handler):
    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


@contextmanager
def storage_warnings(tell: Callable[[str], object]) -> Iterator[None]:
    """Call `tell` with every warning of `raysearch.storage` in this process while inside."""
    handler, log = _Teller(tell), logging.getLogger("raysearch.storage")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


IDLE_SECONDS = 20.0
"""How long workers wait for a run before they leave and free their resources."""
EVENT_SECONDS = 1.0
"""Shortest interval between posts of progress, and between checks for a stop."""


Runner = Callable[[RunSpec, Listener], Run | None]
"""Executes a run and returns its record; None when the listener stopped it, or when it was
preempted with its checkpoint written. Picklable."""


@dataclass(frozen=True)
class TrainingRunner:
    """The runner of real sweeps; imports torch and the methods only when it runs.

    Attributes:
        data_dir: Folder of the corpora, on every node.
        stages: Folder or URI of the stages that trials share; empty for the sweep's own folder.
        limit: Size limit of these in bytes; None for half of the free disk.
        annotations: Columns about the set-up for every row.
    """

    data_dir: str
    stages: str = ""
    limit: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, spec: RunSpec, listener: Listener) -> Run | None:
        """See `raysearch.training.run.execute_run`."""
        from raysearch.training.run import execute_run

        return execute_run(
            spec,
            listener,
            data_dir=self.data_dir,
            stages=self.stages,
            limit=self.limit,
            annotations=self.annotations,
        )


@dataclass(frozen=True, kw_only=True)
class SlotShape:
    """The workers and resources of a slot.

    Attributes:
        runner: Executes a run: a callable, or ``module:name``.
        workers: Worker processes, which share every trial; at least 1.
        cpus_per_worker: CPUs of each; also its number of torch threads, rounded down.
        gpus_per_worker: GPUs of each; fractions share a GPU, and with 0 the worker sees none.
        gpu_types: Types of GPUs that they may have, in the order in which they are asked for; empty
            for any.
        code: What every node must have in common with the driver; None on one machine.
        directory: The driver's working directory, from which a run's folders are named; empty to
            stay in the worker's own.
    """

    runner: Runner | str
    workers: int = 1
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0
    gpu_types: tuple[str, ...] = ()
    code: DriverCode | None = None
    directory: str = ""

    @property
    def threads(self) -> int:
        """Torch threads per worker; at least 1."""
        return max(1, int(self.cpus_per_worker))

    @property
    def resources_per_worker(self) -> dict[str, float]:
        """Resources of a worker's bundle."""
        gpus = {"GPU": self.gpus_per_worker} if self.gpus_per_worker > 0 else {}
        return {"CPU": self.cpus_per_worker, **gpus}


def serve(settings: Mapping[str, Any]) -> None:
    """Execute runs until the slot is closed, or was idle for `IDLE_SECONDS`.

    When one worker has notice that its node is about to go, all leave together; the slot then
    asks for new ones, which get the same run.

    Args:
        settings: ``room`` (handle of the dispatcher), ``slot`` (name), ``runner`` (a `Runner`
            or ``module:name``), ``threads`` (of torch, per worker; at least 1), ``gpus`` (of
            the worker), ``gpu_types``, ``code`` and ``directory`` (see `SlotShape`).
    """
    enter_directory(settings["directory"])
    claim_device(settings["gpus"])
    import torch

    from raysearch import distributed
    from raysearch.cluster.process_group import group_key

    torch.set_num_threads(settings["threads"])
    distributed.seal_with(group_key())
    dispatcher, slot = settings["dispatcher"], settings["slot"]
    if _refused(dispatcher, slot, settings["code"]):
        return
    try:
        runner = resolve(settings["runner"])
    except Exception:  # would recur in every worker that replaced this one
        ray.get(dispatcher.crash.remote(slot, traceback.format_exc()))
        return
    worker = uuid.uuid4().hex
    place = GpuPlace.here(settings["gpus"])
    places = cast(tuple[GpuPlace, ...], tuple(distributed.gather_objects(place)))
    if distributed.rank() == 0:
        ray.get(dispatcher.begin.remote(slot, places))
    while True:
        _check_gpus(dispatcher, slot, place)
        spec: RunSpec | None = None
        if distributed.rank() == 0:
            spec = ray.get(dispatcher.next_run.remote(slot, IDLE_SECONDS, worker))
        spec = cast(RunSpec | None, distributed.broadcast_object(spec))
        if spec is None:
            return
        if distributed.rank() == 0:
            nodes = tuple(at.node for at in places)
            dispatcher.post.remote(slot, Event(kind=EventKind.TAKEN, run_id=spec.id, nodes=nodes))
        with NOTICE.work():
            listener = _ChannelListener(settings, spec, worker, place)
            with storage_warnings(listener.message):
                recorded = _work(listener, runner, spec, alone=distributed.world_size() == 1)
            going = NOTICE.given or listener.winding_up or listener.moves
            leaving = any(distributed.average_values([float(going)]))
            if distributed.rank() == 0 and not recorded:
                listener.release(preempted=leaving)
        if leaving:
            return


def enter_directory(directory: str) -> None:
    """Make it this process's working directory, where there is such a one.

    A worker starts in that of its Ray, which may have been started from another.
    """
    if directory and Path(directory).is_dir():
        os.chdir(directory)


def _refused(dispatcher: Any, slot: str, code: DriverCode | None) -> bool:
    """Whether a worker's node lacks what it must have in common with the driver, which is told."""
    from raysearch import distributed

    problems = distributed.gather_objects(code.problem() if code else "")
    told = next(filter(None, map(str, problems)), "")
    if told and distributed.rank() == 0:
        ray.get(dispatcher.refuse.remote(slot, told))
    return bool(told)


def resolve(runner: Runner | str) -> Runner:
    """The runner itself, imported if it is ``module:name``."""
    if not isinstance(runner, str):
        return runner
    module, _, name = runner.partition(":")
    found: Runner = getattr(importlib.import_module(module), name)
    return found


class _ChannelListener:
    """A `Listener` that posts to the slot's channel; only worker 0 posts."""

    def __init__(
        self, settings: Mapping[str, Any], spec: RunSpec, worker: str, place: GpuPlace
    ) -> None:
        self._dispatcher, self._slot = settings["dispatcher"], settings["slot"]
        self._gpu_types = settings["gpu_types"]
        self._spec, self._worker, self._place = spec, worker, place
        self.moves = False
        """Whether the run goes to another type of GPU, so that these workers leave."""
        self._cancelled = False
        self._told = self._asked = self._looked = 0.0
        self.winding_up = False
        """Whether the run is over, and the checkpoint must be written."""
        self._step = 0
        self.problem = ""
        """An error on a node that was about to go, which says nothing about the trial."""

    def post(self, kind: EventKind, *, wait: bool = True, **fields: Any) -> None:
        event = Event(kind=kind, run_id=self._spec.id, **fields)
        answer = self._dispatcher.post.remote(self._slot, event)
        if wait:
            self._cancelled = ray.get(answer)
            self._asked = time.monotonic()

    def started(self, device: str, provenance: Mapping[str, str]) -> None:
        self.post(EventKind.STARTED, wait=False, device=device, provenance=dict(provenance))

    def progress(self, step: int, total: int) -> None:
        self._step = step
        if time.monotonic() - self._told >= EVENT_SECONDS:
            self.post(EventKind.PROGRESS, wait=False, step=step, total=total)
            self._told = time.monotonic()

    def report(self, report: Report) -> None:
        self.post(EventKind.REPORT, report=report)

    def stopped(self) -> bool:
        if not self._cancelled and time.monotonic() - self._asked >= EVENT_SECONDS:
            answer = self._dispatcher.cancelled.remote(self._slot, self._spec.id)
            self._cancelled = ray.get(answer)
            self._asked = time.monotonic()
        return self._cancelled

    def preempted(self) -> bool:
        if not self.winding_up and time.monotonic() - self._looked >= EVENT_SECONDS:
            self.winding_up = ray.get(self._dispatcher.winding_up.remote())
            self._looked = time.monotonic()
        return NOTICE.given or self.winding_up

    def message(self, text: str) -> None:
        self.post(EventKind.MESSAGE, wait=False, text=text)

    def owns(self) -> bool:
        answer = self._dispatcher.owns.remote(self._slot, self._spec.id, self._worker)
        return bool(ray.get(answer))

    def fault(self, text: str) -> None:
        """The GPU, or what this process has of it, is broken."""
        ray.get(self._dispatcher.fault.remote(self._slot, self._place, self._spec.id, text))

    def too_large(self, text: str) -> None:
        """The run needs more memory than this worker's GPU has."""
        event = Event(kind=EventKind.TOO_LARGE, run_id=self._spec.id, text=text)
        answer = self._dispatcher.too_large.remote(self._slot, self._place, event, self._gpu_types)
        self.moves = ray.get(answer)

    def release(self, *, preempted: bool) -> None:
        """The runner ended without a record: it was stopped, or preempted."""
        if self._cancelled or not preempted:
            self.post(EventKind.STOPPED)
            return
        later = f", {NOTICE.seconds:.1f} s after the notice" if NOTICE.given else ""
        saved = f"no checkpoint ({self.problem})" if self.problem else "checkpoint"
        why = "its node is about to go: " if NOTICE.given else ""
        text = f"{why}{saved} at step {self._step}{later}"
        self.post(EventKind.PREEMPTED, step=self._step, text=text)


def _check_gpus(dispatcher: Any, slot: str, place: GpuPlace) -> None:
    """See that every worker's GPU computes, before a run is taken.

    Raises:
        GpuFaultError: One does not: Ray Train replaces all workers.
    """
    from raysearch import distributed

    fault = gpu_fault() if place.gpu else ""
    if fault:
        ray.get(dispatcher.fault.remote(slot, place, "", fault))
    faults = [str(found) for found in distributed.gather_objects(fault) if found]
    if faults:
        raise GpuFaultError(faults[0])


def _work(listener: _ChannelListener, runner: Runner, spec: RunSpec, *, alone: bool) -> bool:
    """Execute one run and post its record; whatever the runner does, the slot survives.

    A bug on one of several workers leaves the others waiting for it, so with several it is
    raised once the failed record is posted: Ray Train then replaces all workers. It does so, too,
    where another worker has ended or been killed, which is no failure of the run, and after an
    error that leaves the process without its GPU.

    Returns:
        Whether the run is over; False when the runner ended without a record, or could not
        write its checkpoint on a node that was about to go.
    """
    from raysearch import distributed

    try:
        trial = runner(spec, listener)
    except RunError as error:
        trial = ended_run(spec, RunState.FAILED, str(error))
    except TooLargeError as error:
        listener.too_large(str(error))
        if alone:
            return True
        raise  # the other workers do not know, and wait for this one
    except RaysearchError as error:
        if NOTICE.given:
            listener.problem = _sentences(error)
            return False
        listener.post(EventKind.REFUSED, text=_sentences(error))
        return True
    except Exception as error:
        if _leaves_open(listener, error, alone=alone):
            raise  # Ray Train replaces all workers, and the run continues from its checkpoint
        listener.post(EventKind.FINISHED, record=_broken(spec, error))
        if alone:
            return True
        raise
    if trial is not None and distributed.rank() == 0:
        listener.post(EventKind.FINISHED, record=trial)
    return trial is not None


def _leaves_open(listener: _ChannelListener, error: Exception, *, alone: bool) -> bool:
    """Whether an error is of another process, or of the GPU, and the run is not over."""
    from raysearch import distributed

    if isinstance(error, RayError) and not isinstance(error, RayTaskError):
        return True  # the dispatcher is gone with its driver
    if is_gpu_fault(error):
        listener.fault(one_line(error))
        return True
    return not alone and distributed.lost_another(error)


def _sentences(error: RaysearchError) -> str:
    return "\n".join(error.problems) if isinstance(error, ConfigError) else str(error)


def _broken(spec: RunSpec, error: Exception) -> Run:
    """The failed record of a run whose runner has a bug; its traceback is in the folder."""
    text = shown_text("".join(traceback.format_exception(error)))
    last = shown_text(traceback.format_exception_only(error)[-1].strip())
    try:
        open_storage(spec.folder, make=False).write("error.txt", [text.encode()])
        where = f"see {redacted(join(spec.folder, 'error.txt'))}"
    except (OSError, StoreError) as failure:
        where = f"its traceback could not be kept: {failure}"
    return ended_run(spec, RunState.FAILED, f"{last} ({where})")
