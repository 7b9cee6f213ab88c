"""What are the arms of an experiment: complete configurations, told apart by what was varied.

An arm is one combination of the varied settings with all of its cells (task and seed). The
sweep's first trial, the paper's own setting, is an arm of its own: it has the paper's values in
settings that the others leave at the defaults, too. Where tasks were searched each by itself,
an arm holds the trials of all tasks that have its combination.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from raysearch.trial import Cell, Scalar, Trial, TrialState

__all__ = ["PAPER_ARM", "Arm", "arms_of", "with_readings"]

PAPER_ARM = "the paper's setting"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One combination.

    Attributes:
        settings: Varied settings that matter in it, in the order of the space.
        paper: Whether it is the paper's own setting.
        cells: Its complete rows.
        failed: Cells that did not run to their end, with the reason.
    """

    settings: Mapping[str, Scalar]
    paper: bool
    cells: Mapping[Cell, Trial]
    failed: Mapping[Cell, str]

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its trial numbers."""
        return tuple(sorted({trial.number for trial in self.cells.values()}))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of its complete rows."""
        return tuple(dict.fromkeys(cell.task for cell in sorted(self.cells)))

    def values(self, metric: str) -> dict[Cell, float]:
        """The metric of every complete row that has it."""
        return {
            cell: trial.metrics[metric]
            for cell, trial in sorted(self.cells.items())
            if metric in trial.metrics
        }

    def matches(self, wanted: Mapping[str, Scalar]) -> bool:
        """Whether it is no paper's arm and has these settings."""
        return not self.paper and all(
            name in self.settings and self.settings[name] == value for name, value in wanted.items()
        )


def arms_of(
    trials: Sequence[Trial], varied: Callable[[Mapping[str, Scalar]], Mapping[str, Scalar]]
) -> list[Arm]:
    """Group rows into arms: the paper's first, then in the order of the sweep.

    Args:
        trials: All rows of one sweep.
        varied: A row's settings to those of them that are varied and matter.
    """
    first = {
        task: min(t.number for t in trials if t.cell.task == task)
        for task in {trial.cell.task for trial in trials}
    }
    groups: dict[tuple[bool, tuple[tuple[str, Scalar], ...]], list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: (trial.number, trial.cell)):
        paper = trial.number == first[trial.cell.task]
        key = (paper, () if paper else tuple(varied(trial.config).items()))
        groups.setdefault(key, []).append(trial)
    return [_arm(paper, settings, rows, varied) for (paper, settings), rows in groups.items()]


def with_readings(trials: Sequence[Trial], readings: Sequence[Trial]) -> list[Trial]:
    """The rows, each with the metrics of its reading of test as well."""
    read = {trial.key: trial.metrics for trial in readings}
    return [replace(t, metrics={**t.metrics, **read.get(t.key, {})}) for t in trials]


def _arm(
    paper: bool,
    settings: tuple[tuple[str, Scalar], ...],
    rows: Sequence[Trial],
    varied: Callable[[Mapping[str, Scalar]], Mapping[str, Scalar]],
) -> Arm:
    if paper:  # what it has alike in all tasks: the paper may have a value for each
        each = [varied(trial.config) for trial in rows]
        settings = tuple(
            (name, value)
            for name, value in each[0].items()
            if all(other.get(name) == value for other in each)
        )
    return Arm(
        settings=dict(settings),
        paper=paper,
        cells={t.cell: t for t in rows if t.state is TrialState.COMPLETE},
        failed={t.cell: t.reason for t in rows if t.state is not TrialState.COMPLETE},
    )
