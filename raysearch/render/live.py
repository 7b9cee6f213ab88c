"""How does a sweep look while it runs.

`LiveState` is told what happens and is itself what rich draws: hand it to `rich.live.Live`.
Where standard output is no terminal, `LiveState.line` gives one line per finished trial.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from raysearch.leaderboard.rank import rank, varying
from raysearch.leaderboard.ranked import Ranking
from raysearch.leaderboard.schema import TRIAL_COLUMNS, conform, empty_table, trial_rows, unify
from raysearch.leaderboard.summary import Summary, encoder_name, summarize
from raysearch.render.format import Glyphs, duration, glyphs_for, score, sparkline
from raysearch.render.table import count_words, more_settings, origin_lines, ranked_table
from raysearch.trial import Lease, MetricGoal, Report, Trial, TrialState

__all__ = ["LiveState"]

_MOST_RUNNING = 8
_MOST_BEST = 10
_MOST_NEW = 64
_BAR = 16
_SPARK = 16


@dataclass
class _Running:
    """A lease that is being run."""

    lease: Lease
    since: float
    share: float = 0.0
    curve: list[float] = field(default_factory=list)


@dataclass
class _Configuration:
    """How far a configuration is: the goal's values of the cells that are in."""

    values: list[float] = field(default_factory=list)
    ended: bool = False
    failed: bool = False
    earlier: bool = True


class LiveState:
    """What is known of a running sweep, and its picture.

    Events may come from one thread while another draws.

    Args:
        sweep: Name of the sweep.
        method: Name of the method.
        goal: What ranks trials.
        trials: Configurations that the sweep wants; 0 when time alone limits it.
        cells: Cells of a complete configuration.
        seconds: Time limit of this run; None when there is none.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        *,
        sweep: str,
        method: str,
        goal: MetricGoal,
        trials: int,
        cells: int = 1,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.goal = goal
        self._sweep, self._method = sweep, method
        self._trials, self._cells, self._limit = trials, cells, seconds
        self._clock = clock
        self._began = clock()
        self._first: float | None = None
        self._running: dict[str, _Running] = {}
        self._seen: set[tuple[str, int, str, int]] = set()
        self._done: dict[int, _Configuration] = {}
        column = pa.field(f"metric/{goal.name}", pa.float64())
        self._rows = empty_table(TRIAL_COLUMNS.append(column))
        self._new: list[pa.Table] = []
        self._ranking = Ranking.none()
        self._ranked = True
        self._parameters: list[str] = []
        self._best: tuple[float, int] | None = None
        self._message = ""
        self._lock = threading.RLock()

    def started(self, lease: Lease) -> None:
        """A lease runs, for the first time or again."""
        with self._lock:
            now = self._clock()
            self._first = now if self._first is None else self._first
            self._running[lease.id] = _Running(lease, now)

    def progress(self, lease_id: str, step: int, total: int) -> None:
        """Optimizer steps done of those to do; news of a lease that does not run is dropped."""
        with self._lock:
            if lease_id in self._running and total > 0:
                self._running[lease_id].share = min(step / total, 1.0)

    def report(self, lease_id: str, report: Report) -> None:
        """A point of a learning curve."""
        with self._lock:
            if lease_id in self._running:
                value = report.metrics.get(self.goal.name, math.nan)
                self._running[lease_id].curve.append(value)

    def finished(self, trial: Trial, *, earlier: bool = False) -> None:
        """A cell has ended; the same record a second time changes nothing.

        Args:
            trial: The record.
            earlier: Whether it is of an earlier run, so that it says nothing on this one's pace.
        """
        with self._lock:
            self._running.pop(trial.id, None)
            if trial.key in self._seen:
                return
            self._seen.add(trial.key)
            self._new.append(trial_rows(trial))
            self._ranked = False
            if len(self._new) >= _MOST_NEW:
                self._fold()
            done = self._done.setdefault(trial.number, _Configuration())
            done.values.append(trial.metrics.get(self.goal.name, math.nan))
            done.failed |= trial.state is not TrialState.COMPLETE
            done.ended |= done.failed or len(done.values) >= self._cells
            done.earlier &= earlier
            if done.ended and not done.failed:
                self._compete(sum(done.values) / len(done.values), trial.number)

    def message(self, text: str) -> None:
        """One sentence to show until the next one."""
        with self._lock:
            self._message = text

    def line(self, trial: Trial, encoding: str = "utf-8") -> str:
        """One line on a finished trial, after `finished` has been told of it."""
        with self._lock:
            glyphs = glyphs_for(encoding)
            value = score(trial.metrics.get(self.goal.name, math.nan)) or glyphs.none
            parts = [
                f"{self._ended()}{f'/{self._trials}' if self._trials else ''} trials",
                f"trial {trial.number} {trial.cell.task} seed {trial.cell.seed} {trial.state}",
                f"{self.goal.name} {value}",
                duration(trial.seconds),
            ]
            if trial.state is TrialState.FAILED:
                parts.append(trial.reason)
            if self._best is not None:
                parts.append(f"best {score(self._best[0])} (trial {self._best[1]})")
            return f" {glyphs.dot} ".join(parts)

    def seconds_left(self) -> float | None:
        """Time that the rest takes at this run's pace, or the limit leaves; None if not known."""
        with self._lock:
            now = self._clock()
            left = [] if self._limit is None else [self._limit - (now - self._began)]
            here = sum(self._work(item) for item in self._done.values() if not item.earlier)
            under_way = sum(item.share for item in self._running.values()) / self._cells
            if self._trials and here > 0 and self._first is not None:
                everything = sum(self._work(item) for item in self._done.values())
                rest = max(self._trials - everything - under_way, 0.0)
                left.append(rest * (now - self._first) / (here + under_way))
            return max(min(left), 0.0) if left else None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            glyphs = glyphs_for(options.encoding)
            best = self._rank()
            yield from origin_lines(self._summary(), self.goal, glyphs)
            yield self._overall(glyphs)
            if self._running:
                yield Text()
                yield self._running_table(glyphs)
            room = console.size.height - min(len(self._running), _MOST_RUNNING) - 13
            if best:
                yield Text()
                table, hidden = ranked_table(
                    best[: max(3, min(_MOST_BEST, room))],
                    self.goal,
                    self._parameters,
                    cells=self._cells,
                    width=options.max_width,
                    glyphs=glyphs,
                )
                yield table
                if hidden:
                    yield Text(more_settings(hidden), style="dim")
            if self._message:
                yield Text(self._message, style="yellow")

    def _overall(self, glyphs: Glyphs) -> Text:
        """Bar, trials done, time gone and left; below how the trials stand."""
        ended, left = self._ended(), self.seconds_left()
        line = Text()
        if self._trials:
            line.append(f"{_bar(ended / self._trials, glyphs)} {ended}/{self._trials} trials")
        else:
            line.append(f"{ended} trials")
        line.append(f" {glyphs.dot} {duration(self._clock() - self._began)} gone")
        if left is not None and (ended < self._trials or not self._trials):
            line.append(f", about {duration(left)} left")
        words = count_words(self._rank().counts()).partition(": ")[2]
        running = f"{len(self._running)} running"
        return line.append(f"\n{', '.join(filter(None, [words, running]))}")

    def _running_table(self, glyphs: Glyphs) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
        for right in (False, False, False, True, False, True, True):
            table.add_column(justify="right" if right else "left", no_wrap=True)
        now = self._clock()
        running = sorted(self._running.values(), key=lambda item: item.lease.id)
        for item in running[:_MOST_RUNNING]:
            cell = item.lease.cell
            table.add_row(
                f"trial {item.lease.number}",
                f"{cell.task} s{cell.seed}",
                _bar(item.share, glyphs),
                f"{item.share:.0%}",
                sparkline(item.curve, _SPARK, glyphs.bars),
                score(item.curve[-1]) if item.curve else "",
                duration(now - item.since),
            )
        if len(running) > _MOST_RUNNING:
            table.add_row(f"and {len(running) - _MOST_RUNNING} more")
        return table

    def _rank(self) -> Ranking:
        """The ranking of all finished trials; made anew only when some have been added."""
        self._fold()
        if not self._ranked:
            self._ranking = rank(self._rows, self.goal, cells=self._cells)
            self._parameters = varying(self._rows)
            self._ranked = True
        return self._ranking

    def _fold(self) -> None:
        """Put the new rows, which are large one by one, into the table."""
        if self._new:
            schema = unify([self._rows.schema, *(row.schema for row in self._new)])
            tables = [conform(table, schema) for table in (self._rows, *self._new)]
            self._rows = pa.concat_tables(tables).combine_chunks()
            self._new = []

    def _compete(self, mean: float, number: int) -> None:
        """Keep the best complete configuration; of equal ones the lower number."""
        if not math.isfinite(mean):
            return
        if (
            self._best is None
            or self.goal.better(mean, self._best[0])
            or (mean == self._best[0] and number < self._best[1])
        ):
            self._best = (mean, number)

    def _summary(self) -> Summary:
        """Where the numbers come from: the finished rows, and before them the running leases."""
        if self._rows.num_rows:
            return summarize(self._rows)
        leases = [item.lease for item in self._running.values()]
        return Summary(
            sweeps=(self._sweep,),
            methods=(self._method,),
            tasks=tuple(dict.fromkeys(lease.cell.task for lease in leases)),
            encoders=tuple(dict.fromkeys(encoder_name(lease.config) for lease in leases)),
            configurations=0,
            rows=0,
            seconds=0.0,
        )

    def _ended(self) -> int:
        return sum(item.ended for item in self._done.values())

    def _work(self, item: _Configuration) -> float:
        return 1.0 if item.ended else len(item.values) / self._cells


def _bar(share: float, glyphs: Glyphs) -> str:
    full = int(share * _BAR)
    return glyphs.full * full + glyphs.empty * (_BAR - full)
