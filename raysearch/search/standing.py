"""Which configuration is best so far, and what of a finished lease stays on disk."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from raysearch.search.space import SearchSpace
from raysearch.search.worth import Aggregate, worth
from raysearch.trial import MetricGoal, Trial, TrialState

__all__ = ["Best", "PaperResult", "Standing"]

BROKEN = "error.txt"
"""A lease whose runner broke leaves its traceback; that stays."""


class Best(NamedTuple):
    """A configuration's number and what it is worth."""

    number: int
    value: float


class PaperResult(NamedTuple):
    """How the paper's own setting ended.

    Attributes:
        number: Its number.
        value: What it is worth, its last report if it was stopped early, else NaN.
        note: Why it is not complete; empty when it is.
    """

    number: int
    value: float
    note: str

    @classmethod
    def of(
        cls, number: int, records: Sequence[Trial], space: SearchSpace, *, unfinished: bool
    ) -> PaperResult:
        """The result from the records of its cells.

        Args:
            number: Its number.
            records: The records of the cells that have ended.
            space: Says what they are worth.
            unfinished: Whether a cell is still to be run.
        """
        if unfinished or not records:
            return cls(number, math.nan, "not finished yet" if records else "not run yet")
        failed = [trial.reason for trial in records if trial.state is TrialState.FAILED]
        if failed:
            return cls(number, math.nan, failed[0])
        values = {trial.cell: trial.metrics.get(space.goal.name, math.nan) for trial in records}
        stopped = any(trial.state is TrialState.PRUNED for trial in records)
        value = worth(values, space.goal, space.aggregate)
        return cls(number, value, "stopped early" if stopped else "")


class Standing:
    """The best configuration of a sweep, or of each of its tasks, and what of the others stays.

    A finished lease's checkpoint is of no use any more and always goes; what it kept stays
    while its configuration is the best, or may become it.

    Args:
        goal: What ranks configurations, by what `raysearch.search.worth` makes of their cells.
        leases: Folder of the leases' folders.
        keep: Whose kept files stay.
        aggregate: What the tasks of a configuration make of it.
        per_task: Whether each task has a best of its own.
    """

    def __init__(
        self,
        goal: MetricGoal,
        leases: str,
        keep: Literal["best", "all", "none"],
        *,
        aggregate: Aggregate = "mean",
        per_task: bool = False,
    ) -> None:
        self.goal, self.leases, self.keep = goal, Path(leases), keep
        self.aggregate, self.per_task = aggregate, per_task
        self.counts: Counter[TrialState] = Counter()
        self.best: dict[str, Best] = {}
        """Task to its best complete configuration; "" is for all tasks together."""
        self._cells: dict[int, list[Trial]] = {}

    def add(self, trial: Trial, *, cells: int) -> None:
        """Take in a finished cell and clear its folder of what is not needed.

        Args:
            trial: The record, as stored.
            cells: Number of cells of its configuration.
        """
        self.counts[trial.state] += 1
        done = self._cells.setdefault(trial.number, [])
        done.append(trial)
        self._remove_checkpoint(trial.id)
        if trial.state is not TrialState.COMPLETE:
            self._drop(done)
        elif len(done) == cells:
            self._compare(self._cells.pop(trial.number))

    def _compare(self, done: list[Trial]) -> None:
        values = {trial.cell: trial.metrics.get(self.goal.name, math.nan) for trial in done}
        value = worth(values, self.goal, self.aggregate)
        broken = any(trial.state is not TrialState.COMPLETE for trial in done)
        if broken or not math.isfinite(value):
            self._drop(done)
            return
        task = done[0].cell.task if self.per_task else ""
        before = self.best.get(task)
        if before is not None and not self.goal.better(value, before.value):
            self._drop(done)
            return
        if before is not None:
            self._drop_number(before.number)
        self.best[task] = Best(done[0].number, value)
        if self.keep == "none":
            self._drop(done)

    def _drop(self, done: list[Trial]) -> None:
        """Clear the folders of cells whose configuration cannot be the best."""
        if self.keep == "all":
            done = [trial for trial in done if trial.state is not TrialState.COMPLETE]
        for trial in done:
            self._clear(self.leases / trial.id)

    def _drop_number(self, number: int) -> None:
        if self.keep != "all":
            for folder in self.leases.glob(f"{number:05d}-*"):
                self._clear(folder)

    def _remove_checkpoint(self, lease_id: str) -> None:
        (self.leases / lease_id / "checkpoint.pt").unlink(missing_ok=True)

    def _clear(self, folder: Path) -> None:
        """Remove a folder, but for the traceback of a runner that broke."""
        if not (folder / BROKEN).exists():
            shutil.rmtree(folder, ignore_errors=True)
            return
        for path in folder.iterdir():
            if path.name != BROKEN:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
