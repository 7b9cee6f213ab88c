"""Which configurations of a running sweep have ended, and which is ahead."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from raysearch.leaderboard.card import SweepCard
from raysearch.objective import Best, aggregate_value, is_over
from raysearch.run import Cell, Run, RunState

__all__ = ["Race"]


@dataclass
class _Configuration:
    """How far a configuration is: the goal's values and the ends of the cells that are in."""

    values: dict[Cell, float] = field(default_factory=dict)
    states: list[RunState] = field(default_factory=list)
    ended: bool = False
    earlier: bool = True


class Race:
    """The finished cells of a sweep, at a cost per cell that does not grow.

    Args:
        card: What ranks configurations, and how many cells make one complete.
    """

    def __init__(self, card: SweepCard) -> None:
        self._card = card
        self._split = card.mode == "per_task" and len(card.tasks) > 1
        self._done: dict[int, _Configuration] = {}
        self._best: dict[str, Best] = {}

    def add(self, trial: Run, *, earlier: bool) -> None:
        """Take in a finished cell, once.

        Args:
            trial: The record.
            earlier: Whether it is of an earlier run.
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
        """The best complete configuration of those that a trial competes with.

        Returns:
            The task that they share, empty for all, and it. None when there is none.
        """
        contest = self._contest(trial)
        found = self._best.get(contest)
        return None if found is None else (contest, found)

    @property
    def ended(self) -> int:
        """Configurations that need no further cell."""
        return sum(item.ended for item in self._done.values())

    def work(self, *, earlier: bool = True) -> float:
        """Configurations' worth of cells done; those of earlier runs count unless told not to."""
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
