"""Estimates of a sweep: hand-worked hours, the pruner's share, and intervals that hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raysearch.run import Cell, Run, RunState
from raysearch.search.estimate import (
    LEVEL,
    Draws,
    Survival,
    Work,
    draw_sweeps,
    interval,
    simulate_stopping,
)
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.ledger import StudyLedger


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def drawn(earlier: list[list[float]], work: Work, seed: int = 0) -> Draws:
    generator = rng(seed)
    return draw_sweeps(earlier, work, simulate_stopping(work, generator), generator)


def test_equal_trials_by_hand() -> None:
    """Five configurations of two cells of 30 s are 300 s of a slot; in 3 slots 120 s."""
    draws = drawn([[30.0], [30.0, 30.0]], Work(configurations=5, cells=2))
    assert (draws.total().mean, draws.total().low, draws.total().high) == (300, 300, 300)
    assert draws.wall(1).mean == 300
    assert draws.wall(3).mean == 120, "10 trials in 3 slots: 4 rounds"
    assert draws.wall(10).mean == 60, "the second cells wait for the first"
    assert draws.wall(1000).mean == 60


def test_one_earlier_configuration_gives_no_interval() -> None:
    total = drawn([[10.0, 20.0]], Work(configurations=4)).total()
    assert (total.mean, total.low, total.high) == (60, None, None)
    assert total.scaled(0.5).mean == 30 and total.scaled(0.5).low is None


def test_the_share_of_halving_by_hand() -> None:
    """Rungs 1 and 2 of 4 judge; in two configurations in order the second must beat the first."""
    survival = simulate_stopping(
        Work(configurations=2, reports=4, pruner="halving", reduction=2), rng()
    )
    assert (survival.share[:, 0] == 1).all(), "the first is the best of one at every rung"
    second = set(survival.share[:, 1])
    assert second == {0.25, 1.0}
    assert survival.whole[:, 1].mean() == pytest.approx(0.5, abs=0.15)


def test_of_many_configurations_halving_keeps_a_share_at_each_rung() -> None:
    """About half go on at each of the rungs 1, 2 of 4: 1/2·1/4 + 1/4·1/2 + 1/4 = 1/2."""
    work = Work(configurations=400, reports=4, pruner="halving", reduction=2, cells=3)
    survival = simulate_stopping(work, rng())
    assert survival.share.mean() == pytest.approx(0.5, abs=0.05)
    assert survival.whole.mean() == pytest.approx(1 / 4, abs=0.03)
    assert survival.expected(3) == pytest.approx((0.5 + 2 / 4) / 3, abs=0.04)


def test_without_early_stopping_everything_is_run() -> None:
    survival = simulate_stopping(Work(configurations=7, cells=2, reports=9), rng())
    assert survival.expected(2) == 1


def test_cells_of_stopped_configurations_are_not_run() -> None:
    survival = Survival(np.array([[1.0, 0.5]]), np.array([[True, False]]))
    work = Work(configurations=2, cells=3, reports=2, pruner="halving")
    draws = draw_sweeps([[8.0]], work, survival, rng())
    assert draws.total().mean == 8 * 3 + 8 * 0.5
    assert draws.wall(2).mean == 16, "8 and 4 side by side, then two of 8"


def test_the_same_seed_gives_the_same_estimate() -> None:
    work = Work(configurations=6, reports=4, pruner="halving")
    rows = [[3.0], [5.0], [9.0]]
    assert drawn(rows, work).total() == drawn(rows, work).total()


def test_few_cases_widen_the_interval() -> None:
    values = rng().normal(size=5000)
    widths = []
    for cases in (2, 5, 20, 1000):
        found = interval(values, cases)
        assert found.low is not None and found.high is not None
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(2 * 1.645, rel=0.05)


@pytest.mark.parametrize(("cases", "planned"), [(5, 10), (10, 30), (30, 30)])
def test_the_interval_holds_the_truth_as_often_as_it_says(cases: int, planned: int) -> None:
    """Log-normal seconds (sigma 0.5): the total that really comes lies inside in 9 of 10."""
    held, sweeps = 0, 300
    generator = rng(1)
    work = Work(configurations=planned)
    survival = simulate_stopping(work, generator)
    for _ in range(sweeps):
        earlier = generator.lognormal(3, 0.5, size=(cases, 1)).tolist()
        truth = generator.lognormal(3, 0.5, size=planned).sum()
        found = draw_sweeps(earlier, work, survival, generator).total()
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
    assert held / sweeps >= LEVEL - 0.06, held / sweeps
    assert held / sweeps <= 0.99, "nor is it idly wide"


@pytest.mark.parametrize("reports", [4, 8, 9])
def test_the_plan_stops_whom_the_study_stops(
    tmp_path: Path, toy_space: SearchSpace, make_trial: Callable[..., Run], reports: int
) -> None:
    """The same values given to the study itself, also where the last report is a power of 2."""
    work = Work(configurations=30, reports=reports, pruner="halving", reduction=2)
    survival = simulate_stopping(work, rng())
    space = toy_space.with_overrides({"reports": str(reports)}, trials=work.configurations)
    space = replace(space, reduction=2)
    share, whole = [], []
    cells = [Cell("toy", 0)]
    with StudyLedger.open(
        f"sqlite:///{tmp_path}/study.db", "toy", space, cells=lambda config: cells
    ) as ledger:
        for value in rng().random(work.configurations).tolist():
            asked = ledger.ask()
            assert asked is not None
            rungs = range(1, reports + 1)
            end = next((rung for rung in rungs if ledger.report(asked.number, rung, value)), None)
            state = RunState.COMPLETE if end is None else RunState.PRUNED
            ledger.finish_cell(asked.number, make_trial(asked.number, cells[0], state=state))
            share.append((end or reports) / reports)
            whole.append(end is None)
    assert survival.share[0].tolist() == share
    assert survival.whole[0].tolist() == whole
    assert 0 < sum(whole) < work.configurations
