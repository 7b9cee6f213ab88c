"""Early stopping: decides which configurations are not worth further training.

A pruner compares a configuration's objective at a rung with those of others at that rung. It is
a pure function, so that the study can store its decision with its inputs and return the same
answer after a crash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

__all__ = ["PRUNERS", "Pruner", "pruning_rungs", "stops_by_halving"]

Direction = Literal["maximize", "minimize"]
Pruner = Callable[[float, Sequence[float], int, Direction], bool]


def stops_by_halving(
    value: float, others: Sequence[float], reduction: int, direction: Direction
) -> bool:
    """Asynchronous successive halving: whether a configuration ends at this rung.

    It continues when its value is among the best ``1 / reduction`` of all values at this rung
    so far, its own included, or, with fewer than `reduction` values, when it is the best.
    Implements Alg. 2 of Li et al. 2020 (ASHA) without pausing; its decisions are those of Optuna's
    ``SuccessiveHalvingPruner``.

    Args:
        value: Objective at the rung; one that is not finite ends the configuration.
        others: Finite values that were compared at this rung before, in any order.
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
"""Name in a search-space file to the pruner; None never stops."""


def pruning_rungs(rung: int, reduction: int, *, reports: int) -> list[int]:
    """The rungs at which a report counts, where those before it were not compared yet.

    They are the powers of `reduction` up to the report's own rung. The last report counts at
    none: nothing would be saved.

    Args:
        rung: The report's, from 1.
        reduction: At least 2.
        reports: Rung of the last report of a whole trial.
    """
    rungs, at = [], 1
    while at <= rung < reports:
        rungs.append(at)
        at *= reduction
    return rungs
