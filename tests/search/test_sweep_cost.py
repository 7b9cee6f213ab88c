"""A cap on the cost ends a sweep in order, a restart gets no new budget, a higher cap goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from noop_sweep import NoopRunner, noop_plan, noop_space

from raysearch.cluster.node_watch import LOOK_SECONDS
from raysearch.cluster.prices import PriceTable
from raysearch.errors import ConfigError
from raysearch.run import Run
from raysearch.search.sweep import run_sweep
from raysearch.summary import Ending, SweepSummary

PRICES = PriceTable(per_hour={"head": 3600.0}, currency="USD", idle_seconds=60)
"""This machine costs one a second, and nothing is left up."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cap_ends_the_sweep_and_a_higher_one_goes_on(tmp_path: Path, one_ray: None) -> None:
    trials: list[Run] = []

    def run(cap: float) -> SweepSummary:
        plan = noop_plan(
            tmp_path,
            noop_space(trials=3, reports=6),
            NoopRunner(step_seconds=0.5),
            prices=PRICES,
            max_cost=cap,
        )
        return run_sweep(plan, on_trial=trials.append)

    first = run(2)
    assert first.ending is Ending.COST and first.unfinished == 1 and not trials
    assert first.nodes is not None and first.nodes.cost is not None
    spent = first.nodes.cost.spent
    assert 2 <= spent <= 2 + LOOK_SECONDS + 30, "a look, and what ending takes on a busy machine"

    again = run(2)
    assert again.ending is Ending.COST and again.asked == 1
    assert again.nodes is not None and again.nodes.cost is not None
    assert again.nodes.cost.spent >= spent - 30, "kept from the run before"

    last = run(1000)
    assert last.ending is Ending.DONE
    assert sorted(trial.number for trial in trials) == [0, 1, 2]


def test_a_cap_needs_prices_and_must_be_money(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`max_cost` 3 must go with prices, but none are known"):
        noop_plan(tmp_path, noop_space(), max_cost=3.0)
    with pytest.raises(ConfigError, match="`max_cost` must be > 0, but got 0"):
        noop_plan(tmp_path, noop_space(), max_cost=0, prices=PRICES)
