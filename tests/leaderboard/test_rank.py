import functools
import math
import operator
import statistics
import time

import numpy as np
import pyarrow as pa
import pytest

from raysearch.errors import ConfigError
from raysearch.leaderboard import RankStatus, rank, summarize, varying
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.run import MetricGoal, RunState

GOAL = MetricGoal("dev/va_pearson")


def _table(trials):
    rows = [trial_rows(trial) for trial in trials]
    schema = unify([row.schema for row in rows])
    return pa.concat_tables([conform(row, schema) for row in rows])


def test_mean_and_sd_by_hand(make_trial):
    """0.2, 0.4, 0.9: mean 0.5; squares 0.09 + 0.01 + 0.16 = 0.26; sd = sqrt(0.26 / 2)."""
    trials = [make_trial(0, score, seed=seed) for seed, score in enumerate([0.2, 0.4, 0.9])]
    only = rank(_table(trials), GOAL)[0]
    assert only.mean == pytest.approx(0.5)
    assert only.sd == pytest.approx(math.sqrt(0.13))
    assert (only.cells, only.seconds, only.steps, only.rank) == (3, 9.0, 60, 1)
    assert only.metrics["dev/va_pearson"] == pytest.approx(0.5)
    assert only.metrics["loss"] == pytest.approx(2.0)


def test_order(make_trial):
    failed, pruned = RunState.FAILED, RunState.PRUNED
    trials = [
        make_trial(0, None, state=failed, reason="out of memory"),
        make_trial(1, 0.9, state=pruned, reason="rung 1"),
        make_trial(2, math.nan),
        make_trial(8, math.inf),
        make_trial(3, 0.4),
        make_trial(4, 0.7),
        make_trial(5, 0.4),
        make_trial(6, 0.95, state=pruned),
        make_trial(7, 0.99, state=failed),
    ]
    ranking = rank(_table(trials), GOAL)
    assert [item.trial for item in ranking] == [4, 3, 5, 6, 1, 0, 2, 7, 8]
    assert [item.rank for item in ranking] == [1, 2, 3, *[None] * 6]
    assert ranking[4].reason == "rung 1"
    assert ranking.counts() == {
        RankStatus.COMPLETE: 3,
        RankStatus.PARTIAL: 2,
        RankStatus.PRUNED: 2,
        RankStatus.FAILED: 2,
    }
    assert ranking[6].reason == "dev/va_pearson is lacking in 1 of its cells"
    downwards = rank(_table(trials), MetricGoal("dev/va_pearson", "minimize"))
    assert [item.trial for item in downwards][:5] == [3, 5, 4, 1, 6]


def test_order_of_rows_does_not_matter(make_trial):
    trials = [
        make_trial(n, score, seed=seed)
        for n, score in enumerate([0.3, 0.8, 0.8, 0.1])
        for seed in range(2)
    ]
    straight = rank(_table(trials), GOAL)[:]
    assert rank(_table(trials[::-1]), GOAL)[:] == straight


def test_a_configuration_stands_as_its_worst_cell(make_trial):
    trials = [
        make_trial(0, 0.5),
        make_trial(0, None, seed=1, state=RunState.FAILED, reason="loss is NaN"),
        make_trial(1, 0.4),
        make_trial(1, 0.5, seed=1),
    ]
    ranking = rank(_table(trials), GOAL)
    assert [item.trial for item in ranking] == [1, 0]
    assert ranking[1].status is RankStatus.FAILED
    assert ranking[1].reason == "loss is NaN"


def test_configurations_with_cells_to_come_are_not_ranked(make_trial):
    trials = [make_trial(0, 0.9), make_trial(1, 0.4), make_trial(1, 0.5, seed=1)]
    ranking = rank(_table(trials), GOAL, cells=2)
    assert [(item.trial, item.rank, item.status) for item in ranking] == [
        (1, 1, RankStatus.COMPLETE),
        (0, None, RankStatus.PARTIAL),
    ]
    unknown = rank(_table(trials), GOAL)
    assert [item.rank for item in unknown] == [1, None], "as many as the one that has the most"
    assert rank(_table(trials), GOAL, cells=1)[0].trial == 0


@pytest.mark.parametrize("lack", [None, math.nan, math.inf])
def test_without_the_metric_in_a_cell_a_configuration_is_not_complete(make_trial, lack):
    trials = [make_trial(0, 0.9), make_trial(0, lack, seed=1)]
    trials += [make_trial(1, 0.1), make_trial(1, 0.3, seed=1)]
    ranking = rank(_table(trials), GOAL)
    assert [(item.trial, item.rank) for item in ranking] == [(1, 1), (0, None)]
    lacking = ranking[1]
    assert (lacking.status, lacking.cells, lacking.mean) == (RankStatus.PARTIAL, 1, 0.9)
    assert math.isnan(lacking.score)
    assert lacking.reason == "dev/va_pearson is lacking in 1 of its cells"


@pytest.mark.parametrize("state", [RunState.PRUNED, RunState.FAILED])
def test_a_part_of_the_cells_has_no_score(make_trial, state):
    """Stopped on its first cell at 0.9, where the mean over two cells is 0.45: not 0.9."""
    trials = [make_trial(0, 0.9, state=state), make_trial(1, 0.4), make_trial(1, 0.5, seed=1)]
    stopped = rank(_table(trials), GOAL, cells=2)[1]
    assert (stopped.trial, stopped.mean) == (0, 0.9)
    assert math.isnan(stopped.score)
    assert rank(_table(trials[:1]), GOAL, cells=1)[0].score == 0.9


def test_same_number_in_two_sweeps_is_two_configurations(make_trial):
    trials = [make_trial(0, 0.9, sweep="a"), make_trial(0, 0.1, sweep="b")]
    assert [item.sweep for item in rank(_table(trials), GOAL)] == ["a", "b"]


def test_agrees_with_a_plain_loop(make_trial):
    generator = np.random.default_rng(7)
    trials = [
        make_trial(n, float(generator.integers(0, 5)) / 4, seed=seed, task=task)
        for n in range(20)
        for seed in range(2)
        for task in ("x", "y")
    ]
    found = {item.trial: item for item in rank(_table(trials), GOAL)}
    for n in range(20):
        scores = [t.metrics["dev/va_pearson"] for t in trials if t.number == n]
        assert found[n].mean == pytest.approx(statistics.mean(scores))
        assert found[n].sd == pytest.approx(statistics.stdev(scores))
        assert found[n].tasks == "x, y"
    expected = sorted(found.values(), key=lambda item: (-item.mean, item.trial))
    assert [item.rank for item in expected] == list(range(1, 21))


def test_unknown_metric_names_the_known(make_trial):
    with pytest.raises(ConfigError, match="but got 'dev/f1'; known: dev/va_pearson, loss"):
        rank(_table([make_trial(0)]), MetricGoal("dev/f1"))
    with pytest.raises(ConfigError, match="none of them has any metric"):
        rank(_table([make_trial(0, None)]), GOAL)


def test_where_all_failed_the_reasons_are_left(make_trial):
    table = _table([make_trial(0, None, state=RunState.FAILED, reason="out of memory")])
    assert [(item.rank, item.reason) for item in rank(table, GOAL)] == [(None, "out of memory")]


def test_no_rows_rank_as_nothing(make_trial):
    empty = _table([make_trial(0)]).slice(0, 0)
    assert len(rank(empty, GOAL)) == 0
    assert list(rank(empty, GOAL)) == []
    assert rank(empty, GOAL).counts() == {}


def test_varying_and_summary(make_trial):
    trials = [
        make_trial(0, config={"encoder": "tiny", "layers": 0, "top_k": 0.1, "p": 1, "q": None}),
        make_trial(1, config={"encoder": "me5", "layers": 6, "top_k": 0.2, "p": 1, "q": None}),
        make_trial(2, config={"encoder": "tiny", "layers": 0, "top_k": 0.2, "p": 1, "r": 2}),
    ]
    table = _table(trials)
    assert varying(table) == ["encoder", "layers", "top_k", "r"]
    summary = summarize(table)
    assert summary.encoders == ("tiny", "me5 (first 6 layers)")
    assert (summary.tasks, summary.methods, summary.sweeps) == (("emobank",), ("carl",), ("carl",))
    assert (summary.rows, summary.seconds) == (3, 9.0)


@pytest.mark.parametrize("seeds", [1, 3])
def test_100_000_rows_rank_in_under_a_second(seeds):
    rows = 100_000
    generator = np.random.default_rng(0)
    states = generator.choice(["complete", "pruned", "failed"], rows, p=[0.6, 0.35, 0.05])
    columns = {
        "sweep": ["carl"] * rows,
        "trial": np.arange(rows) // seeds,
        "task": ["emobank"] * rows,
        "seed": np.arange(rows) % seeds,
        "method": ["carl"] * rows,
        "state": states,
        "reason": [""] * rows,
        "steps": np.full(rows, 100),
        "seconds": generator.random(rows),
    }
    columns |= {f"config/c{index}": generator.random(rows) for index in range(30)}
    columns |= {f"metric/m{index}": generator.random(rows) for index in range(25)}
    table = pa.table(columns)
    times = []
    for _ in range(3):
        start = time.process_time()
        ranking = rank(table, MetricGoal("m0"))
        assert ranking[0].rank == 1
        times.append(time.process_time() - start)
    assert len(ranking) == -(-rows // seeds)
    assert min(times) < 1.0


def test_the_winner_does_not_depend_on_the_order_of_the_sums(make_trial):
    """Both have 0.1, 0.2, 0.3, 0.7 on four seeds; summed in the order of seeds, 2 is ahead."""
    orders = {1: [0.1, 0.7, 0.3, 0.2], 2: [0.1, 0.2, 0.3, 0.7]}
    naive = {number: functools.reduce(operator.add, values) for number, values in orders.items()}
    assert naive[1] < naive[2]
    trials = [make_trial(n, value, seed=s) for n in orders for s, value in enumerate(orders[n])]
    for rows in (trials, trials[::-1]):
        first, second = rank(_table(rows), GOAL)[:]
        assert (first.trial, second.trial) == (1, 2) and first.score == second.score == 1.3 / 4
