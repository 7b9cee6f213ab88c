"""What are the arms of an experiment: complete configurations, told apart by what was varied.

An arm is one combination of the varied settings with all of its cells (task and seed). The
sweep's first trial has the paper's own setting. Where it is one of the combinations it is that
arm; where it is none, because the paper's values are others, other in each task, or other in a
setting that is not varied, it is an arm of its own. Where tasks were searched each by itself, an
arm holds the trials of all tasks that have its combination.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from raysearch.findings.experiment import Arm
from raysearch.leaderboard.openings import OPENINGS, count_of
from raysearch.leaderboard.tasks import first_trials
from raysearch.run import Run, RunState, Scalar

__all__ = ["arms_of", "with_readings"]


Varied = Callable[[Mapping[str, Scalar]], Mapping[str, Scalar]]
Among = Callable[[Mapping[str, Scalar]], bool]


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
