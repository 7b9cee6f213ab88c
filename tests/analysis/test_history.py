from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from raysearch.analysis.history import best_so_far, spans
from raysearch.leaderboard import rank
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.objective import pareto
from raysearch.run import MetricGoal, RunState

GOAL = MetricGoal("dev/va_pearson")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def table_of(trials):
    tables = [trial_rows(trial) for trial in trials]
    schema = unify([table.schema for table in tables])
    return pa.concat_tables([conform(table, schema) for table in tables])


def at(seconds):
    return (BEGIN + timedelta(seconds=seconds)).isoformat()


def test_the_best_so_far_follows_the_order_of_ends_and_counts_every_cost(make_trial):
    trials = [
        make_trial(0, 0.3, finished=at(50), steps=10, seconds=5.0),
        make_trial(1, 0.5, finished=at(20), steps=10, seconds=5.0),
        make_trial(2, 0.9, finished=at(30), steps=4, seconds=2.0, state=RunState.PRUNED),
        make_trial(3, 0.7, finished=at(90), steps=10, seconds=5.0),
    ]
    table = table_of(trials)
    found = best_so_far(rank(table, GOAL)[:], table, GOAL)
    assert found.trials == (1, 2, 0, 3)
    assert found.best.tolist() == [0.5, 0.5, 0.5, 0.7]
    assert found.steps.tolist() == [10, 14, 24, 34]
    assert found.seconds.tolist() == [5, 7, 12, 17]
    assert np.isnan(found.scores[1]) and found.improved == (0, 3)


def test_lower_may_be_better(make_trial):
    trials = [make_trial(n, score, finished=at(n)) for n, score in enumerate((0.3, 0.5, 0.1))]
    table = table_of(trials)
    goal = MetricGoal("dev/va_pearson", "minimize")
    found = best_so_far(rank(table, goal)[:], table, goal)
    assert found.best.tolist() == [0.3, 0.3, 0.1] and found.improved == (0, 2)


def test_rows_that_overlap_on_a_host_have_lanes_of_their_own(make_trial):
    def row(number, end, host):
        return make_trial(number, finished=at(end), seconds=30.0, provenance={"host": host})

    trials = [row(0, 30, "a"), row(1, 40, "a"), row(2, 61, "a"), row(3, 30, "b")]
    found = {span.trial: (span.host, span.slot) for span in spans(table_of(trials))}
    assert found == {0: ("a", 0), 1: ("a", 1), 2: ("a", 0), 3: ("b", 0)}


def test_a_row_without_an_end_is_not_on_the_time_line(make_trial):
    assert spans(table_of([make_trial(0, finished="")])) == []


def test_a_front_by_hand():
    scores, seconds = [0.9, 0.8, 0.8, 0.5, 0.4], [9.0, 5.0, 6.0, 2.0, 3.0]
    assert pareto(scores, seconds, (True, False)) == [0, 1, 3]
    assert pareto([1.0, 1.0], [2.0, 2.0], (True, True)) == [0]
    assert pareto([], [], (True, True)) == []
