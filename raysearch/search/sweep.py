"""Runs a sweep from its plan to its summary: the study, Ray, Tune and the slots together.

Order of writes: the intent before acting (the study's ``ask``), the result before telling
anybody (``finish_cell``, then `on_trial`). Whatever kills the driver, the same call goes on
from there.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from types import FrameType

from ray.exceptions import RayError

from raysearch.cluster.breakdown import ShortOfMemoryError, ray_breakdown
from raysearch.cluster.cost.node_watch import NodeWatch, live_nodes
from raysearch.cluster.ray_session import ray_session
from raysearch.events import Event, EventKind
from raysearch.run import Run, RunState
from raysearch.search.driver import RunQueue
from raysearch.search.incumbent import Incumbents, paper_result
from raysearch.search.plan import SweepPlan
from raysearch.search.study.identity import SweepSources
from raysearch.search.study.journal import RunJournal
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.study.lock import Guard, RootMark, SweepLock, sweep_lock, unguarded
from raysearch.storage.uri import redacted
from raysearch.summary import Ending, PaperResult, SweepSummary
from raysearch.training.origin import versions

__all__ = ["run_sweep"]

PAUSE_SECONDS = 20.0
"""After a lack of memory; what else took it may be gone then."""

OnTrial = Callable[[Run], None]
OnEvent = Callable[[Event], None]
Have = Callable[[tuple[str, int, str, int]], bool]


def run_sweep(
    plan: SweepPlan,
    *,
    on_trial: OnTrial,
    on_event: OnEvent = lambda event: None,
    have: Have = lambda key: False,
    on_open: Callable[[], None] = lambda: None,
    rows: int = 0,
) -> SweepSummary:
    """Run a sweep, or go on with it.

    When the time of `plan.space` or the money of `plan.max_cost` is used up, or on the first
    Ctrl-C or SIGTERM, the trials that run are released at their next event; their
    configurations stay open in the study, and the next run goes on with them from their
    checkpoints.

    Args:
        plan: What to run and where.
        on_trial: Called with every finished cell's record once it is in the study; it may be
            called again with a record that it was given before.
        on_event: Called with every event for a view, in this thread.
        have: Whether a record (`Run.key`) of an earlier run need not be given again.
        on_open: Called once the sweep is this driver's alone and its study fits the plan.
        rows: Records that earlier runs left; where there are some, the study must be there too.

    Raises:
        StoreError: Another driver runs this sweep, study or folder cannot be used, or the folder
            was removed or replaced while it ran: then nothing more was written.
        ConfigError: The study was made for another space or from other data, or Ray has not what
            slots need.
        RaysearchError: A trial found that none of the sweep can run, and says why.
    """
    began = time.monotonic()

    def tell(text: str) -> None:
        on_event(Event(kind=EventKind.MESSAGE, text=text))

    with ExitStack() as stack:
        lock = stack.enter_context(sweep_lock(plan.folder))
        # Ray's processes take as long to come up as Tune to import (2 to 4 s): side by side.
        imports = threading.Thread(target=import_module, args=("raysearch.search.tune",))
        imports.start()
        stack.enter_context(ray_session(plan.address, tell=tell))
        imports.join()
        from raysearch.search.tune import check_resources

        check_resources(plan)
        ledger = stack.enter_context(
            StudyLedger.open(
                plan.url,
                plan.name,
                plan.space,
                cells=plan.cells,
                seed=plan.seed,
                on_wait=tell,
                left=_left(plan, rows),
                guard=lock.check,
            )
        )
        sources = _same_sources(plan, ledger, on_event)
        guard = _guard(plan, lock)
        guard()
        on_open()

        def keep(trial: Run) -> None:
            guard()
            on_trial(trial)

        incumbents = _reconcile(plan, ledger, keep, have, guard)
        watch = _watch(plan)
        made = partial(
            RunQueue,
            ledger=ledger,
            incumbents=incumbents,
            on_trial=keep,
            on_event=on_event,
            watch=watch,
            sources=sources,
            guard=guard,
            began=time.monotonic(),
        )
        queue = _run(plan, made, tell)
        incumbents.tidy()  # what a worker wrote that was released late
        if queue.failure is not None:
            raise queue.failure
        return SweepSummary(
            ending=_ending(queue),
            asked=ledger.asked,
            origins=ledger.origins,
            used_up=ledger.used_up,
            trials=dict(incumbents.counts),
            unfinished=queue.unfinished,
            best=dict(incumbents.best),
            papers=_papers(plan, ledger),
            seconds=time.monotonic() - began,
            nodes=watch.usage() if watch else None,
            freed=incumbents.freed,
        )


def _run(
    plan: SweepPlan, made: Callable[[SweepPlan], RunQueue], tell: Callable[[str], None]
) -> RunQueue:
    """Run the runs; where memory is short, go on after a pause with one slot less.

    Returns:
        The book of the last run: the one that tells how it ended.
    """
    from ray.tune import TuneError

    from raysearch.search.tune import run_tune

    while True:
        queue = made(plan)
        try:
            with _interrupts(queue):
                run_tune(plan, queue)
        except (RayError, TuneError) as error:
            queue.fail(ray_breakdown(error, plan.slots))
        short = isinstance(queue.failure, ShortOfMemoryError)
        if short and queue.interrupted:
            queue.failure = None  # the user has ended the run, which memory would have gone on with
        if queue.interrupted or plan.slots == 1 or not short:
            return queue
        plan = replace(plan, slots=plan.slots - 1)
        tell(
            f"this machine is short of memory, so that Ray ended a slot: going on in "
            f"{PAUSE_SECONDS:.0f} s with `--slots` {plan.slots}"
        )
        time.sleep(PAUSE_SECONDS)


def _guard(plan: SweepPlan, lock: SweepLock) -> Guard:
    """What says that folder and root are this driver's; from now on the root is marked so."""
    mark = RootMark(plan.root) if plan.storage else None

    def check() -> None:
        lock.check()
        if mark is not None:
            mark.check()

    return check


def _left(plan: SweepPlan, rows: int) -> str:
    """What earlier runs left at the root, in words; empty for nothing."""
    begun = len(RunJournal(plan.root).ids())
    return f"{rows} rows and {begun} begun trials in {redacted(plan.root)}" if rows or begun else ""


def _same_sources(plan: SweepPlan, ledger: StudyLedger, on_event: OnEvent) -> SweepSources:
    """See that the sweep goes on with what it began with, and say what rounds otherwise now.

    Raises:
        ConfigError: Data, encoder or method are others than those of earlier trials.
    """
    sources = SweepSources.of(plan.name, ledger.sources, ledger.finished_trials())
    sources.go_on_with(plan.sources, plan.data_dir)
    ledger.sources = sources.known
    for text in sources.caveats(versions(plan.space.method)):
        on_event(Event(kind=EventKind.WARNING, text=text))
    return sources


def _reconcile(
    plan: SweepPlan,
    ledger: StudyLedger,
    on_trial: OnTrial,
    have: Have,
    guard: Guard = unguarded,
) -> Incumbents:
    """Give every record of the study to whoever lacks it, and clear the finished runs."""
    space = plan.space
    incumbents = Incumbents(
        space.goal,
        plan.runs,
        plan.keep,
        aggregate=space.aggregate,
        per_task=space.mode == "per_task",
        seeds=len(plan.paper_cells) // len(plan.tasks),
        quota=plan.quota,
        stages="" if plan.stages else plan.stages_place,
        guard=guard,
    )
    # What ended a configuration comes last of its cells, which may have been in before.
    records = sorted(
        ledger.finished_trials(),
        key=lambda trial: (trial.number, trial.state is not RunState.COMPLETE),
    )
    for trial in records:
        if not have(trial.key):
            on_trial(trial)
        incumbents.count(trial, cells=plan.cells_each)
    incumbents.tidy()
    incumbents.check_quota()
    return incumbents


def _papers(plan: SweepPlan, ledger: StudyLedger) -> dict[str, PaperResult]:
    """How the paper's own setting of each task, or of all together, stands."""
    unfinished = {item.number for item in ledger.open_configurations()}
    return {
        task: paper_result(
            number,
            ledger.records(number),
            plan.space,
            cells=plan.cells_each,
            unfinished=number in unfinished,
        )
        for task, number in ledger.papers.items()
    }


@contextmanager
def _interrupts(queue: RunQueue) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in order; once more, and they act as they would."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for name, handler in before.items():
            signal.signal(name, handler)

    def interrupt(number: int, frame: FrameType | None) -> None:
        queue.interrupted = True
        restore()

    for name in before:
        signal.signal(name, interrupt)
    try:
        yield
    finally:
        restore()


def _ending(queue: RunQueue) -> Ending:
    if queue.interrupted:
        return Ending.INTERRUPTED
    left = queue.unfinished or not queue.ledger.all_asked
    if queue.out_of_money and left:
        return Ending.COST
    return Ending.TIME if queue.out_of_time and left else Ending.DONE


def _watch(plan: SweepPlan) -> NodeWatch | None:
    """What sees the nodes, where there is a cluster or something to pay for; Ray is up."""
    if plan.address is None and plan.prices is None:
        return None
    return NodeWatch(live_nodes, prices=plan.prices, cap=plan.max_cost, folder=plan.folder)
