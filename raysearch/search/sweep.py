"""Runs a sweep from its plan to its summary, with the study, Ray, Tune and the slots.

Writes are ordered: the intent before acting (the study's ``ask``), the result before notifying
anybody (``finish_cell``, then `on_trial`). Whatever kills the driver, the same call resumes
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

from raysearch.cluster.autoscaler import awaited_nodes
from raysearch.cluster.breakdown import ShortOfMemoryError, ray_breakdown
from raysearch.cluster.node_watch import NodeWatch, live_nodes
from raysearch.cluster.prices import table_of_head
from raysearch.cluster.ray_session import ray_session
from raysearch.events import Event, EventKind
from raysearch.printable import counted
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
"""Pause after running out of memory; whatever else took it may be gone then."""

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
    """Run a sweep, or resume it.

    When the time of `plan.space` or the money of `plan.max_cost` is used up, or on the first
    Ctrl-C or SIGTERM, active trials are released at their next event. Their configurations stay
    open in the study, and the next call resumes them from their checkpoints.

    Args:
        plan: What to run and where.
        on_trial: Called with every finished cell's record once it is in the study, possibly
            more than once with the same record.
        on_event: Called with every event for display, from one thread at a time.
        have: Whether the caller already has the record (`Run.key`) of an earlier session.
        on_open: Called once this driver holds the sweep alone and its study fits the plan.
        rows: Number of records of earlier sessions; if not 0, the study must exist too.

    Raises:
        StoreError: Another driver runs this sweep, study or folder cannot be used, or the folder
            was removed or replaced while it ran: then nothing more was written.
        ConfigError: The study was made for another space or from other data, or Ray lacks
            the resources of the slots.
        RaysearchError: A trial found that none of the sweep can run, and says why.
    """
    began = time.monotonic()

    def tell(text: str) -> None:
        on_event(Event(kind=EventKind.MESSAGE, text=text))

    with ExitStack() as stack:
        lock = stack.enter_context(sweep_lock(plan.folder))
        # Ray's processes start while Tune is imported: each takes 2 to 4 s.
        imports = threading.Thread(target=import_module, args=("raysearch.search.tune",))
        imports.start()
        stack.enter_context(ray_session(plan.address, tell=tell))
        imports.join()
        from raysearch.search.tune import check_resources, idle_gpus_note

        check_resources(plan)
        if note := idle_gpus_note(plan):
            tell(note)
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
        incumbents.tidy()  # files of workers that were released late
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
            nodes=watch.last_usage() if watch else None,
            freed=incumbents.freed,
        )


def _run(
    plan: SweepPlan, made: Callable[[SweepPlan], RunQueue], tell: Callable[[str], None]
) -> RunQueue:
    """Execute the runs; when memory runs out, continue after a pause with one slot less.

    Returns:
        The queue of the last attempt, which says how it ended.
    """
    from ray.tune import TuneError

    from raysearch.search.tune import run_tune

    while True:
        queue = made(plan)
        try:
            with _interrupts(queue):
                run_tune(plan, queue)
        except (RayError, TuneError, RuntimeError) as error:
            # Tune raises a RuntimeError from what ended an actor, such as an OutOfMemoryError.
            if isinstance(error, RuntimeError) and not isinstance(error.__cause__, RayError):
                raise
            queue.fail(ray_breakdown(error, plan.slots))
        short = isinstance(queue.failure, ShortOfMemoryError)
        if short and queue.interrupted:
            queue.failure = None  # the user ended the session: do not retry
        if queue.interrupted or plan.slots == 1 or not short:
            return queue
        plan = replace(plan, slots=plan.slots - 1)
        tell(
            "this machine is short of memory, so that a slot was ended: continuing in "
            f"{PAUSE_SECONDS:.0f} s with `--slots` {plan.slots}"
        )
        time.sleep(PAUSE_SECONDS)


def _guard(plan: SweepPlan, lock: SweepLock) -> Guard:
    """The check that folder and root are still this driver's; marks the root as its own."""
    mark = RootMark(plan.root) if plan.storage else None

    def check() -> None:
        lock.check()
        if mark is not None:
            mark.check()

    return check


def _left(plan: SweepPlan, rows: int) -> str:
    """Description of what earlier sessions left at the root; empty for nothing."""
    begun = len(RunJournal(plan.root).ids())
    return (
        f"{counted(rows, 'row')} and {counted(begun, 'begun trial')} in {redacted(plan.root)}"
        if rows or begun
        else ""
    )


def _same_sources(plan: SweepPlan, ledger: StudyLedger, on_event: OnEvent) -> SweepSources:
    """Check that the sweep's sources are unchanged, and warn about versions that round otherwise.

    Raises:
        ConfigError: Data, encoder or method differ from those of earlier trials.
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
    """Pass every record of the study to whoever lacks it, and clear the finished runs."""
    space = plan.space
    incumbents = Incumbents(
        space.goal,
        plan.runs,
        plan.keep,
        aggregate=space.aggregate,
        per_task=space.mode == "per_task",
        seeds=len(plan.paper_cells) // len(plan.tasks),
        quota=plan.quota,
        stages="" if plan.stages else plan.stages_folder,
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
    """State of the paper's own setting for each task, or for all together."""
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
    """The first Ctrl-C or SIGTERM ends the session in order; the second has its usual effect."""
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
    """The node watch, if there is a cluster or a price; Ray must be initialised."""
    if plan.address is None and plan.prices is None:
        return None
    table = table_of_head() if plan.address else None
    return NodeWatch(
        live_nodes,
        prices=plan.prices,
        cap=plan.max_cost,
        folder=plan.folder,
        explain=partial(awaited_nodes, table.types if table else ()),
    )
