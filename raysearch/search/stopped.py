"""What may a model take a trial for that early stopping ended.

A Gaussian process and CMA-ES learn from one number a trial, and a stopped trial has none: its
last objective is that of a rung, and lies above or below those of whole trials because it is
early, not because of its settings. So it is compared where both were. It gets

    the worth of each trial that led it at its rung and went on, less that lead,

the smallest of these, so that it stays behind every trial that beat it by at least what it was
behind. Trials that went on are those that are complete, and those that were stopped at a later
rung, which get their own number first. What is behind another can never be the best.

Where nobody who led it is known (the leader failed, or still runs), it gets the worst number of
those that went on. While no trial went on, the objectives at the last rung of all are the scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from optuna.trial import FrozenTrial, TrialState

__all__ = ["losses", "teaches"]


def teaches(trial: FrozenTrial) -> bool:
    """Whether a trial has a number to learn from."""
    if trial.state is TrialState.COMPLETE:
        return trial.values is not None and math.isfinite(trial.values[0])
    return trial.state is TrialState.PRUNED and _stop(trial) is not None


def losses(trials: Sequence[FrozenTrial], sign: float) -> dict[int, float]:
    """Number of each trial that teaches to what a model shall take it for; small is good.

    Args:
        trials: Complete, stopped, and any others, which are left out.
        sign: 1 where the objective is minimised, -1 where it is maximised.
    """
    taught = [trial for trial in trials if teaches(trial)]
    found: dict[int, float] = {}
    went_on: list[FrozenTrial] = []
    stopped: dict[int, list[FrozenTrial]] = {}
    for trial in taught:
        if trial.state is TrialState.COMPLETE and trial.values is not None:
            found[trial.number] = sign * trial.values[0]
            went_on.append(trial)
        else:
            stopped.setdefault(max(trial.intermediate_values), []).append(trial)
    for rung in sorted(stopped, reverse=True):
        of_rung = {
            trial.number: _loss(trial, rung, sign, went_on, found) for trial in stopped[rung]
        }
        found |= of_rung
        went_on += stopped[rung]
    return found


def _loss(
    trial: FrozenTrial,
    rung: int,
    sign: float,
    went_on: Iterable[FrozenTrial],
    found: dict[int, float],
) -> float:
    own = sign * trial.intermediate_values[rung]
    behind = [
        found[other.number] + lead
        for other in went_on
        if (lead := own - sign * other.intermediate_values.get(rung, math.nan)) > 0
    ]
    return max(behind) if behind else max(found.values(), default=own)


def _stop(trial: FrozenTrial) -> float | None:
    """The last objective of a stopped trial; None where it has none that is finite."""
    if not trial.intermediate_values:
        return None
    value = trial.intermediate_values[max(trial.intermediate_values)]
    return value if math.isfinite(value) else None
