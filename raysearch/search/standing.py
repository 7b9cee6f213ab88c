"""Which configuration is best so far, and what of a finished lease stays on disk."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Literal

from raysearch.trial import MetricGoal, Trial, TrialState

__all__ = ["Standing"]

BROKEN = "error.txt"
"""A lease whose runner broke leaves its traceback; that stays."""


class Standing:
    """The best configuration of a sweep, and the folders of the leases that lost.

    A finished lease's checkpoint is of no use any more and always goes; what it kept stays
    while its configuration is the best, or may become it.

    Args:
        goal: What ranks configurations: the mean over their cells.
        leases: Folder of the leases' folders.
        keep: Whose kept files stay.
    """

    def __init__(self, goal: MetricGoal, leases: Path, keep: Literal["best", "all", "none"]):
        self.goal, self.leases, self.keep = goal, leases, keep
        self.counts: Counter[TrialState] = Counter()
        self.best_number: int | None = None
        self.best_value: float | None = None
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
        values = [trial.metrics.get(self.goal.name, math.nan) for trial in done]
        value = sum(values) / len(values)
        broken = any(trial.state is not TrialState.COMPLETE for trial in done)
        if broken or not math.isfinite(value):
            self._drop(done)
            return
        if self.best_value is not None and not self.goal.better(value, self.best_value):
            self._drop(done)
            return
        if self.best_number is not None:
            self._drop_number(self.best_number)
        self.best_number, self.best_value = done[0].number, value
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
