"""How far can a mean difference be off when each task has a handful of seeds: Student's t.

Three seeds of each of a few tasks are too few for a bootstrap: a resample that draws one seed
three times has no spread, and its studentized mean is without bound. Student's interval has one,
at the price of taking the differences between seeds as normal. Each task keeps its own spread;
the degrees of freedom are those of Welch (1947) and Satterthwaite (1946).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from raysearch.leaderboard.keys import Floats
from raysearch.leaderboard.statistics.bootstrap import LEVEL, MeanInterval, as_strata

__all__ = ["student_interval"]


def student_interval(strata: Sequence[Sequence[float]], *, level: float = LEVEL) -> MeanInterval:
    """Student's interval of a mean over strata of their means.

    Args:
        strata: Values of each stratum, at least one each; for a paired comparison the
            differences of the cells of each task. Strata of one value each are taken for one
            stratum: then the tasks are what varies.
        level: In (0, 1).

    Returns:
        The interval; without ends where a stratum has one value, of length zero where all values
        of every stratum are equal.

    Raises:
        ValueError: There is no value, or a stratum is empty.
    """
    arrays = as_strata(strata)
    mean = float(np.mean([values.mean() for values in arrays]))
    half = math.inf
    if all(len(values) > 1 for values in arrays):
        half = _half(arrays, level)
    count = sum(map(len, arrays))
    return MeanInterval(mean=mean, low=mean - half, high=mean + half, level=level, count=count)


def _half(arrays: Sequence[Floats], level: float) -> float:
    from scipy.special import stdtrit  # here, because a board opens without scipy

    errors = np.array([values.var(ddof=1) / len(values) for values in arrays])
    if errors.sum() == 0:
        return 0.0
    free = np.array([len(values) - 1 for values in arrays])
    freedom = errors.sum() ** 2 / (errors**2 / free).sum()
    error = math.sqrt(errors.sum()) / len(arrays)
    return float(stdtrit(freedom, (1 + level) / 2)) * error
