"""A sweep whose rows go to its leaderboard and whose events go to a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from raysearch.errors import StoreError
from raysearch.events import Event, EventKind, SweepHeader, View
from raysearch.leaderboard import Store
from raysearch.leaderboard.keys import encoder_name
from raysearch.run import Run
from raysearch.search.plan import SweepPlan, reach_notes
from raysearch.search.sweep import run_sweep
from raysearch.storage.uri import redacted
from raysearch.summary import SweepSummary

__all__ = ["header_of", "show_sweep"]


def header_of(plan: SweepPlan, card: Mapping[str, Any]) -> SweepHeader:
    """What a sweep says first, from its plan and its card."""
    config, _ = plan.space.paper_first()
    each = " of each task" if plan.space.mode == "per_task" else ""
    headline = (
        f"sweep {plan.name}: {plan.space.method} on {', '.join(plan.tasks)} with "
        f"{encoder_name(config)}; {plan.space.goal.name}, {plan.space.trials} configurations"
        f"{each} with {plan.cells_each} {'cells' if plan.cells_each > 1 else 'cell'}, "
        f"{plan.slots} slots; {plan.space.source}"
    )
    seconds = plan.space.time_seconds
    return SweepHeader(card=card, headline=headline, root=redacted(plan.root), seconds=seconds)


def show_sweep(
    plan: SweepPlan, header: SweepHeader, store: Store, view: View, *, on_open: Callable[[], None]
) -> SweepSummary:
    """Run a sweep with its rows going to `store` and its events to `view`.

    Args:
        plan: The sweep.
        header: What it says first.
        store: Its leaderboard; rows of earlier runs count.
        view: Who is told.
        on_open: Called once the sweep is this driver's alone.
    """
    earlier = store.trials()
    # A row whose curve was lost is given anew from the study.
    whole = {trial.key for trial in earlier if trial.curve}

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
        kept = f"going on from {len(earlier)} kept rows; " if earlier else ""
        text = f"{kept}starting Ray and the slots"
        for note in (*reach_notes(plan), text):
            view.event(Event(kind=EventKind.MESSAGE, text=note))
        summary = run_sweep(
            plan,
            on_trial=keep,
            on_event=view.event,
            have=whole.__contains__,
            on_open=on_open,
            rows=len(earlier),
        )
        view.event(Event(kind=EventKind.ENDING, summary=summary))
    return summary
