"""Estimates a sweep's device and wall-clock hours from earlier trials.

A *draw* is one simulated sweep: its configurations take the seconds of earlier ones, resampled from
a bootstrap sample of these, and early stopping ends some of them. The spread of many draws covers
both the uncertainty of the mean and the variation between trials. Pure functions of numbers.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from raysearch.estimates import Interval
from raysearch.search.suggest.pruners import PRUNERS, pruning_rungs

__all__ = ["Draws", "Survival", "Work", "draw_sweeps", "interval", "simulate_stopping"]

LEVEL = 0.9
"""Coverage of an interval."""
_DRAWS = 1000
_WALL_DRAWS = 200
"""Draws that are scheduled for the wall-clock time, which is slower to compute."""
_DRAWN = 10_000_000
"""Upper bound on the numbers in all draws."""
_JUDGED = 10_000
"""Configurations that the pruner is simulated on, over all draws."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Work:
    """The workload of a sweep.

    Attributes:
        configurations: Configurations; at least 1.
        cells: Cells per configuration; early stopping applies to the first, and the others
            run if it survives.
        reports: Reports of a whole trial.
        pruner: Name in `raysearch.search.suggest.pruners.PRUNERS`.
        reduction: One configuration in `reduction` survives a rung.
    """

    configurations: int
    cells: int = 1
    reports: int = 1
    pruner: str = "none"
    reduction: int = 2


@dataclass(frozen=True)
class Survival:
    """What early stopping leaves of a sweep.

    Attributes:
        share: (simulations, configurations) share of its reports that the first cell runs.
        whole: (simulations, configurations) whether it survives, so that the other cells run.
    """

    share: Floats
    whole: NDArray[np.bool_]

    def expected(self, cells: int) -> float:
        """Average share of all reports of all cells that is run."""
        return float((self.share + self.whole * (cells - 1)).mean() / cells)


@dataclass(frozen=True)
class Draws:
    """Simulated sweeps.

    Attributes:
        seconds: (draws, configurations, cells) slot seconds; 0 for cells that are not run.
        cases: Earlier configurations that they were drawn from.
    """

    seconds: Floats
    cases: int

    def total(self) -> Interval:
        """Slot seconds over all trials."""
        return interval(self.seconds.sum(axis=(1, 2)), self.cases)

    def wall(self, slots: int) -> Interval:
        """Seconds from the first trial's start to the last one's end, in `slots` slots."""
        found = [_makespan(draw, slots) for draw in self.seconds[:_WALL_DRAWS]]
        return interval(np.array(found), self.cases)


def simulate_stopping(work: Work, generator: np.random.Generator) -> Survival:
    """How far configurations of random quality get, simulated with the real pruner.

    Assumes that a configuration has the same rank at every rung, and that quality does not
    depend on order; a sampler that improves over time stops more of the early ones.
    """
    pruner = PRUNERS[work.pruner]
    draws = 1 if pruner is None else max(10, min(100, _JUDGED // work.configurations))
    shape = (draws, work.configurations)
    share, whole = np.ones(shape), np.ones(shape, dtype=bool)
    if pruner is None:
        return Survival(share, whole)
    rungs = pruning_rungs(work.reports - 1, work.reduction, reports=work.reports)
    for draw in range(draws):
        seen: dict[int, list[float]] = {rung: [] for rung in rungs}
        for number, value in enumerate(generator.random(work.configurations).tolist()):
            for rung in rungs:
                stops = pruner(value, seen[rung], work.reduction, "maximize")
                seen[rung].append(value)
                if stops:
                    share[draw, number], whole[draw, number] = rung / work.reports, False
                    break
    return Survival(share, whole)


def draw_sweeps(
    earlier: Sequence[Sequence[float]],
    work: Work,
    survival: Survival,
    generator: np.random.Generator,
) -> Draws:
    """Simulated sweeps of configurations like the earlier ones.

    Args:
        earlier: Seconds of the whole trials of each earlier configuration; at least one.
        work: The workload.
        survival: From `simulate_stopping`, of the same workload.
        generator: Source of randomness; the same state returns the same draws.
    """
    means = np.array([float(np.mean(seconds)) for seconds in earlier])
    draws = max(_WALL_DRAWS, min(_DRAWS, _DRAWN // (work.configurations * work.cells)))
    sample = means[generator.integers(len(means), size=(draws, len(means)))]
    chosen = generator.integers(len(means), size=(draws, work.configurations))
    each = np.take_along_axis(sample, chosen, axis=1)
    which = generator.integers(len(survival.share), size=draws)
    parts = np.repeat(survival.whole[which, :, None], work.cells, axis=2).astype(float)
    parts[:, :, 0] = survival.share[which]
    return Draws(each[:, :, None] * parts, len(means))


def interval(values: Floats, cases: int) -> Interval:
    """Mean of the draws and the interval that holds `LEVEL` of them, widened for few cases.

    A bootstrap of n cases is too narrow; Hesterberg, "What Teachers Should Know About the
    Bootstrap" (2015), section 5.3 takes its percentiles further out, at
    Φ(-√(n / (n - 1)) · t_{n-1}).

    Args:
        values: (draws,) one number per draw.
        cases: Cases n that the draws come from.
    """
    mean = float(values.mean())
    if cases < 2:
        return Interval(mean, None, None)
    from scipy.stats import t  # takes a second to import

    quantile = float(t.ppf((1 + LEVEL) / 2, cases - 1))
    tail = NormalDist().cdf(-math.sqrt(cases / (cases - 1)) * quantile)
    low, high = np.quantile(values, (tail, 1 - tail))
    return Interval(mean, float(low), float(high))


def _makespan(seconds: Floats, slots: int) -> float:
    """Time until all cells are done: first cells in order, the others once theirs is over."""
    free = [0.0] * slots
    last = 0.0
    waiting: list[tuple[float, int, int]] = [(0.0, n, 0) for n in range(len(seconds))]
    while waiting:
        ready, number, cell = heapq.heappop(waiting)
        end = max(heapq.heappop(free), ready) + float(seconds[number, cell])
        heapq.heappush(free, end)
        last = max(last, end)
        if cell == 0:
            for other in range(1, seconds.shape[1]):
                if seconds[number, other] > 0:
                    heapq.heappush(waiting, (end, number, other))
    return last
