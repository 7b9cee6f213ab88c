"""The live display of a running sweep.

`LiveState` accumulates a sweep's events, and is itself a rich renderable for `rich.live.Live`. If
standard output is not a terminal, `LiveState.line` returns one line per finished run.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from raysearch.events import Event, EventKind, SweepHeader
from raysearch.leaderboard.card import SweepCard, parse_card
from raysearch.leaderboard.keys import Summary, encoder_name, summarize
from raysearch.leaderboard.rank import Ranked, Ranking, rank, varying
from raysearch.leaderboard.schema import TRIAL_COLUMNS, conform, empty_table, trial_rows, unify
from raysearch.leaderboard.tasks import rank_tasks, searched
from raysearch.objective import Best, aggregate_value, is_over
from raysearch.printable import counted, plural
from raysearch.render.board import count_words, more_settings, origin_lines
from raysearch.render.format import Glyphs, duration, glyphs_for, score, sparkline
from raysearch.render.table import Layout, ranked_table
from raysearch.render.terminal import Terminal
from raysearch.run import Cell, Report, Run, RunSpec, RunState

__all__ = ["LiveState", "LiveView", "MOST_RUNNING", "Race", "Running", "bar", "running_table"]


@dataclass
class _Configuration:
    """State of a configuration: the goal's values and the ends of its finished cells."""

    values: dict[Cell, float] = field(default_factory=dict)
    states: list[RunState] = field(default_factory=list)
    ended: bool = False
    earlier: bool = True


class Race:
    """The finished cells of a sweep, at a constant cost per cell.

    Args:
        card: The ranking rules, and the number of cells of a complete configuration.
    """

    def __init__(self, card: SweepCard) -> None:
        self._card = card
        self._split = card.alone
        self._done: dict[int, _Configuration] = {}
        self._best: dict[str, Best] = {}

    def add(self, trial: Run, *, earlier: bool) -> None:
        """Add a finished cell; duplicates are ignored.

        Args:
            trial: The record.
            earlier: Whether it is from an earlier session.
        """
        done = self._done.setdefault(trial.number, _Configuration())
        done.values[trial.cell] = trial.metrics.get(self._card.goal.name, math.nan)
        done.states.append(trial.state)
        done.ended = is_over(done.states, self._card.cells)
        done.earlier &= earlier
        if done.ended and set(done.states) == {RunState.COMPLETE}:
            self._compete(
                trial, aggregate_value(done.values, self._card.goal, self._card.aggregate)
            )

    def best(self, trial: Run) -> tuple[str, Best] | None:
        """The best complete configuration among those that a trial competes with.

        Returns:
            Their common task (empty for all) and the best; None if there is none.
        """
        contest = self._contest(trial)
        found = self._best.get(contest)
        return None if found is None else (contest, found)

    @property
    def ended(self) -> int:
        """Number of configurations that need no further cell."""
        return sum(item.ended for item in self._done.values())

    def work(self, *, earlier: bool = True) -> float:
        """Finished cells in units of configurations; of earlier sessions only if `earlier`."""
        return sum(
            1.0 if item.ended else len(item.states) / self._card.cells
            for item in self._done.values()
            if earlier or not item.earlier
        )

    def _contest(self, trial: Run) -> str:
        return trial.cell.task if self._split else ""

    def _compete(self, trial: Run, value: float) -> None:
        contest, found = self._contest(trial), Best(trial.number, value)
        if found.ahead_of(self._best.get(contest), self._card.goal):
            self._best[contest] = found


MOST_RUNNING = 8
_BAR = 16
_SPARK = 16


@dataclass
class Running:
    """An active run.

    Attributes:
        run: Configuration and cell.
        since: When it began, by the display's clock.
        share: Fraction of steps done, 0 to 1.
        curve: The goal's values reported so far; NaN if a report lacks it.
    """

    run: RunSpec
    since: float
    share: float = 0.0
    curve: list[float] = field(default_factory=list)


def running_table(running: Iterable[Running], now: float, glyphs: Glyphs) -> Table:
    """A line per run: trial, task and seed, progress, its curve, its last value, its time."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    for right in (False, False, False, True, False, True, True):
        table.add_column(justify="right" if right else "left", no_wrap=True)
    items = sorted(running, key=lambda item: item.run.id)
    for item in items[:MOST_RUNNING]:
        cell = item.run.cell
        table.add_row(
            f"trial {item.run.number}",
            f"{cell.task} s{cell.seed}",
            bar(item.share, glyphs),
            f"{item.share:.0%}",
            sparkline(item.curve, _SPARK, glyphs.bars),
            score(item.curve[-1]) if item.curve else "",
            duration(now - item.since),
        )
    if len(items) > MOST_RUNNING:
        table.add_row(f"and {len(items) - MOST_RUNNING} more")
    return table


def _of_trials(ended: int, wanted: int) -> str:
    """Trials that ended, of how many if that is known."""
    return f"{ended}/{wanted} {plural(wanted, 'trial')}" if wanted else counted(ended, "trial")


def bar(share: float, glyphs: Glyphs) -> str:
    """A bar of sixteen characters."""
    full = int(share * _BAR)
    return glyphs.full * full + glyphs.empty * (_BAR - full)


_MOST_BEST = 10
_MOST_BEST_OF_TASK = 3
_MOST_NEW = 64


class LiveState:
    """The state of a running sweep from its events, and its rendering.

    Events may come from one thread while another draws.

    Args:
        header: Description of the sweep.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, header: SweepHeader, clock: Callable[[], float] = time.monotonic) -> None:
        self._card = card = parse_card(header.card)
        self.goal, self._cells, self._limit = card.goal, card.cells, header.seconds
        self._sweep, self._method = header.card["name"], header.card["method"]
        tasks = len(card.tasks) if card.mode == "per_task" else 1
        self._trials = header.card["trials"] * tasks
        """Configurations of the sweep, over all tasks; 0 if only time limits it."""
        self._clock = clock
        self._began = clock()
        self._first: float | None = None
        self._running: dict[str, Running] = {}
        self._seen: set[tuple[str, int, str, int]] = set()
        column = pa.field(f"metric/{self.goal.name}", pa.float64())
        self._rows = empty_table(TRIAL_COLUMNS.append(column))
        self._new: list[pa.Table] = []
        self._ranking = Ranking.none()
        self._ranked = True
        self._parameters: list[str] = []
        self._by_task: dict[str, Ranking] = {}
        self._race = Race(self._card)
        self._message = ""
        self._lock = threading.RLock()

    def event(self, event: Event) -> None:
        """Process an event; ignores kinds that are not drawn."""
        with self._lock:
            running = self._running.get(event.run_id)
            match event:
                case Event(kind=EventKind.STARTED, run=RunSpec() as run):
                    self._start(run)
                case Event(kind=EventKind.PROGRESS) if running and event.total > 0:
                    running.share = min(event.step / event.total, 1.0)
                case Event(kind=EventKind.REPORT, report=Report() as report) if running:
                    running.curve.append(report.metrics.get(self.goal.name, math.nan))
                case Event(kind=EventKind.TRIAL, record=Run() as record):
                    self._add(record, earlier=event.earlier)
                case Event(kind=EventKind.MESSAGE | EventKind.WARNING):
                    self._message = event.text

    def _start(self, run: RunSpec) -> None:
        """A run is active, for the first time or again."""
        now = self._clock()
        self._first = now if self._first is None else self._first
        self._running[run.id] = Running(run, now)
        self._message = ""

    def _add(self, trial: Run, *, earlier: bool) -> None:
        """A cell has ended; duplicates are ignored.

        Args:
            trial: The record.
            earlier: Whether it is from an earlier session, so that it does not affect the pace.
        """
        self._running.pop(trial.id, None)
        if trial.state is not RunState.COMPLETE:  # its other cells are dropped
            others = self._running.items()
            self._running = {n: it for n, it in others if it.run.number != trial.number}
        if trial.key in self._seen:
            return
        self._seen.add(trial.key)
        self._new.append(trial_rows(trial))
        self._ranked = False
        if len(self._new) >= _MOST_NEW:
            self._fold()
        self._race.add(trial, earlier=earlier)

    def line(self, trial: Run, encoding: str = "utf-8") -> str:
        """One line on a finished run, whose row is stored."""
        with self._lock:
            glyphs = glyphs_for(encoding)
            value = score(trial.metrics.get(self.goal.name, math.nan)) or glyphs.none
            parts = [
                _of_trials(self._race.ended, self._trials),
                f"trial {trial.number} {trial.cell.task} seed {trial.cell.seed} {trial.state}",
                f"{self.goal.name} {value}",
                duration(trial.seconds),
            ]
            if trial.state is RunState.FAILED:
                parts.append(trial.reason)
            best = self._race.best(trial)
            if best is not None:
                task, first = best
                parts.append(
                    f"best{task and f' of {task}'} {score(first.value)} (trial {first.number})"
                )
            return f" {glyphs.dot} ".join(parts)

    def seconds_left(self) -> float | None:
        """Remaining time at this session's pace or by the limit; None if unknown."""
        with self._lock:
            now = self._clock()
            left = [] if self._limit is None else [self._limit - (now - self._began)]
            here = self._race.work(earlier=False)
            under_way = sum(item.share for item in self._running.values()) / self._cells
            if self._trials and here > 0 and self._first is not None:
                rest = max(self._trials - self._race.work() - under_way, 0.0)
                left.append(rest * (now - self._first) / (here + under_way))
            return max(min(left), 0.0) if left else None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            glyphs = glyphs_for(options.encoding)
            self._rank()
            layout = self._layout()
            yield from origin_lines(self._summary(), layout, glyphs)
            yield self._overall(glyphs)
            if self._running:
                yield Text()
                yield running_table(self._running.values(), self._clock(), glyphs)
            room = console.size.height - min(len(self._running), MOST_RUNNING) - 13
            best = self._shown(room)
            if best:
                yield Text()
                table, hidden = ranked_table(
                    best, layout, self._parameters, width=options.max_width, glyphs=glyphs
                )
                yield table
                settings = [name for name in hidden if name not in layout.tasks]
                if settings:
                    yield Text(more_settings(settings), style="dim")
            if layout.tasks and best:
                yield self._best_of_tasks()
            if self._message:
                yield Text(self._message, style="yellow")

    def _layout(self) -> Layout:
        """One configuration per row, or, if every task has its own, a section per task."""
        tasks = self._card.tasks if len(self._card.tasks) > 1 else ()
        if tasks and self._card.mode == "per_task":
            return Layout(goal=self.goal, cells=self._cells, split=True)
        worst = bool(tasks) and self._card.aggregate == "worst"
        return Layout(goal=self.goal, cells=self._cells, tasks=tasks, worst=worst)

    def _shown(self, room: int) -> Sequence[Ranked]:
        """The configurations that fit the lines, at least three or one per task."""
        if not self._layout().split:
            few = room - (2 if self._layout().tasks else 0)
            return self._ranking[: max(3, min(_MOST_BEST, few))]
        count = len(self._card.tasks)
        each = max(1, min(_MOST_BEST_OF_TASK, (room - count + 1) // count))
        return [row for ranking in self._by_task.values() for row in ranking[:each]]

    def _best_of_tasks(self) -> Text:
        """The best value of every task, and its trial."""
        firsts = {task: ranking[0] for task, ranking in self._by_task.items() if len(ranking)}
        parts = [
            f"{task} {score(row.mean)} ({row.trial})" for task, row in firsts.items() if row.rank
        ]
        return Text(f"best: {', '.join(parts)}" if parts else "")

    def _overall(self, glyphs: Glyphs) -> Text:
        """Bar, trials done, elapsed and remaining time; below, the trials' status."""
        ended, left = self._race.ended, self.seconds_left()
        line = Text()
        if self._trials:
            line.append(f"{bar(ended / self._trials, glyphs)} ")
        line.append(_of_trials(ended, self._trials))
        line.append(f" {glyphs.dot} {duration(self._clock() - self._began)} gone")
        if left is not None and (ended < self._trials or not self._trials):
            line.append(f", about {duration(left)} left")
        words = count_words(self._rank().counts()).partition(": ")[2]
        running = f"{len(self._running)} running"
        return line.append(f"\n{', '.join(filter(None, [words, running]))}")

    def _rank(self) -> Ranking:
        """The ranking of all finished trials; recomputed only after additions."""
        self._fold()
        if not self._ranked:
            card = self._card
            self._ranking = rank(self._rows, self.goal, cells=self._cells, aggregate=card.aggregate)
            if len(card.tasks) > 1:
                self._by_task = rank_tasks(
                    self._rows, self.goal, cells=card.cells_of_task, order=card.tasks
                )
            # In an order that no event changes, so that columns stay in place.
            first = searched(self._rows)
            rest = [name for name in varying(self._rows) if name not in first]
            self._parameters = first + rest
            self._ranked = True
        return self._ranking

    def _fold(self) -> None:
        """Merge the new rows into the table, since many single rows are slow."""
        if self._new:
            schema = unify([self._rows.schema, *(row.schema for row in self._new)])
            tables = [conform(table, schema) for table in (self._rows, *self._new)]
            self._rows = pa.concat_tables(tables).combine_chunks()
            self._new = []

    def _summary(self) -> Summary:
        """Origin of the numbers: the finished rows, or before the first the active runs."""
        if self._rows.num_rows:
            return summarize(self._rows)
        runs = [item.run for item in self._running.values()]
        return Summary(
            sweeps=(self._sweep,),
            methods=(self._method,),
            tasks=tuple(dict.fromkeys(run.cell.task for run in runs)),
            encoders=tuple(dict.fromkeys(encoder_name(run.config) for run in runs)),
            configurations=0,
            rows=0,
            seconds=0.0,
        )


class LiveView:
    """The rendering, updated in place; or a line for each run and message.

    Args:
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._console = clock, Terminal()
        self._drawn = ExitStack()
        self._state: LiveState | None = None
        self._rows: dict[str, Run] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._state is not None:
            self._state.event(Event(kind=EventKind.MESSAGE))
        self._drawn.close()

    def event(self, event: Event) -> None:
        """Process an event; the header comes first."""
        if event.header is not None:
            self._state = LiveState(event.header, self._clock)
            if self._console.is_terminal:
                self._drawn.enter_context(Live(self._state, console=self._console))
            else:
                self._say(event.header.headline)
        elif event.kind is EventKind.OUTPUT:
            self._say(event.text)
        elif self._state is not None:
            self._state.event(event)
            if not self._console.is_terminal:
                self._tell(self._state, event)

    def _tell(self, state: LiveState, event: Event) -> None:
        """Print the event as a line, if it has one."""
        if event.kind is EventKind.TRIAL and event.record and not event.earlier:
            self._rows[event.run_id] = event.record
        elif event.kind is EventKind.FINISHED and event.run_id in self._rows:
            self._say(state.line(self._rows.pop(event.run_id), self._console.encoding))
        elif event.kind in (EventKind.MESSAGE, EventKind.WARNING):
            self._say(event.text)

    def _say(self, text: str) -> None:
        """Print a line; on a terminal above the live display."""
        self._console.print(text, soft_wrap=True)
