"""Turns the study's proposals into runs for Ray Tune, and the runs' events into study updates.

`RunQueue` writes to the study before it notifies anybody else, so a finished cell is always in
the study first. It runs in a single thread, that of Tune's loop.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from raysearch.cluster.breakdown import ShortOfMemoryError, slot_breakdown
from raysearch.cluster.node_watch import LOOK_SECONDS, NodeWatch
from raysearch.errors import ConfigError, RaysearchError
from raysearch.events import Event, EventKind, ended_run
from raysearch.run import Cell, Report, Run, RunSpec, RunState
from raysearch.search.hang_detection import HangDetector
from raysearch.search.incumbent import Incumbents
from raysearch.search.plan import SweepPlan, unknown_metric
from raysearch.search.study.entries import not_finite
from raysearch.search.study.identity import SweepSources
from raysearch.search.study.journal import RunJournal
from raysearch.search.study.ledger import OpenTrial, StudyLedger
from raysearch.search.study.lock import Guard, unguarded
from raysearch.storage.uri import join

__all__ = ["MAX_FRUITLESS", "QueuedRun", "RunQueue"]

WAITING_SECONDS = 10.0
"""Seconds after which a run that has not started yet is said to wait."""
AGAIN_SECONDS = 60.0
"""Seconds between two notices of the same."""
MAX_FRUITLESS = 10
"""Configurations that fail first, one after the other, after which a session ends."""
SAVE_SECONDS = 8.0
"""How long a sweep that is ending waits for its runs' checkpoints: one step and a write."""


@dataclass(frozen=True)
class QueuedRun:
    """A run in the queue.

    Attributes:
        spec: What to run.
        prunable: Whether early stopping applies to its reports.
    """

    spec: RunSpec
    prunable: bool


@dataclass
class ActiveRun:
    """State of a running run."""

    queued: QueuedRun
    read: int = 0
    """Sequence number of the last event processed."""
    since: float = field(default_factory=time.monotonic)
    """When it was queued."""
    device: str = ""
    saved: bool = False
    """Whether its worker has released it with its checkpoint written."""
    provenance: dict[str, str] = field(default_factory=dict)
    curve: list[Report] = field(default_factory=list)


class RunQueue:
    """The runs of a sweep while one driver drives it.

    Args:
        plan: The sweep.
        ledger: Its study.
        incumbents: The best configurations so far.
        on_trial: Called with every record once it is in the study.
        on_event: Called with every event, for display.
        watch: Watches the cluster's nodes and their cost; None without a cluster.
        sources: Sources that every trial must have read; None when they are unknown.
        guard: Called every `LOOK_SECONDS`, and before each intent is written.
        began: Start of this session by `time.monotonic`; None for now.
    """

    def __init__(
        self,
        plan: SweepPlan,
        ledger: StudyLedger,
        incumbents: Incumbents,
        *,
        on_trial: Callable[[Run], None],
        on_event: Callable[[Event], None],
        watch: NodeWatch | None = None,
        sources: SweepSources | None = None,
        guard: Guard = unguarded,
        began: float | None = None,
    ) -> None:
        self.plan, self.ledger, self.incumbents = plan, ledger, incumbents
        self._sources = sources or SweepSources(plan.name)
        self.watch = watch
        self._guard, self._guarded = guard, -math.inf
        self.interrupted = False
        """Set from outside to end the session: runs end once their checkpoints are written."""
        self._ending: float | None = None
        """When the session was first seen to be over."""
        self.failure: BaseException | None = None
        """The error that ended the session early; the sweep raises it."""
        self._on_trial, self._on_event = on_trial, on_event
        self._started = time.monotonic() if began is None else began
        self._open = {item.number: item for item in ledger.open_configurations()}
        self._running: dict[str, ActiveRun] = {}
        self._asked = self._told = -math.inf
        self._known = ""
        self._aside: set[str] = set()
        """Runs that need a larger GPU than there is."""
        self._failed_first: set[int] | None = set()
        """Configurations that failed before any other end; None once there was one."""
        self._hang_detector = HangDetector(plan.hang_seconds)
        self._journal = RunJournal(plan.root, guard=guard)
        self._journal.keep({queued.spec.id for queued in self._waiting()})

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its arguments for a restore that we never use."""
        return {}

    @property
    def unfinished(self) -> int:
        """Number of open configurations."""
        return len(self._open)

    @property
    def out_of_time(self) -> bool:
        """Whether the time budget is used up."""
        budget = self.plan.space.time_seconds
        return budget is not None and time.monotonic() - self._started >= budget

    @property
    def out_of_money(self) -> bool:
        """Whether the cost limit is reached."""
        return self.watch is not None and self.watch.out_of_money

    @property
    def over(self) -> bool:
        """Whether to start nothing more and release the active runs."""
        ended = self.interrupted or self.failure is not None
        return ended or self.out_of_time or self.out_of_money

    @property
    def spare(self) -> bool:
        """Whether only active runs are left, so that idle workers can go."""
        left = sum(len(item.cells) - len(item.finished) for item in self._open.values())
        return left - len(self._aside) <= len(self._running) and self.ledger.all_asked

    @property
    def exhausted(self) -> bool:
        """Whether no run will ever follow; an active one may still open further cells."""
        return self.over or not self._running

    def next(self) -> QueuedRun | None:
        """The next run, its intent recorded: cells of open configurations, then a new one."""
        self._look()
        while not self.over:
            queued = next(self._waiting(), None)
            if queued is None:
                asked = self.ledger.ask()
                if asked is None:
                    return None
                self._open[asked.number] = asked
                continue
            problem = self._open[queued.spec.number].problem
            if not problem:
                self._journal.write(queued.spec)
                self._running[queued.spec.id] = ActiveRun(queued)
                self._make_room()
                return queued
            # A config that cannot run fails here, without a worker.
            self._finish(queued.spec, ended_run(queued.spec, RunState.FAILED, problem))
        return None

    def handle_events(self, run_id: str, events: Sequence[Event]) -> bool:
        """Process a run's events; True when the run must end here."""
        self._look()
        running = self._running.get(run_id)
        if running is None:
            return True
        for event in events:
            if event.sequence > running.read:
                running.read = event.sequence
                self._hang_detector.note_event(run_id, event.kind)
                if self._take(running, event):
                    return True
        self._report_waiting()
        if text := self._hang_detector.silence(run_id):
            self._on_event(Event(kind=EventKind.MESSAGE, text=text))
        return self._ends(running)

    def _ends(self, running: ActiveRun) -> bool:
        """Whether a run ends with the session: its checkpoint is written or the wait timed out."""
        if not self.over:
            return False
        self._ending = self._ending or time.monotonic()
        waited = time.monotonic() - self._ending >= SAVE_SECONDS
        # A bug is not worth the wait for checkpoints; short of memory, the next attempt needs them.
        broken = self.failure is not None and not isinstance(self.failure, ShortOfMemoryError)
        return broken or not running.device or running.saved or waited

    def hangs(self, run_id: str) -> bool:
        """Whether the run's worker has been silent for too long and must be replaced."""
        if self.over or run_id not in self._running or not self._hang_detector.expired(run_id):
            return False
        text = f"trial {run_id}: its worker hangs and is replaced, to continue from its checkpoint"
        self._on_event(Event(kind=EventKind.MESSAGE, text=text))
        return True

    def reset(self, run_id: str) -> None:
        """The run's slot broke and another takes over; its events are numbered from 1 again."""
        self._hang_detector.forget(run_id)
        if run_id in self._running:
            self._running[run_id].read = 0

    def release(self, run_id: str) -> None:
        """Stop tracking the run; without a record it stays open for the next session."""
        self._running.pop(run_id, None)
        self._hang_detector.forget(run_id)
        if self.watch is not None:
            self.watch.ended(run_id)

    def fail(self, error: BaseException) -> None:
        """End the session with this error; the first one counts."""
        self.failure = self.failure or error

    def _look(self) -> None:
        if time.monotonic() - self._guarded >= LOOK_SECONDS:
            self._guard()
            self._guarded = time.monotonic()
        if self.watch is not None:
            self.watch.look()

    def _waiting(self) -> Iterator[QueuedRun]:
        """Runs that may start now, in order of configuration and cell."""
        for number in sorted(self._open):
            configuration = self._open[number]
            for cell in configuration.pending:
                queued = self._queued_run(configuration, cell)
                if queued.spec.id not in self._running and queued.spec.id not in self._aside:
                    yield queued

    def _queued_run(self, configuration: OpenTrial, cell: Cell) -> QueuedRun:
        spec = RunSpec(
            sweep=self.plan.name,
            number=configuration.number,
            cell=cell,
            method=self.plan.space.method,
            config=configuration.config,
            folder="",
            keep=self.plan.keep != "none",
            origin=configuration.origin,
        )
        spec = replace(spec, folder=join(self.plan.runs, spec.id))
        return QueuedRun(spec=spec, prunable=cell == configuration.cells[0])

    def _report_waiting(self) -> None:
        """Say which runs' workers do not come up, with what the autoscaler knows of their nodes.

        At once when it knows something new, otherwise once in a while.
        """
        now = time.monotonic()
        if now - self._asked < LOOK_SECONDS:
            return
        late = [
            running.queued.spec.id
            for running in self._running.values()
            if not running.device and now - running.since >= WAITING_SECONDS
        ]
        if not late:
            return
        self._asked = now
        known = self.watch.explain() if self.watch is not None else ""
        if known == self._known and now - self._told < AGAIN_SECONDS:
            return
        self._known, self._told = known, now
        wanted = self.plan.shape.resources_per_worker
        each = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items())
        who = f"trial {late[0]} waits" if len(late) == 1 else f"{len(late)} trials wait"
        text = f"{who} for {self.plan.workers_per_trial} x ({each})"
        text += f": {known}" if known else ""
        self._on_event(Event(kind=EventKind.MESSAGE, text=text))

    def _take(self, running: ActiveRun, event: Event) -> bool:
        """Process one event; True when the run is over."""
        spec = running.queued.spec
        match event.kind:
            case EventKind.TAKEN if self.watch is not None:
                self.watch.began(spec.id, event.nodes)
            case EventKind.STARTED:
                return self._begin(running, event)
            case EventKind.PROGRESS:
                self._on_event(event)
            case EventKind.REPORT if event.report is not None:
                return self._record_report(running, event.report)
            case EventKind.FINISHED if event.record is not None:
                return self._finish_own(spec, event.record)
            case EventKind.PREEMPTED | EventKind.MESSAGE | EventKind.WARNING:
                running.saved |= event.kind is EventKind.PREEMPTED
                kind = EventKind.MESSAGE if event.kind is EventKind.PREEMPTED else event.kind
                text = f"trial {spec.id}: {event.text}"
                self._on_event(replace(event, kind=kind, text=text))
            case EventKind.TOO_LARGE:
                return self._set_aside(spec, event.text)
            case EventKind.REFUSED | EventKind.CRASHED:
                self.fail(self._error_of(event))
                return True
            case EventKind.STOPPED:
                reason = "its runner released it without being asked"
                self._finish(spec, _ended(running, RunState.FAILED, reason))
                return True
        return False

    def _error_of(self, event: Event) -> Exception:
        """What ends the sweep after a refusal or the crash of a slot."""
        if event.kind is EventKind.REFUSED:
            return RaysearchError(event.text)
        return slot_breakdown(event.text, self.plan.slots)

    def _set_aside(self, spec: RunSpec, text: str) -> bool:
        """Leave a run open that no GPU here can hold: it has not failed, and needs another one."""
        self._aside.add(spec.id)
        self.release(spec.id)
        text = f"{text}; the trial stays open: the same command goes on with it on a larger GPU"
        self._on_event(Event(kind=EventKind.WARNING, text=text))
        return True

    def _finish_own(self, spec: RunSpec, record: Run) -> bool:
        """Finish a run with its worker's own record; True, since it is over.

        Ends the session if nothing but failures came of it: what comes would fail, too.
        """
        self._finish(spec, record)
        if record.state is not RunState.FAILED:
            self._failed_first = None
        if self._failed_first is None:
            return True
        self._failed_first.add(record.number)
        if len(self._failed_first) >= MAX_FRUITLESS:
            self.fail(
                RaysearchError(
                    f"some trial must succeed, but the first {MAX_FRUITLESS} configurations of "
                    f"this session all failed, the last one with: {record.reason}; mend that, then "
                    "run the same command again, which goes on with others"
                )
            )
        return True

    def _begin(self, running: ActiveRun, event: Event) -> bool:
        """A worker has started; True ends the run because its data differs from the sweep's.

        The run stays open, and continues on a worker that has the sweep's data.
        """
        running.device, running.provenance = event.device, dict(event.provenance)
        problem = self._sources.stranger(event.provenance)
        if problem:
            self.fail(ConfigError(problem))
            return True
        self._on_event(replace(event, run=running.queued.spec))
        return False

    def _record_report(self, running: ActiveRun, report: Report) -> bool:
        """Record a point of the curve; True when early stopping ends the configuration."""
        spec = running.queued.spec
        if all(report.rung != earlier.rung for earlier in running.curve):
            running.curve.append(report)
            self._show(EventKind.REPORT, spec, report=report)
            self._make_room()  # a first checkpoint or a stage may have appeared meanwhile
        value = report.metrics.get(self.plan.space.goal.name)
        if value is None and self._is_unknown(spec.number, report):
            return True
        if not running.queued.prunable or value is None:
            return False
        if not self.ledger.report(spec.number, report.rung, value):
            return False
        state, reason = RunState.PRUNED, f"stopped early at report {report.rung}"
        reason += f" by {self.plan.space.pruner}"
        if not math.isfinite(value):  # failed, not stopped early: it cannot be ranked
            state = RunState.FAILED
            reason = f"{not_finite(self.plan.space.goal, value)} at report {report.rung}"
        self._finish(spec, _ended(running, state, reason))
        return True

    def _is_unknown(self, number: int, report: Report) -> bool:
        """Whether the first trial's report shows that no trial will have the objective.

        That ends the sweep: every trial would otherwise train to its end unranked.
        """
        name = self.plan.space.goal.name
        if number not in self.ledger.papers.values() or name in self.plan.metrics:
            return False
        problem = unknown_metric("metric", name, report.metrics)
        self.fail(ConfigError(f"{problem} (it goes with another --name)"))
        return True

    def _finish(self, spec: RunSpec, trial: Run) -> None:
        """Write the record to the study, then notify everybody else."""
        stored = self.ledger.finish_cell(spec.number, trial)
        configuration = self._open[spec.number]
        configuration = replace(configuration, finished=(*configuration.finished, spec.cell))
        self.release(spec.id)
        if stored.state is RunState.COMPLETE and configuration.pending:
            self._open[spec.number] = configuration
        else:
            del self._open[spec.number]
            self._abandon(spec.number)
        self._on_trial(stored)
        self.incumbents.add(stored, cells=len(configuration.cells))
        self._journal.remove(spec.id)
        self._show(EventKind.FINISHED, spec, record=stored)

    def _abandon(self, number: int) -> None:
        """Drop the active cells of a configuration that is over."""
        running = (item.queued.spec for item in self._running.values())
        for spec in [spec for spec in running if spec.number == number]:
            self.release(spec.id)
            self.incumbents.abandon(spec.id)
            self._journal.remove(spec.id)

    def _make_room(self) -> None:
        """Enforce the quota, and report what it took."""
        text = self.incumbents.make_room(self._running)
        if text:
            self._on_event(Event(kind=EventKind.WARNING, text=text))

    def _show(self, kind: EventKind, spec: RunSpec, **fields: Any) -> None:
        self._on_event(Event(kind=kind, run_id=spec.id, **fields))


def _ended(running: ActiveRun, state: RunState, reason: str) -> Run:
    return ended_run(
        running.queued.spec,
        state,
        reason,
        curve=running.curve,
        device=running.device,
        provenance=running.provenance,
    )
