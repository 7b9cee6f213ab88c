"""Several tasks: ranked within each, over all by mean or worst, and equal settings as one."""

import math

import pyarrow as pa
import pytest

from raysearch.analysis.correlation import task_columns
from raysearch.leaderboard import RankStatus, rank, rank_tasks, same_settings
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.leaderboard.tasks import first_trials, searched, task_names
from raysearch.render.table_export import records
from raysearch.run import MetricGoal, RunState

GOAL = MetricGoal("dev/va_pearson")


def _table(trials):
    rows = [trial_rows(trial) for trial in trials]
    schema = unify([row.schema for row in rows])
    return pa.concat_tables([conform(row, schema) for row in rows])


@pytest.fixture
def joint(make_trial):
    """Trial 0 is steady; trial 1 is better on average and worse at its worst."""
    scores = {
        0: {"en-es": [0.5, 0.5], "en-fr": [0.4, 0.5]},
        1: {"en-es": [0.9, 0.7], "en-fr": [0.3, 0.4]},
    }
    return _table(
        make_trial(number, value, seed=seed, task=task)
        for number, tasks in scores.items()
        for task, values in tasks.items()
        for seed, value in enumerate(values)
    )


def test_means_of_tasks_by_hand(joint):
    """Trial 1: (0.9 + 0.7) / 2 = 0.8, (0.3 + 0.4) / 2 = 0.35, over four cells 0.575."""
    first, second = rank(joint, GOAL, cells=4)
    assert (first.trial, second.trial) == (1, 0)
    assert first.by_task == pytest.approx({"en-es": 0.8, "en-fr": 0.35})
    assert (first.mean, first.score) == pytest.approx((0.575, 0.575))


def test_the_worst_task_ranks(joint):
    first, second = rank(joint, GOAL, cells=4, aggregate="worst")
    assert (first.trial, second.trial) == (0, 1)
    assert (first.score, second.score) == pytest.approx((0.45, 0.35))
    assert second.mean == pytest.approx(0.575)
    lower = rank(joint, MetricGoal("dev/va_pearson", "minimize"), aggregate="worst")
    assert [(item.trial, pytest.approx(item.score)) for item in lower] == [(0, 0.5), (1, 0.8)]


def test_a_lost_cell_leaves_no_worst_task(make_trial):
    table = _table(
        [make_trial(0, None, task="a"), make_trial(0, 0.4, task="b"), make_trial(1, 0.1)]
    )
    for item in rank(table, GOAL, aggregate="worst"):
        assert item.rank is None and math.isnan(item.score)


def test_within_a_task(joint):
    found = rank_tasks(joint, GOAL, cells=2, order=["en-fr", "en-es", "en-ru"])
    assert {task: [item.trial for item in found[task]] for task in found} == {
        "en-fr": [0, 1],
        "en-es": [1, 0],
    }
    assert list(found) == ["en-fr", "en-es"]
    assert (found["en-es"][0].cells, found["en-es"][0].rank) == (2, 1)
    assert task_names(joint) == ("en-es", "en-fr")


def test_records_have_the_mean_of_every_task(joint):
    first = records(rank(joint, GOAL, aggregate="worst"), GOAL)[0]
    assert first["mean/en-fr"] == pytest.approx(0.45)
    assert first["score"] == pytest.approx(0.45)
    assert first["mean"] == pytest.approx(0.475)


def test_equal_settings_of_several_tasks_are_one_configuration(make_trial):
    same, other = {"x": 1, "y": None}, {"x": 2, "y": None}
    trials = [
        make_trial(3, 0.5, task="a", config=same),
        make_trial(7, 0.7, task="b", config=same),
        make_trial(9, 0.9, task="b", config=same),  # the same cell once more: the first counts
        make_trial(4, 0.8, task="a", config=other),
    ]
    found = rank(same_settings(_table(trials[::-1])), GOAL, cells=2)
    assert [(item.trial, item.cells, item.status) for item in found] == [
        (3, 2, RankStatus.COMPLETE),
        (4, 1, RankStatus.PARTIAL),
    ]
    assert found[0].mean == pytest.approx(0.6)
    assert same_settings(_table(trials).slice(0, 0)).num_rows == 0


def test_what_only_the_papers_trial_changes_was_not_searched(make_trial):
    configs = [{"schedule": "literal", "beta": 0.1}] + [
        {"schedule": "useful", "beta": 0.1 * n} for n in range(2, 5)
    ]
    trials = [make_trial(n, 0.5, config=config) for n, config in enumerate(configs)]
    assert searched(_table(trials)) == ["beta"]
    assert searched(_table(trials[:2])) == ["schedule", "beta"]
    assert searched(_table(trials[:1])) == []


def test_columns_of_tasks(make_trial):
    """In task a larger x is better, in task b smaller; what is pruned or few does not count."""
    trials = []
    for n in range(8):
        config = {"x": float(n)}
        trials.append(make_trial(n, 0.1 * n, task="a", config=config))
        trials.append(make_trial(10 + n, 0.1 * (8 - n), task="b", config=config))
    trials.append(make_trial(20, 0.99, task="a", state=RunState.PRUNED, config={"x": 0.0}))
    trials += [make_trial(30 + n, 0.1 * n, task="c", config={"x": float(n)}) for n in range(4)]
    first, second, third = task_columns(rank_tasks(_table(trials), GOAL), GOAL, ["x"])
    assert (first.task, first.best.trial, first.complete) == ("a", 7, 8)
    assert first.associations["x"].value == pytest.approx(1)
    assert (second.best.trial, second.associations["x"].value) == (10, pytest.approx(-1))
    assert third.associations["x"] is None
    failed = [make_trial(0, None, state=RunState.FAILED, reason="NaN")]
    assert task_columns(rank_tasks(_table(failed), GOAL), GOAL, [])[0].best is None


def test_the_papers_trial_of_a_joint_sweep_is_the_first_of_all():
    """Trial 0 was stopped on its first pair: on the other, trial 1 is not the paper's."""
    rows = [("en-es", 0), ("en-es", 1), ("en-nl", 1), ("en-es", 2), ("en-nl", 2)]
    assert first_trials(rows) == {"en-es": 0, "en-nl": 0}
    assert first_trials(rows[:1] + [("en-nl", 1)], "joint") == {"en-es": 0, "en-nl": 0}
    alone = [("en-es", 0), ("en-nl", 1), ("en-es", 2), ("en-nl", 3)]
    assert first_trials(alone) == first_trials(alone, "per_task") == {"en-es": 0, "en-nl": 1}
    assert first_trials([]) == {}
