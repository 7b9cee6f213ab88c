"""How does a sweep's news become its leaderboard on disk and its picture in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from rich.console import Console
from rich.live import Live

from raysearch.leaderboard import Store
from raysearch.leaderboard.summary import encoder_name
from raysearch.render.live import LiveState
from raysearch.search.plan import SweepEvent, SweepEventKind, SweepPlan, SweepSummary
from raysearch.search.sweep import run_sweep
from raysearch.trial import Trial

__all__ = ["show_sweep"]


def show_sweep(plan: SweepPlan, store: Store, *, on_open: Callable[[], None]) -> SweepSummary:
    """Run a sweep with its rows going to `store` and its picture to standard output.

    On a terminal the leaderboard is drawn again and again in place; elsewhere a line is
    written for each finished trial.

    Args:
        plan: The sweep.
        store: Its leaderboard; rows of earlier runs count.
        on_open: Called once the sweep is this driver's alone.
    """
    console = Console()
    state = LiveState(
        sweep=plan.name,
        method=plan.space.method,
        goal=plan.space.goal,
        trials=plan.configurations,
        cells=plan.cells_each,
        mode=plan.space.mode,
        aggregate=plan.space.aggregate,
        tasks=plan.tasks,
        seconds=plan.space.time_seconds,
    )
    earlier = store.trials()
    for trial in earlier:
        state.finished(trial, earlier=True)
    known = {trial.key for trial in earlier}
    told = _plainly(console, state) if not console.is_terminal else _into(state)

    def keep(trial: Trial) -> None:
        store.append(trial)
        state.finished(trial, earlier=False)

    if not console.is_terminal:
        console.print(_headline(plan), soft_wrap=True, highlight=False, markup=False)
    state.message("starting Ray and the slots")
    with Live(state, console=console, refresh_per_second=4) if console.is_terminal else _PLAIN:
        summary = run_sweep(
            plan,
            on_trial=keep,
            on_event=told,
            have=known.__contains__,
            on_open=on_open,
        )
        state.message("")
    return summary


_PLAIN = nullcontext()


def _headline(plan: SweepPlan) -> str:
    """What runs on what, for a log; on a terminal the picture says it."""
    config, _ = plan.space.paper_first()
    each = " of each task" if plan.space.mode == "per_task" else ""
    return (
        f"sweep {plan.name}: {plan.space.method} on {', '.join(plan.tasks)} with "
        f"{encoder_name(config)}; {plan.space.goal.name}, {plan.space.trials} configurations"
        f"{each} with {plan.cells_each} {'cells' if plan.cells_each > 1 else 'cell'}, "
        f"{plan.slots} slots; {plan.space.source}"
    )


def _into(state: LiveState) -> Callable[[SweepEvent], None]:
    """News into the picture."""

    def tell(event: SweepEvent) -> None:
        match event:
            case SweepEvent(kind=SweepEventKind.STARTED, lease=lease) if lease:
                state.message("")
                state.started(lease)
            case SweepEvent(kind=SweepEventKind.PROGRESS, lease=lease) if lease:
                state.progress(lease.id, event.step, event.total)
            case SweepEvent(kind=SweepEventKind.REPORT, lease=lease, report=report) if (
                lease and report
            ):
                state.report(lease.id, report)
            case SweepEvent(kind=SweepEventKind.MESSAGE):
                state.message(event.text)

    return tell


def _plainly(console: Console, state: LiveState) -> Callable[[SweepEvent], None]:
    """News into the picture's state, and a line for each finished trial and message."""
    tell = _into(state)

    def tell_and_write(event: SweepEvent) -> None:
        tell(event)
        if event.kind is SweepEventKind.FINISHED and event.trial:
            line = state.line(event.trial, console.encoding)
            console.print(line, soft_wrap=True, highlight=False, markup=False)
        elif event.kind is SweepEventKind.MESSAGE:
            console.print(event.text, soft_wrap=True, highlight=False, markup=False)

    return tell_and_write
