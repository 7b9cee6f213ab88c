"""Selection regret, by hand."""

import math

import pyarrow as pa
import pytest

from raysearch.analysis.selection import regrets
from raysearch.findings.sweep import oracle_goal
from raysearch.leaderboard import SweepCard
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.run import MetricGoal, RunState

GOAL = MetricGoal("dev/f1")
TASKS = ("en-es", "en-fr")


def _table(trials):
    rows = [trial_rows(trial) for trial in trials]
    schema = unify([row.schema for row in rows])
    return pa.concat_tables([conform(row, schema) for row in rows])


@pytest.fixture
def cells(make_trial):
    """Rows of ``{(number, task): values over seeds}``."""

    def build(metric, scores, **changes):
        return [
            make_trial(number, seed=seed, task=task, metrics={metric: value}, **changes)
            for (number, task), values in scores.items()
            for seed, value in enumerate(values)
        ]

    return build


def test_per_task_by_hand(cells):
    """en-es selects 1 (0.65 over seeds, 0.6 for 0); the oracle has 0.50 for 0, 0.44 for 1.

    Regret 0.50 − 0.44 = 0.06. In en-fr both select 2, and trial 4 was read for one seed of two.
    """
    table = cells(
        "dev/f1",
        {
            (0, "en-es"): [0.7, 0.5],
            (1, "en-es"): [0.6, 0.7],
            (2, "en-fr"): [0.5, 0.5],
            (3, "en-fr"): [0.1, 0.3],
            (4, "en-fr"): [0.4, 0.4],
        },
    )
    readings = cells(
        "target_dev/f1",
        {
            (0, "en-es"): [0.48, 0.52],
            (1, "en-es"): [0.40, 0.48],
            (2, "en-fr"): [0.3, 0.3],
            (3, "en-fr"): [0.2, 0.1],
            (4, "en-fr"): [0.9],
            (8, "en-fr"): [0.9, 0.9],  # no trial of the sweep any more
        },
    )
    card = SweepCard(goal=GOAL, cells=2, mode="per_task", tasks=TASKS)
    first, second = regrets(_table(table), _table(readings), card, "target_dev")
    assert (first.task, first.chosen, first.oracle) == ("en-es", 1, 0)
    assert (first.chosen_value, first.oracle_value) == pytest.approx((0.44, 0.50))
    assert first.value == pytest.approx(0.06)
    assert (first.read, first.missing, first.agreement) == (2, 0, pytest.approx(-1))
    assert (second.chosen, second.oracle, second.value) == (2, 2, 0)
    assert (second.read, second.missing) == (2, 1)


@pytest.mark.parametrize(
    ("aggregate", "oracle", "values"),
    [("mean", 1, [0.2, -0.1, 0.05]), ("worst", 2, [0.1, 0.0, 0.1])],
)
def test_jointly_one_configuration_is_chosen(cells, aggregate, oracle, values):
    """Trial 0 is chosen by both rules; over both pairs the oracle takes 1 by mean, 2 by worst.

    Oracle: trial 0 0.2, 0.3; trial 1 0.4, 0.2 (mean 0.30, worst 0.2); trial 2 0.3, 0.3 where
    the worst ranks, else 0.25, 0.3 (mean 0.275).
    """
    es, fr = TASKS
    table = cells(
        "dev/f1",
        {
            (0, es): [0.9],
            (0, fr): [0.9],
            (1, es): [0.8],
            (1, fr): [0.8],
            (2, es): [0.7],
            (2, fr): [0.7],
        },
    )
    steady = 0.3 if aggregate == "worst" else 0.25
    readings = cells(
        "target_dev/f1",
        {
            (0, es): [0.2],
            (0, fr): [0.3],
            (1, es): [0.4],
            (1, fr): [0.2],
            (2, es): [steady],
            (2, fr): [0.3],
        },
    )
    card = SweepCard(goal=GOAL, cells=2, tasks=TASKS, aggregate=aggregate)
    found = regrets(_table(table), _table(readings), card, "target_dev")
    assert [row.task for row in found] == ["en-es", "en-fr", ""]
    assert {row.chosen for row in found} == {0} and {row.oracle for row in found} == {oracle}
    assert [row.value for row in found] == pytest.approx(values)
    alone = regrets(_table(table), _table(readings), card, "target_dev", mode="per_task")
    assert [(row.oracle, pytest.approx(row.value)) for row in alone] == [(1, 0.2), (0, 0.0)]


def test_lower_is_better(cells):
    table = cells("dev/loss", {(0, "a"): [1.0], (1, "a"): [2.0]})
    readings = cells("target_dev/loss", {(0, "a"): [3.0], (1, "a"): [2.5]})
    card = SweepCard(goal=MetricGoal("dev/loss", "minimize"), cells=1)
    [only] = regrets(_table(table), _table(readings), card, "target_dev")
    assert (only.task, only.chosen, only.oracle, only.value) == ("a", 0, 1, pytest.approx(0.5))


def test_where_the_chosen_was_not_read_there_is_no_regret(cells):
    table = cells("dev/f1", {(0, "a"): [0.9], (1, "a"): [0.8]})
    table += cells("dev/f1", {(2, "a"): [0.99]}, state=RunState.PRUNED)
    readings = cells("target_dev/f1", {(1, "a"): [0.5], (2, "a"): [0.6]})
    card = SweepCard(goal=GOAL, cells=1)
    [only] = regrets(_table(table), _table(readings), card, "target_dev")
    assert (only.chosen, only.oracle, only.read, only.missing) == (0, 1, 1, 1)
    assert math.isnan(only.value) and math.isnan(only.chosen_value)


def test_where_nothing_is_complete(cells):
    table = _table(cells("dev/f1", {(0, "a"): [0.9]}, state=RunState.PRUNED))
    [only] = regrets(table, table.slice(0, 0), SweepCard(goal=GOAL, cells=1), "target_dev")
    assert (only.chosen, only.oracle, only.read, only.missing) == (None, None, 0, 0)


def test_the_oracles_metric():
    assert oracle_goal(MetricGoal("dev/f1"), "target_dev") == MetricGoal("target_dev/f1")
