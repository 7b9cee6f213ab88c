"""How does a sweep's news become its leaderboard on disk and what its user sees.

A sweep tells its news to a `View`: here the picture on a terminal, or lines where standard
output is none; `news` has the view that writes JSON for another process to read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from rich.live import Live

from raysearch.errors import StoreError
from raysearch.leaderboard import Store
from raysearch.leaderboard.card import parse_card
from raysearch.leaderboard.keys import encoder_name
from raysearch.render.live import LiveState
from raysearch.render.terminal import Terminal
from raysearch.run import Run
from raysearch.search.plan import SweepEvent, SweepEventKind, SweepPlan, reach_notes
from raysearch.search.sweep import run_sweep
from raysearch.storage.uri import redacted
from raysearch.summary import SweepSummary

__all__ = ["SweepHeader", "QuietView", "ScreenView", "View", "opening_of", "show_sweep"]


@dataclass(frozen=True, kw_only=True)
class SweepHeader:
    """What a sweep says first.

    Attributes:
        card: What ``sweep.json`` holds.
        headline: What runs on what, in one line.
        root: Where the sweep lies, without credentials.
        seconds: Time limit of this run; None when there is none.
    """

    card: Mapping[str, Any]
    headline: str
    root: str
    seconds: float | None


class View(Protocol):
    """Who is told how a sweep goes; shows something from entering it to leaving it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: Any) -> None: ...

    def recorded(self, trial: Run, *, earlier: bool) -> None:
        """A row, once it is safe; `earlier` when it is of an earlier run."""

    def tell(self, event: SweepEvent) -> None:
        """Any other news; a finished trial's comes after its row."""


class QuietView:
    """Shows no progress, since the rows are in the leaderboard; what warns is told.

    Args:
        warn: Takes each warning.
    """

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None: ...

    def recorded(self, trial: Run, *, earlier: bool) -> None:
        """A row, once it is safe."""

    def tell(self, event: SweepEvent) -> None:
        """Any other news."""
        if event.kind is SweepEventKind.WARNING:
            self._warn(event.text)


class ScreenView:
    """The picture, drawn again and again in place; or a line for each trial and message.

    Args:
        opening: What sweep it is.
        clock: Seconds that never go back.
    """

    def __init__(self, opening: SweepHeader, clock: Callable[[], float] = time.monotonic) -> None:
        card = parse_card(opening.card)
        tasks = len(card.tasks) if card.mode == "per_task" else 1
        self._headline = opening.headline
        self._console = Terminal()
        self._drawn = ExitStack()
        self._state = LiveState(
            sweep=opening.card["name"],
            method=opening.card["method"],
            goal=card.goal,
            trials=opening.card["trials"] * tasks,
            cells=card.cells,
            mode=card.mode,
            aggregate=card.aggregate,
            tasks=card.tasks,
            seconds=opening.seconds,
            clock=clock,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._drawn.enter_context(Live(self._state, console=self._console))
        else:
            self.say(self._headline)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._state.message("")
        self._drawn.close()

    def recorded(self, trial: Run, *, earlier: bool) -> None:
        """A row, once it is safe."""
        self._state.finished(trial, earlier=earlier)

    def tell(self, event: SweepEvent) -> None:
        """Any other news."""
        _into(self._state, event)
        if self._console.is_terminal:
            return
        if event.kind is SweepEventKind.FINISHED and event.trial:
            self.say(self._state.line(event.trial, self._console.encoding))
        elif event.kind in (SweepEventKind.MESSAGE, SweepEventKind.WARNING):
            self.say(event.text)

    def say(self, text: str) -> None:
        """A line of its own; on a terminal above the picture."""
        self._console.print(text, soft_wrap=True)


def show_sweep(
    plan: SweepPlan, store: Store, view: View, *, on_open: Callable[[], None]
) -> SweepSummary:
    """Run a sweep with its rows going to `store` and its news to `view`.

    Args:
        plan: The sweep.
        store: Its leaderboard; rows of earlier runs count.
        view: Who is told.
        on_open: Called once the sweep is this driver's alone.
    """
    earlier = store.trials()
    # A row whose curve was lost is given anew from the study.
    whole = {trial.key for trial in earlier if trial.curve}

    def keep(trial: Run) -> None:
        try:
            store.append(trial)
        except StoreError as error:
            raise StoreError(
                f"{error} (the study keeps every finished trial, so no result is lost)"
            ) from error
        view.recorded(trial, earlier=False)

    with view:
        for trial in earlier:
            view.recorded(trial, earlier=True)
        kept = f"going on from {len(earlier)} kept rows; " if earlier else ""
        text = f"{kept}starting Ray and the slots"
        for note in (*reach_notes(plan), text):
            view.tell(SweepEvent(kind=SweepEventKind.MESSAGE, text=note))
        return run_sweep(
            plan,
            on_trial=keep,
            on_event=view.tell,
            have=whole.__contains__,
            on_open=on_open,
            rows=len(earlier),
        )


def opening_of(plan: SweepPlan, card: Mapping[str, Any]) -> SweepHeader:
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


def _into(state: LiveState, event: SweepEvent) -> None:
    """News into the picture."""
    match event:
        case SweepEvent(kind=SweepEventKind.STARTED, lease=lease) if lease:
            state.message("")
            state.started(lease)
        case SweepEvent(kind=SweepEventKind.PROGRESS, lease=lease) if lease:
            state.progress(lease.id, event.step, event.total)
        case SweepEvent(kind=SweepEventKind.REPORT, lease=lease, report=report) if lease and report:
            state.report(lease.id, report)
        case SweepEvent(kind=SweepEventKind.MESSAGE | SweepEventKind.WARNING):
            state.message(event.text)
