"""Discrete emotions of rated sentences: valence and arousal, each cut into classes.

Many sentences are rated exactly neutral (28 % of Facebook's and 26 % of EmoBank's in valence), so
where the cuts lie decides what classes are worth: cut at the middle of the scale, all of these
count as positive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["classes_of", "cut_points"]

Array = npt.NDArray[Any]

MIDDLE = 0.5
"""Middle of the rating scale, in units of the scaled labels (Eq. 12)."""


def cut_points(train: Array, cuts: str) -> Array:
    """The values at which each dimension is cut.

    Args:
        train: Ratings (N, 2) of the train split of a corpus in [0, 1], by the ends of the scale.
        cuts: ``mean``: in two at the mean of these; ``middle``: in two at the middle of the scale;
            ``neutral``: below, at and above that middle; ``terciles``, ``quintiles``: in three or
            five at the quantiles of these.

    Returns:
        (C, 2) ascending. A rating on a cut is in the class above it.
    """
    if cuts == "mean":
        return np.asarray(train.mean(axis=0, dtype=np.float64, keepdims=True))
    if cuts in ("middle", "neutral"):
        above = np.nextafter(np.float32(MIDDLE), np.float32(1))
        points = [MIDDLE] if cuts == "middle" else [MIDDLE, float(above)]
        return np.repeat(np.array(points)[:, np.newaxis], 2, axis=1)
    parts = {"terciles": 3, "quintiles": 5}[cuts]
    return np.quantile(train.astype(np.float64), np.arange(1, parts) / parts, axis=0)


def classes_of(ratings: Array, points: Array) -> npt.NDArray[np.int64]:
    """Class ids (N,): that of valence times the number of classes of arousal, plus that of arousal.

    Args:
        ratings: (N, 2) in [0, 1], by the ends of the scale.
        points: (C, 2) from `cut_points`; two classes a dimension make the four quadrants.
    """
    of_each = (ratings[:, np.newaxis, :] >= points[np.newaxis]).sum(axis=1)
    found: npt.NDArray[np.int64] = of_each[:, 0] * (len(points) + 1) + of_each[:, 1]
    return found
