import math

import pytest

from raysearch.leaderboard import Ranked, Standing
from raysearch.leaderboard.association import association, most_telling, spearman
from raysearch.trial import MetricGoal


def _rows(configs, means, standing=Standing.COMPLETE):
    return [
        Ranked(
            rank=None,
            sweep="carl",
            trial=number,
            method="carl",
            tasks="emobank",
            standing=standing,
            reason="",
            cells=1,
            score=mean,
            mean=mean,
            sd=math.nan,
            seconds=1.0,
            steps=1,
            config=config,
            metrics={},
            by_task={},
        )
        for number, (config, mean) in enumerate(zip(configs, means, strict=True))
    ]


def test_what_goes_with_the_metric_comes_first():
    configs = [
        {"noise": noise, "log": 10.0**-n, "kind": "good" if n < 4 else "bad", "same": 1}
        for n, noise in enumerate([3, 1, 4, 1, 5, 9, 2, 6])
    ]
    rows = _rows(configs, [8, 7, 6, 5, 4, 3, 2, 1])
    assert most_telling([rows], ["same", "noise", "kind", "log"]) == [
        "log",
        "kind",
        "noise",
        "same",
    ]


def test_a_name_that_differs_in_every_trial_explains_nothing():
    """η² is 1, and so is its expectation under chance, (8 − 1) / (8 − 1)."""
    configs = [{"id": f"t{n}", "x": float(n % 3)} for n in range(8)]
    rows = _rows(configs, [1, 2, 3, 1.1, 2.1, 3.1, 1.2, 2.2])
    assert most_telling([rows], ["id", "x"]) == ["x", "id"]


def test_few_trials_keep_the_order_of_the_config():
    rows = _rows([{"a": 1.0 * n, "b": n % 2} for n in range(4)], [1, 2, 1, 2])
    assert most_telling([rows], ["a", "b"]) == ["a", "b"]
    pruned = _rows([{"a": 1.0 * n, "b": n % 2} for n in range(9)], range(9), Standing.PRUNED)
    assert most_telling([pruned], ["b", "a"]) == ["b", "a"]


def test_equal_scores_and_missing_settings_are_harmless():
    configs = [{"a": 1.0 * n, "b": None if n % 2 else 0.1} for n in range(6)]
    assert most_telling([_rows(configs, [1.0] * 6)], ["a", "b"]) == ["a", "b"]
    assert most_telling([_rows(configs, [1, 9, 2, 8, 3, 7])], ["a", "b"]) == ["b", "a"]


def test_association_by_hand():
    """Ranks of x 0 1 2 3 4, of the metric 0 1 2 4 3: ρ = 1 − 6 · 2 / (5 · 24) = 0.9."""
    rows = _rows([{"x": 10.0**n} for n in range(5)], [1, 2, 3, 5, 4])
    up = association(rows, "x", MetricGoal("m"))
    assert (up.value, up.signed, up.count) == (pytest.approx(0.9), True, 5)
    down = association(rows, "x", MetricGoal("m", "minimize"))
    assert down.value == pytest.approx(-0.9)


def test_association_of_names_by_hand():
    """Ranks 0 1 | 2 3 4: means 0.5 and 3 about 2; η² = (2 · 2.25 + 3 · 1) / 10 = 0.75."""
    rows = _rows([{"k": kind} for kind in "aabbb"], [1, 2, 3, 4, 5])
    found = association(rows, "k", MetricGoal("m"))
    assert (found.value, found.signed) == (pytest.approx(math.sqrt(0.75)), False)


def test_no_association_of_few_constant_or_absent_settings():
    configs = [{"x": 1.0 * n, "same": 1, "when": n if n > 1 else None} for n in range(6)]
    rows = _rows(configs, [1, 2, 3, 4, 5, 6])
    goal = MetricGoal("m")
    assert association(rows[:4], "x", goal) is None
    assert association(rows, "same", goal) is None
    assert association(rows, "when", goal) is None  # four have it
    assert association(_rows(configs, [1.0] * 6), "x", goal) is None
    assert math.isnan(spearman([1.0], [1.0])) and spearman([1, 2], [5, 4]) == pytest.approx(-1)


def test_what_tells_within_tasks_is_not_hidden_by_the_tasks_levels():
    """x tells in either task; between the tasks it is constant, and the level swamps it."""
    low = _rows([{"x": 1.0 * n, "z": n % 2} for n in range(6)], [1, 2, 3, 4, 5, 6])
    high = _rows([{"x": 1.0 * n, "z": n % 2} for n in range(6)], [11, 12, 13, 14, 15, 16])
    assert most_telling([low, high], ["z", "x"]) == ["x", "z"]
