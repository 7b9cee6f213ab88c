"""Which configurations of a running sweep have ended, and which is ahead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from raysearch.leaderboard.card import SweepCard
from raysearch.trial import Trial, TrialState

__all__ = ["Race"]


@dataclass
class _Configuration:
    """How far a configuration is: by task the goal's values of the cells that are in."""

    values: dict[str, list[float]] = field(default_factory=dict)
    ended: bool = False
    failed: bool = False
    earlier: bool = True

    @property
    def cells(self) -> int:
        return sum(map(len, self.values.values()))

    def score(self, card: SweepCard) -> float:
        """What ranks it, as `raysearch.leaderboard.rank` does."""
        if card.aggregate == "worst":
            means = [_mean(values) for values in self.values.values()]
            return min(means) if card.goal.direction == "maximize" else max(means)
        return _mean([value for values in self.values.values() for value in values])


class Race:
    """The finished cells of a sweep, at a cost per cell that does not grow.

    Args:
        card: What ranks configurations, and how many cells make one complete.
    """

    def __init__(self, card: SweepCard) -> None:
        self._card = card
        self._split = card.mode == "per_task" and len(card.tasks) > 1
        self._done: dict[int, _Configuration] = {}
        self._best: dict[str, tuple[float, int]] = {}

    def add(self, trial: Trial, *, earlier: bool) -> None:
        """Take in a finished cell, once.

        Args:
            trial: The record.
            earlier: Whether it is of an earlier run.
        """
        done = self._done.setdefault(trial.number, _Configuration())
        value = trial.metrics.get(self._card.goal.name, math.nan)
        done.values.setdefault(trial.cell.task, []).append(value)
        done.failed |= trial.state is not TrialState.COMPLETE
        done.ended |= done.failed or done.cells >= self._card.cells
        done.earlier &= earlier
        if done.ended and not done.failed:
            self._compete(done.score(self._card), trial)

    def best(self, trial: Trial) -> tuple[str, float, int] | None:
        """The best complete configuration of those that a trial competes with.

        Returns:
            The task that they share, empty for all; its score; its number. None when there is
            none.
        """
        contest = self._contest(trial)
        found = self._best.get(contest)
        return None if found is None else (contest, *found)

    @property
    def ended(self) -> int:
        """Configurations that need no further cell."""
        return sum(item.ended for item in self._done.values())

    def work(self, *, earlier: bool = True) -> float:
        """Configurations' worth of cells done; those of earlier runs count unless told not to."""
        return sum(
            1.0 if item.ended else item.cells / self._card.cells
            for item in self._done.values()
            if earlier or not item.earlier
        )

    def _contest(self, trial: Trial) -> str:
        return trial.cell.task if self._split else ""

    def _compete(self, value: float, trial: Trial) -> None:
        """Keep the best; of equal ones the lower number."""
        if not math.isfinite(value):
            return
        best = self._best.get(self._contest(trial))
        if (
            best is None
            or self._card.goal.better(value, best[0])
            or (value == best[0] and trial.number < best[1])
        ):
            self._best[self._contest(trial)] = (value, trial.number)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
