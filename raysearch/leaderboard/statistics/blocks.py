"""Does it matter at all which level a setting has: the F test of a randomised block design.

The scores of a cell (task and seed), one of each level, are a block: what the seed and the task
do to all levels alike does not count. The test asks whether the levels' means lie further apart
than what is left would make them (Fisher 1935; Montgomery, *Design and Analysis of Experiments*,
sec. 4.1). Any number of levels counts as one test. Like Student's interval it takes the noise as
normal, and as alike at all levels; a permutation test does not, but of three cells it can tell
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from raysearch.leaderboard.keys import Floats

__all__ = ["BlockTest", "block_test"]

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
