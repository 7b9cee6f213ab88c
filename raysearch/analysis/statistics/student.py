"""How far can a mean difference be off when each task has a handful of seeds: Student's t.

Three seeds of each of a few tasks are too few for a bootstrap: a resample that draws one seed
three times has no spread, and its studentized mean is without bound. Student's interval has one,
at the price of taking the differences between seeds as normal. Each task keeps its own spread;
the degrees of freedom are those of Welch (1947) and Satterthwaite (1946).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raysearch.analysis.statistics.bootstrap import LEVEL, MeanInterval, as_strata
from raysearch.leaderboard.keys import Floats

__all__ = ["BlockTest", "block_test", "student_interval"]


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


_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class BlockTest:
    """What the test found.

    Attributes:
        p_value: Chance that means lie so far apart though the level does not matter; NaN where
            one block cannot say.
        blocks: Blocks that the test rests on.
        levels: Levels in each.
    """

    p_value: float
    blocks: int
    levels: int


def block_test(scores: Floats) -> BlockTest:
    """Test whether the columns of a table of scores differ.

    Args:
        scores: (B, K): B >= 1 blocks, K >= 2 levels, all finite.

    Returns:
        The result; its p-value is 1 where no score differs within a block.

    Raises:
        ValueError: There is no block, or only one level.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[0] < 1 or scores.shape[1] < 2:
        raise ValueError(f"`scores` must be blocks x levels, but have shape {scores.shape}")
    blocks, levels = scores.shape
    inner = scores - scores.mean(axis=1, keepdims=True)
    means = inner.mean(axis=0)
    between = blocks * float(np.square(means).sum())
    left = float(np.square(inner - means).sum())
    return BlockTest(p_value=_p(between, left, blocks, levels), blocks=blocks, levels=levels)


def _p(between: float, left: float, blocks: int, levels: int) -> float:
    from scipy.special import fdtrc  # here, because a board opens without scipy

    if between <= _ROUNDING**2:
        return 1.0
    if blocks < 2:
        return math.nan
    if left <= _ROUNDING * between:
        return 0.0
    freedom = levels - 1, (blocks - 1) * (levels - 1)
    return float(fdtrc(*freedom, (between / freedom[0]) / (left / freedom[1])))
