"""Runs a sweep: its rows go to the leaderboard, its events to a view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raysearch.api.leaderboard import leaderboard
from raysearch.api.messages import QUIET, Messages, shown
from raysearch.api.options import SweepOptions, with_keywords
from raysearch.api.sweep_plan import (
    card_of,
    check_encoders,
    check_held,
    check_inputs,
    plan_of,
    with_sources,
    write_card,
)
from raysearch.api.watch import refuse_copy
from raysearch.cluster.gpus import visible_gpus
from raysearch.cluster.prices import table_of_head
from raysearch.cluster.ray_version import check_ray
from raysearch.errors import ConfigError, StoreError
from raysearch.events import Event, EventKind, SweepHeader, View
from raysearch.leaderboard import Store, SweepCard
from raysearch.leaderboard.first_trial import beside_text
from raysearch.leaderboard.keys import encoder_name
from raysearch.printable import counted, plural
from raysearch.render.output import lasting_output
from raysearch.render.sweep_summary import ending_text
from raysearch.run import Run
from raysearch.search.plan import SweepPlan, reach_notes
from raysearch.search.sweep import run_sweep
from raysearch.storage import open_storage
from raysearch.storage.uri import redacted
from raysearch.summary import SweepSummary

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sweep", "ending_of", "header_of", "search", "show_sweep", "sweep"]


@dataclass(frozen=True)
class Sweep:
    """A sweep that has ended, or was interrupted.

    Attributes:
        folder: Folder or URI of its rows.
        summary: How it ended, its best configurations, the paper's own.
    """

    folder: str
    summary: SweepSummary

    def leaderboard(self) -> pd.DataFrame:
        """Its configurations, best first; see `leaderboard`."""
        return leaderboard(self.folder)


@with_keywords(SweepOptions)
def sweep(options: SweepOptions) -> Sweep:
    """Search a method's hyper-parameters; the same call again continues where it ended.

    Takes the keywords of `raysearch.api.options.SweepOptions`. On a terminal the sweep is drawn
    while it runs, unless it is `quiet`.

    Returns:
        The sweep; after Ctrl-C, too, with ``summary.ending == "interrupted"``.

    Raises:
        RaysearchError: It cannot run, and why.

    >>> import raysearch
    >>> raysearch.sweep("carl", trials=0)
    Traceback (most recent call last):
    raysearch.errors.ConfigError: `--trials` must be an integer in [1, 1000000], but got 0
    """
    if options.cluster is not None or options.slurm is not None:
        raise ConfigError(
            "a sweep with `cluster` or `slurm` must be started by the command: it is watched"
        )
    with shown(options.quiet) as messages:
        plan, summary = search(options, messages.view(), messages)
    return Sweep(plan.root, summary)


def search(
    options: SweepOptions, view: View, messages: Messages = QUIET
) -> tuple[SweepPlan, SweepSummary]:
    """Check everything that can be checked, and run the sweep on this machine.

    Args:
        options: Of the sweep.
        view: Receives the events.
        messages: Where to say what is measured before it begins, and warnings.

    Raises:
        RaysearchError: It cannot run, and why.
    """
    check_ray()
    plan = plan_of(options)
    if plan.address is not None and (table := table_of_head()) is not None:
        check_held(plan, table, slots=plan.slots)
    check_inputs(plan)
    check_encoders(plan, ask=plan.address is None)  # a cluster's nodes may reach more
    plan = with_sources(plan)
    refuse_copy(plan.folder)
    if options.pack is not None:
        from raysearch.api.packing import packed  # loads torch, which a driver does without

        plan = packed(plan, options.pack, slots=options.slots, messages=messages)
    header = header_of(plan, card_of(plan))
    if plan.storage:
        open_storage(plan.root)  # said before Ray starts, too
    with lasting_output(
        f"nobody reads the output any more: the sweep continues without it, and its rows are in "
        f"{redacted(plan.root)}"
    ):
        store = Store(plan.root)
        summary = show_sweep(plan, header, store, view)
    if summary.used_up:
        write_card(plan, summary.used_up)
    return plan, summary


def ending_of(plan: SweepPlan, summary: SweepSummary) -> str:
    """The lines after the leaderboard of a sweep of this machine: its best, and what is next."""
    goal, mode, aggregate = plan.space.goal, plan.space.mode, plan.space.aggregate
    card = SweepCard(goal=goal, mode=mode, aggregate=aggregate, tasks=plan.tasks)
    return ending_text(card, summary, rows=redacted(plan.root))


def header_of(plan: SweepPlan, card: Mapping[str, Any]) -> SweepHeader:
    """The first event of a sweep, from its plan and its card."""
    config, _ = plan.space.paper_first()
    each = " of each task" if plan.space.mode == "per_task" else ""
    headline = (
        f"sweep {plan.name}: {plan.space.method} on {', '.join(plan.tasks)} with "
        f"{encoder_name(config)}; {plan.space.goal.name}, "
        f"{counted(plan.space.trials, 'configuration')}{each} with "
        f"{counted(plan.cells_each, 'cell')}, {counted(plan.slots, 'slot')}{_devices(plan)}; "
        f"{plan.space.source}"
    )
    # The tasks of a sweep differ in values of the paper's that are searched, such as weights.
    beside = beside_text("", plan.space.paper_beside(plan.tasks[0] if each else ""))
    if beside:
        headline += f"; {beside}"
    seconds = plan.space.time_seconds
    return SweepHeader(card=card, headline=headline, root=redacted(plan.root), seconds=seconds)


def _devices(plan: SweepPlan) -> str:
    """What each slot takes of the GPUs, and which it leaves; empty on a machine without."""
    each, workers = plan.gpus_per_worker, plan.workers_per_trial
    here = 0 if plan.address else visible_gpus()
    there = f" of the {here} here" if here else ""
    if each > 0:
        kinds = f" ({', else '.join(plan.gpu_types)})" if plan.gpu_types else ""
        return f" of {each * workers:g} {plural(each * workers, 'GPU')}{kinds}{there}"
    return f" on the CPU ({counted(here, 'GPU')} here unused)" if here else ""


def show_sweep(plan: SweepPlan, header: SweepHeader, store: Store, view: View) -> SweepSummary:
    """Run a sweep with its rows going to `store` and its events to `view`."""
    earlier = store.trials()
    # A row whose curve was lost is given anew from the study.
    whole = {trial.key for trial in earlier if trial.curve}

    def begin() -> None:
        write_card(plan)
        store.compact()  # makes the folder, which no row makes again if it is removed

    def show_row(record: Run, *, earlier: bool) -> None:
        row = Event(kind=EventKind.TRIAL, run_id=record.id, record=record, earlier=earlier)
        view.event(row)

    def keep(record: Run) -> None:
        try:
            store.append(record)
        except StoreError as error:
            raise StoreError(
                f"{error} (the study keeps every finished trial, so no result is lost)"
            ) from error
        show_row(record, earlier=False)

    with view:
        view.event(Event(kind=EventKind.SWEEP, header=header))
        for record in earlier:
            show_row(record, earlier=True)
        kept = f"continuing from {len(earlier)} kept rows; " if earlier else ""
        text = f"{kept}starting Ray and the slots"
        for note in (*reach_notes(plan), text):
            view.event(Event(kind=EventKind.MESSAGE, text=note))
        summary = run_sweep(
            plan,
            on_trial=keep,
            on_event=view.event,
            have=whole.__contains__,
            on_open=begin,
            rows=len(earlier),
        )
        view.event(Event(kind=EventKind.ENDING, summary=summary))
    return summary
