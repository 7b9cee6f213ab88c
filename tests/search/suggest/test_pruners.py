from __future__ import annotations

import math
import random
import warnings

import optuna
import pytest
from optuna.pruners import SuccessiveHalvingPruner

from raysearch.search.suggest.pruners import PRUNERS, pruning_rungs, stops_by_halving


def test_by_hand() -> None:
    # The first goes on; a second must beat it; of three the best goes on; of six the best two.
    assert not stops_by_halving(0.5, [], 3, "maximize")
    assert stops_by_halving(0.4, [0.5], 3, "maximize")
    assert not stops_by_halving(0.6, [0.5], 3, "maximize")
    assert not stops_by_halving(0.5, [0.5], 3, "maximize")  # a tie is not worse
    others = [0.1, 0.2, 0.3, 0.4, 0.9]
    assert not stops_by_halving(0.5, others, 3, "maximize")
    assert stops_by_halving(0.35, others, 3, "maximize")
    assert not stops_by_halving(0.15, others, 3, "minimize")
    assert stops_by_halving(math.nan, [], 3, "maximize")
    assert stops_by_halving(math.inf, [], 3, "maximize")


def test_pruning_rungs() -> None:
    assert pruning_rungs(0, 3, reports=20) == []
    assert pruning_rungs(1, 3, reports=20) == [1]
    assert pruning_rungs(8, 3, reports=20) == [1, 3]
    assert pruning_rungs(9, 3, reports=20) == [1, 3, 9]
    assert pruning_rungs(8, 2, reports=9) == [1, 2, 4, 8]
    assert pruning_rungs(8, 2, reports=8) == [], "the last report is not judged"


def test_names() -> None:
    assert set(PRUNERS) == {"halving", "none"}


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("reduction", [2, 3, 4])
def test_decides_as_optuna_does(direction: str, reduction: int) -> None:
    generator = random.Random(reduction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            direction=direction,
            pruner=SuccessiveHalvingPruner(min_resource=1, reduction_factor=reduction),
        )
    judged: dict[int, list[float]] = {}
    stopped = 0
    for _ in range(60):
        trial = study.ask()
        for rung in range(1, 10):
            value = round(generator.random(), 1)  # coarse, so that there are ties
            trial.report(value, rung)
            ours = False
            if rung in pruning_rungs(rung, reduction, reports=30):
                others = judged.setdefault(rung, [])
                ours = stops_by_halving(value, others, reduction, direction)  # type: ignore[arg-type]
                others.append(value)
            assert ours == trial.should_prune()
            if ours:
                stopped += 1
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, value)
    assert 20 < stopped < 60
