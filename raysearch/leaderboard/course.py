"""How does a metric go from the first report of a trial to its last, over all arms together?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from raysearch.leaderboard.arms import Arm
from raysearch.leaderboard.statistics import MeanInterval, student_interval
from raysearch.trial import Cell

__all__ = ["Course", "course"]


@dataclass(frozen=True, kw_only=True)
class Course:
    """A metric at both ends of the curves.

    Attributes:
        metric: Its name.
        steps: Steps of the first and of the last report, means over trials.
        first: Mean at the first report, over cells of the mean over arms.
        last: Mean at the last.
        change: Last less first, paired over cells.
    """

    metric: str
    steps: tuple[float, float]
    first: float
    last: float
    change: MeanInterval


def course(arms: Sequence[Arm], metric: str) -> Course | None:
    """First and last report of the curves that have the metric; None where none has two reports.

    A cell counts once, however many arms it has: arms of one seed are no repeats.
    """
    ends: dict[Cell, list[tuple[float, float]]] = {}
    steps = []
    for arm in arms:
        for cell, trial in arm.cells.items():
            reports = [report for report in trial.curve if metric in report.metrics]
            if len(reports) > 1:
                pair = reports[0], reports[-1]
                ends.setdefault(cell, []).append((pair[0].metrics[metric], pair[1].metrics[metric]))
                steps.append((pair[0].step, pair[1].step))
    if not ends:
        return None
    first = {cell: fmean(pair[0] for pair in pairs) for cell, pairs in ends.items()}
    last = {cell: fmean(pair[1] for pair in pairs) for cell, pairs in ends.items()}
    tasks = dict.fromkeys(cell.task for cell in ends)
    strata = [[last[cell] - first[cell] for cell in ends if cell.task == task] for task in tasks]
    return Course(
        metric=metric,
        steps=(fmean(pair[0] for pair in steps), fmean(pair[1] for pair in steps)),
        first=fmean(first.values()),
        last=fmean(last.values()),
        change=student_interval(strata),
    )
