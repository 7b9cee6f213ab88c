"""A report's view of a sweep, with its contests.

A *contest* ranks configurations against each other: those of one pair, or all of a joint
sweep over all of its pairs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from raysearch.findings.sweep import Regret
from raysearch.leaderboard.card import SearchRange, SweepCard
from raysearch.leaderboard.keys import column_values
from raysearch.leaderboard.rank import Ranked, RankStatus
from raysearch.leaderboard.tasks import first_trials, ranges_of, rank_all, rank_tasks, task_names
from raysearch.methods.description import SettingNotes
from raysearch.objective import Aggregate
from raysearch.run import Cell, Scalar

__all__ = ["ALL", "Cells", "Contest", "SweepRecord", "SweepView", "view_of"]

ALL = "all pairs"
Cells = Mapping[Cell, float]
"""Cell to the metric."""


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """The data that was read of a sweep.

    Attributes:
        folder: Its folder or URI, for display.
        card: The sweep's card.
        table: Rows of *trials*, at least one.
        curves: Rows of *curves*.
        papers: Task to the paper's own values for it; empty if there are none.
        test: Rows of readings of the test data; no rows if it was not read.
        regrets: Selection regret, if an oracle has read target data.
        role: The oracle's role; empty for a method without one.
        problems: Files that could not be read, one sentence each.
        notes: Notes on the settings of its method.
    """

    folder: str
    card: SweepCard
    table: pa.Table
    curves: pa.Table
    papers: Mapping[str, Mapping[str, Scalar]]
    test: pa.Table
    regrets: Sequence[Regret] = ()
    role: str = ""
    problems: Sequence[str] = ()
    notes: SettingNotes = field(default_factory=SettingNotes)


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Configurations that were ranked against each other.

    Attributes:
        name: The task, or `ALL`.
        task: The task; empty for all of them together.
        items: All configurations, best first, then those without a rank.
        cells: Trial to its value in each finished cell.
        aggregate: How values of tasks are combined.
        paper: Number of the paper's own setting; None if it has not run, or is unknown.
    """

    name: str
    task: str
    items: Sequence[Ranked]
    cells: Mapping[int, Cells]
    aggregate: Aggregate
    paper: int | None

    @property
    def complete(self) -> list[Ranked]:
        """Those that have a rank, best first."""
        return [item for item in self.items if item.rank is not None]

    def numbered(self, trial: int | None) -> Ranked | None:
        """The configuration of that number."""
        return next((item for item in self.items if item.trial == trial), None)


@dataclass(frozen=True, kw_only=True)
class SweepView:
    """A sweep for a page.

    Attributes:
        record: The data.
        name: The sweep's name.
        method: Its method.
        contests: At least one.
        ranges: The searched settings.
    """

    record: SweepRecord
    name: str
    method: str
    contests: Sequence[Contest]
    ranges: Sequence[SearchRange]

    @property
    def card(self) -> SweepCard:
        """The sweep's card."""
        return self.record.card

    @property
    def notes(self) -> SettingNotes:
        """Notes on the settings of its method."""
        return self.record.notes

    @property
    def higher(self) -> bool:
        """Whether higher is better."""
        return self.card.goal.direction == "maximize"

    @property
    def metric(self) -> str:
        """The ranking metric, for example ``dev/f1``."""
        return self.card.goal.name

    @property
    def whole(self) -> Contest:
        """Every configuration once, whatever contest it is in."""
        if self.card.mode == "joint" or len(self.contests) == 1:
            return self.contests[0]
        return Contest(
            name=ALL,
            task="",
            items=tuple(item for contest in self.contests for item in contest.items),
            cells={
                trial: found for contest in self.contests for trial, found in contest.cells.items()
            },
            aggregate="mean",
            paper=None,
        )

    @property
    def noun(self) -> str:
        """The word for a task on the page: ``pair`` for language pairs, else ``task``."""
        pairs = (re.fullmatch("[a-z]{2,3}-[a-z]{2,3}", contest.task) for contest in self.per_task)
        return "pair" if all(pairs) else "task"

    @property
    def per_task(self) -> list[Contest]:
        """A contest per task."""
        return [contest for contest in self.contests if contest.task]

    def losses(self, items: Sequence[Ranked]) -> list[float]:
        """Their ranking values, with the sign such that lower is better."""
        return [-item.score if self.higher else item.score for item in items]


def view_of(record: SweepRecord) -> SweepView:
    """Rank the data.

    Raises:
        ConfigError: No row has the metric, although some are complete.
    """
    table, card = record.table, record.card
    tasks = task_names(table, card.tasks)
    values = _cells(table, card.goal.name)
    keys = zip(*(table.column(name).to_pylist() for name in ("task", "trial")), strict=True)
    papers = first_trials(keys, card.mode) if card.ranges else {}
    contests = []
    if len(tasks) > 1 and card.mode == "joint":
        items = rank_all(table, card)
        paper = papers.get(tasks[0])
        contests.append(_contest(ALL, "", items[:], values, card.aggregate, paper))
    within = rank_tasks(table, card.goal, cells=card.cells_of_task, order=card.tasks)
    for task in tasks:
        items = within[task]
        contests.append(_contest(task, task, items[:], values, "mean", papers.get(task)))
    return SweepView(
        record=record,
        name=str(table.column("sweep")[0].as_py()),
        method=str(table.column("method")[0].as_py()),
        contests=tuple(contests),
        ranges=ranges_of(table, card.ranges),
    )


def _contest(
    name: str,
    task: str,
    items: Sequence[Ranked],
    values: Mapping[int, Cells],
    aggregate: Aggregate,
    paper: int | None,
) -> Contest:
    numbers = {item.trial for item in items}
    cells = {
        trial: {cell: value for cell, value in found.items() if not task or cell.task == task}
        for trial, found in values.items()
        if trial in numbers
    }
    return Contest(
        name=name, task=task, items=tuple(items), cells=cells, aggregate=aggregate, paper=paper
    )


def _cells(table: pa.Table, metric: str) -> dict[int, dict[Cell, float]]:
    column = f"metric/{metric}"
    known = column in table.column_names
    scores = column_values(table, column) if known else np.full(table.num_rows, math.nan)
    found: dict[int, dict[Cell, float]] = {}
    names = ("trial", "task", "seed", "state")
    rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    for (trial, task, seed, state), value in zip(rows, scores.tolist(), strict=True):
        if state == str(RankStatus.COMPLETE) and math.isfinite(value):
            found.setdefault(trial, {})[Cell(task, seed)] = value
    return found
