"""Does it matter at all which level a setting has: a permutation test within blocks.

The scores of a cell (task and seed), one of each level, are a block. If the level did not
matter, the scores of a block could be exchanged; so they are, thousands of times, and it is
counted how often the levels' means then lie as far apart as they were found to. This is the
randomisation test of a randomised block design (Edgington and Onghena, *Randomization Tests*,
4th ed. 2007, ch. 6): no distribution is assumed and any number of levels counts as one test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raysearch.leaderboard.keys import Floats

__all__ = ["Exchange", "exchange_test"]

_DRAWS = 4999


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What the test found.

    Attributes:
        p_value: Share of exchanges, the one found included, whose means lie as far apart.
        blocks: Blocks that the test rests on.
        levels: Levels in each.
        smallest: The smallest `p_value` that so many blocks can give.
    """

    p_value: float
    blocks: int
    levels: int
    smallest: float


def exchange_test(scores: Floats, *, draws: int = _DRAWS, seed: int = 0) -> Exchange:
    """Test whether the columns of a table of scores differ.

    Args:
        scores: (B, K): B blocks, K >= 2 levels, all finite.
        draws: Exchanges that are drawn.
        seed: Of the draws; the same table gives the same result.

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
    found = _spread(inner.mean(axis=0))
    random = np.random.default_rng(seed)
    count = 0
    for _ in range(draws):
        means = random.permuted(inner, axis=1).mean(axis=0)
        count += bool(_spread(means) >= found * (1 - 1e-12))
    return Exchange(
        p_value=(count + 1) / (draws + 1),
        blocks=blocks,
        levels=levels,
        smallest=max(1 / (draws + 1), _fewest(blocks, levels)),
    )


def _spread(means: Floats) -> float:
    return float(np.square(means - means.mean()).sum())


def _fewest(blocks: int, levels: int) -> float:
    """Share of all exchanges that leave the means as they are but for the levels' names."""
    factorial = float(np.prod(np.arange(1, levels + 1, dtype=np.float64)))
    return float(factorial ** (1 - min(blocks, 60)))
