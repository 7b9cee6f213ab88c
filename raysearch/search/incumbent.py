"""The best configurations so far, and what of a finished run stays on disk."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from raysearch.errors import StoreError
from raysearch.methods import notes_of
from raysearch.objective import Aggregate, Best, aggregate_value, is_over
from raysearch.printable import counted
from raysearch.run import MetricGoal, Run, RunState
from raysearch.scalars import size_text
from raysearch.search.disk_budget import DiskBudget
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.lock import Guard, unguarded
from raysearch.summary import PaperResult

__all__ = ["Incumbents", "paper_result"]


def paper_result(
    number: int,
    records: Sequence[Run],
    space: SearchSpace,
    *,
    cells: int,
    unfinished: bool,
) -> PaperResult:
    """The outcome of the paper's own setting, from the records of its cells.

    Args:
        number: Its trial number.
        records: The records of the cells that have ended.
        space: The search space, which aggregates them.
        cells: Cells of a complete configuration.
        unfinished: Whether a cell is still to be run.
    """
    if unfinished or not records:
        return PaperResult(number, math.nan, "not finished yet" if records else "not run yet")
    failed = [trial.reason for trial in records if trial.state is RunState.FAILED]
    if failed:
        return PaperResult(number, math.nan, failed[0])
    values = {trial.cell: trial.metrics.get(space.goal.name, math.nan) for trial in records}
    value = aggregate_value(values, space.goal, space.aggregate)
    if all(trial.state is RunState.COMPLETE for trial in records):
        notes = notes_of(space.method)
        unmoved = [text for trial in records if (text := notes.unmoved(trial.metrics))]
        return PaperResult(number, value, unmoved[0] if unmoved else "")
    if len(records) == cells:
        return PaperResult(number, value, "stopped early")
    return PaperResult(number, math.nan, f"stopped early, at {value:.4f} on its first cell")


class Incumbents:
    """Tracks the best configuration of a sweep and of each task, and which files stay.

    A finished run's checkpoint is useless and always removed. Its kept weights stay while its
    configuration is the best, or the best of the run's task, or may become it. Removed weights
    can be reproduced: the same settings train the same weights.

    To meet a quota, the sweep's own stages are evicted first, least recently used first and none
    in use; then weights of trials that are not the best, the worst first. Checkpoints of
    unfinished trials and the weights of the best are never removed.

    Args:
        goal: Metric and direction that rank configurations by `objective.aggregate_value`.
        runs: Folder or URI of the runs' folders.
        keep: Whose kept files stay.
        aggregate: How the values of a configuration's tasks are combined.
        per_task: Whether each task has a best of its own, and no configuration two tasks.
        seeds: Cells of a complete configuration on each task.
        quota: Bytes that runs and stages may take together; None for no limit.
        stages: Folder or URI of the stages that count for the quota; empty for none.
        guard: Called before files are removed.
    """

    def __init__(
        self,
        goal: MetricGoal,
        runs: str | Path,
        keep: Literal["best", "all", "none"],
        *,
        aggregate: Aggregate = "mean",
        per_task: bool = False,
        seeds: int = 1,
        quota: int | None = None,
        stages: str = "",
        guard: Guard = unguarded,
    ) -> None:
        self.goal, self.keep, self.quota = goal, keep, quota
        self.aggregate, self.per_task, self.seeds = aggregate, per_task, seeds
        self.counts: Counter[RunState] = Counter()
        self.best: dict[str, Best] = {}
        """Task to its best complete configuration; "" means all tasks together."""
        self.best_of_task: dict[str, Best] = {}
        """With an objective over all tasks: task to the configuration that is best on it."""
        self._disk = DiskBudget(runs, stages, guard)
        self._said: set[str] = set()
        self._ended: set[str] = set()
        self._over: set[int] = set()
        """Configurations that have ended, whichever of their cells have run."""
        self._open: dict[int, list[Run]] = {}
        self._values: dict[int, float] = {}
        self._weights: dict[str, tuple[int, str]] = {}
        """Number and task of the ended runs whose weights stay for now."""

    @property
    def freed(self) -> int:
        """Bytes removed so far."""
        return self._disk.freed

    def add(self, trial: Run, *, cells: int) -> None:
        """Add a finished cell and remove files that are no longer needed.

        Args:
            trial: The record, as stored.
            cells: Cells of a complete configuration.
        """
        for run_id in {trial.id, *self.count(trial, cells=cells)}:
            self._disk.settle(run_id, weights=run_id in self._weights)

    def count(self, trial: Run, *, cells: int) -> list[str]:
        """Add a finished cell as `add` does, without touching a file.

        Returns:
            The runs whose weights are no longer needed.
        """
        self.counts[trial.state] += 1
        self._ended.add(trial.id)
        done = self._open.setdefault(trial.number, [])
        done.append(trial)
        if trial.state is RunState.COMPLETE and self.keep != "none":
            self._weights[trial.id] = (trial.number, trial.cell.task)
        if not is_over([each.state for each in done], cells):
            return []
        self._over.add(trial.number)
        self._count_whole(self._open.pop(trial.number))
        return [] if self.keep == "all" else self._release()

    def abandon(self, run_id: str) -> None:
        """Remove the files of a run that will have no record, since its configuration is over."""
        self._ended.add(run_id)
        self._disk.settle(run_id, weights=False)

    def tidy(self) -> None:
        """Remove the files that ended runs no longer need, whoever left them."""
        self._disk.tidy(self._is_ended, self._weights)

    def _is_ended(self, run_id: str) -> bool:
        number = run_id.partition("-")[0]
        return run_id in self._ended or (number.isdecimal() and int(number) in self._over)

    def check_quota(self) -> None:
        """Refuse a quota that is smaller than the files that must stay.

        Raises:
            StoreError: The quota is exceeded.
        """
        if self.quota is None:
            return
        try:
            taken = self._disk.usage(()).runs
        except OSError as error:
            raise StoreError(f"what the sweep takes must be readable, but: {error}") from error
        least = sum(taken.values()) - sum(taken.get(run_id, 0) for run_id in self._spare())
        if least > self.quota:
            raise StoreError(
                f"`--quota` must be at least {size_text(least, enough=True)}, which the best "
                "weights and the checkpoints of trials that continue take already, but got "
                f"{size_text(self.quota)}"
            )

    def make_room(self, running: Collection[str]) -> str:
        """Remove files until the quota has room for the running trials.

        Args:
            running: Ids of the runs that are running or about to start.

        Returns:
            A sentence for the user, the first time that it applies; otherwise empty.
        """
        if self.quota is None:
            return ""
        try:
            usage = self._disk.usage(running)
            excess = usage.total - self.quota
            if excess > 0 and usage.stages:
                excess -= self._disk.shrink_stages(max(0, usage.stages - excess))
        except OSError as error:
            return self._once("blind", f"`--quota` is not watched for now: {error}")
        left = self._drop_worst(excess)
        if left > 0:
            return self._once(
                "small",
                f"`--quota` must be {size_text(self.quota + left, enough=True)} for the best "
                f"weights and {counted(len(running), 'trial')} at once, but is "
                f"{size_text(self.quota)}: the sweep continues and may take more than that "
                "(fewer --slots need less)",
            )
        if left < excess and self.keep == "all":
            return self._once("full", "`--quota` is full: weights of the worst trials are removed")
        return ""

    def _drop_worst(self, excess: int) -> int:
        """Remove weights other than the best's until `excess` is freed; returns the rest of it."""
        for run_id in self._spare() if excess > 0 else ():
            if excess <= 0:
                break
            excess -= self._disk.settle(run_id, weights=False)
            del self._weights[run_id]
        return excess

    def _count_whole(self, done: list[Run]) -> None:
        """Compare a finished configuration with the best, overall and on each of its tasks."""
        number = done[0].number
        task = done[0].cell.task if self.per_task else ""
        value = self._value(done)
        self._compare(self.best, task, Best(number, value))
        self._values[number] = value
        if self.per_task:
            return
        for task in {trial.cell.task for trial in done}:
            of_task = [trial for trial in done if trial.cell.task == task]
            if len(of_task) >= self.seeds:
                self._compare(self.best_of_task, task, Best(number, self._value(of_task)))

    def _value(self, done: list[Run]) -> float:
        """Aggregate value of the cells; NaN if one of them is not complete."""
        if any(trial.state is not RunState.COMPLETE for trial in done):
            return math.nan
        values = {trial.cell: trial.metrics.get(self.goal.name, math.nan) for trial in done}
        return aggregate_value(values, self.goal, self.aggregate)

    def _compare(self, best: dict[str, Best], task: str, found: Best) -> None:
        if found.ahead_of(best.get(task), self.goal):
            best[task] = found

    def _is_best(self, number: int, task: str) -> bool:
        of_task = self.best_of_task.get(task)
        return (of_task is not None and of_task.number == number) or any(
            best.number == number for best in self.best.values()
        )

    def _release(self) -> list[str]:
        """Release the weights that can no longer be those of the best; returns their runs."""
        going = [
            run_id
            for run_id, (number, task) in self._weights.items()
            if number not in self._open and not self._is_best(number, task)
        ]
        for run_id in going:
            del self._weights[run_id]
        return going

    def _spare(self) -> list[str]:
        """Runs whose weights may go though they are kept, the worst first.

        Those of an open configuration come last, since it may become the best.
        """
        spare = [
            (number not in self._open, self._behind(number, task), run_id)
            for run_id, (number, task) in self._weights.items()
            if not self._is_best(number, task)
        ]
        return [run_id for _, _, run_id in sorted(spare, reverse=True)]

    def _behind(self, number: int, task: str) -> float:
        """How far a configuration is behind the best (of its own task with ``per_task``)."""
        best = self.best.get(task if self.per_task else "")
        value = self._values.get(number, math.nan)
        if best is None or not math.isfinite(value):
            return math.inf
        return abs(best.value - value)

    def _once(self, kind: str, text: str) -> str:
        """The text, the first time for its kind; empty afterwards."""
        if kind in self._said:
            return ""
        self._said.add(kind)
        return text
