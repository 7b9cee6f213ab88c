"""Early stopping: which configurations are not worth training on.

A pruner judges the objective of a configuration at a rung against what others had there. It
is a pure function, so that the study can store its decision together with what it was made
from and give the same answer after a crash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

__all__ = ["PRUNERS", "Pruner", "judged_rungs", "stops_by_halving"]

Direction = Literal["maximize", "minimize"]
Pruner = Callable[[float, Sequence[float], int, Direction], bool]


def stops_by_halving(
    value: float, others: Sequence[float], reduction: int, direction: Direction
) -> bool:
    """Asynchronous successive halving: does a configuration end at this rung.

    It goes on when its value is among the best ``1 / reduction`` of all values that were
    judged at this rung so far, its own included; while there are fewer than `reduction`, when
    it is the best. Implements Alg. 2 of Li et al. 2020 (ASHA) without pausing, as Optuna's
    ``SuccessiveHalvingPruner`` does, and gives its decisions.

    Args:
        value: Objective at the rung; one that is not finite ends.
        others: Finite values judged at this rung before, in any order.
        reduction: At least 2.
        direction: Which values are better.
    """
    if not math.isfinite(value):
        return True
    sign = 1.0 if direction == "maximize" else -1.0
    ranked = sorted((sign * item for item in (*others, value)), reverse=True)
    survivors = max(1, len(ranked) // reduction)
    return sign * value < ranked[survivors - 1]


PRUNERS: dict[str, Pruner | None] = {"halving": stops_by_halving, "none": None}
"""Name in a search-space file to what judges; None judges nothing."""


def judged_rungs(rung: int, reduction: int, *, reports: int) -> list[int]:
    """The rungs that a report is judged at, as far as those before it have not been.

    They are the powers of `reduction` up to the report's own rung. The last report is judged at
    none: nothing would be saved.

    Args:
        rung: The report's, from 1.
        reduction: At least 2.
        reports: Rung of the last report of a whole trial.
    """
    judged, at = [], 1
    while at <= rung < reports:
        judged.append(at)
        at *= reduction
    return judged
