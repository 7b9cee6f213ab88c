"""What are the arms of an experiment: complete configurations, told apart by what was varied.

An arm is one combination of the varied settings with all of its cells (task and seed). The
sweep's first trial has the paper's own setting. Where it is one of the combinations it is that
arm; where it is none, because the paper's values are others, other in each task, or other in a
setting that is not varied, it is an arm of its own. Where tasks were searched each by itself, an
arm holds the trials of all tasks that have its combination.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from raysearch.leaderboard.openings import OPENINGS, count_of
from raysearch.leaderboard.tasks import first_trials
from raysearch.run import Cell, Run, RunState, Scalar

__all__ = ["PAPER_ARM", "Arm", "arms_of", "with_readings"]

PAPER_ARM = "the paper's setting"

Varied = Callable[[Mapping[str, Scalar]], Mapping[str, Scalar]]
Among = Callable[[Mapping[str, Scalar]], bool]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One combination.

    Attributes:
        settings: Varied settings that matter in it, in the order of the space.
        paper: Whether it is the paper's own setting.
        literal: Whether it is that, and none of the combinations.
        cells: Its complete rows.
        failed: Cells that did not run to their end, with the reason.
    """

    settings: Mapping[str, Scalar]
    paper: bool
    literal: bool
    cells: Mapping[Cell, Run]
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
        """Whether it is a combination with these settings."""
        return not self.literal and all(
            name in self.settings and self.settings[name] == value for name, value in wanted.items()
        )


def arms_of(trials: Sequence[Run], varied: Varied, among: Among) -> list[Arm]:
    """Group rows into arms: the paper's first, then in the order of the sweep.

    Args:
        trials: All rows of one sweep.
        varied: A row's settings to those of them that are varied and matter.
        among: Whether such settings are a combination of the experiment.
    """
    first = first_trials((trial.cell.task, trial.number) for trial in trials)
    ordered = sorted(trials, key=lambda trial: (trial.number, trial.cell))
    paper = [trial for trial in ordered if trial.number == first[trial.cell.task]]
    groups: dict[tuple[tuple[str, Scalar], ...], list[Run]] = {}
    for trial in ordered:
        if trial.number != first[trial.cell.task]:
            groups.setdefault(tuple(varied(trial.config).items()), []).append(trial)
    alike = dict.fromkeys(tuple(varied(trial.config).items()) for trial in paper)
    combination = len(alike) == 1 and among(dict(*alike)) and next(iter(alike)) not in groups
    found = [_arm(dict(_shared(list(alike))), paper, paper=True, literal=not combination)]
    return found + [_arm(dict(settings), rows) for settings, rows in groups.items()]


def with_readings(trials: Sequence[Run], readings: Sequence[Run]) -> list[Run]:
    """The rows, each with what was read of test for it, and how often test was opened."""
    read = {trial.key: trial for trial in readings}
    return [_with_reading(t, read[t.key]) if t.key in read else t for t in trials]


def _with_reading(trial: Run, reading: Run) -> Run:
    return replace(
        trial,
        metrics={**trial.metrics, **reading.metrics},
        provenance={**trial.provenance, OPENINGS: str(count_of(reading))},
    )


def _shared(each: Sequence[tuple[tuple[str, Scalar], ...]]) -> list[tuple[str, Scalar]]:
    """What is alike in all: the paper may have another value for each task."""
    return [pair for pair in each[0] if all(pair in other for other in each)]


def _arm(
    settings: Mapping[str, Scalar],
    rows: Sequence[Run],
    *,
    paper: bool = False,
    literal: bool = False,
) -> Arm:
    return Arm(
        settings=settings,
        paper=paper,
        literal=literal,
        cells={t.cell: t for t in rows if t.state is RunState.COMPLETE},
        failed={t.cell: t.reason for t in rows if t.state is not RunState.COMPLETE},
    )
