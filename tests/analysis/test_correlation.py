import math

import numpy as np
import pytest

from raysearch.analysis.correlation import association, most_telling
from raysearch.leaderboard import Ranked, RankStatus
from raysearch.run import MetricGoal
from raysearch.statistics.intervals import spearman
from raysearch.statistics.permutation import corrected


def _rows(configs, means, status=RankStatus.COMPLETE):
    return [
        Ranked(
            rank=None,
            sweep="carl",
            trial=number,
            method="carl",
            tasks="emobank",
            status=status,
            reason="",
            cells=1,
            score=mean,
            score_sd=math.nan,
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
    pruned = _rows([{"a": 1.0 * n, "b": n % 2} for n in range(9)], range(9), RankStatus.PRUNED)
    assert most_telling([pruned], ["b", "a"]) == ["b", "a"]


def test_equal_scores_and_missing_settings_are_harmless():
    configs = [{"a": 1.0 * n, "b": None if n % 2 else 0.1} for n in range(6)]
    assert most_telling([_rows(configs, [1.0] * 6)], ["a", "b"]) == ["a", "b"]
    assert most_telling([_rows(configs, [1, 9, 2, 8, 3, 7])], ["a", "b"]) == ["b", "a"]


def test_association_by_hand():
    """Ranks of x 0 … 7, of the metric the same but for one swap: ρ = 1 − 6 · 2 / (8 · 63)."""
    rows = _rows([{"x": 10.0**n} for n in range(8)], [1, 2, 3, 4, 5, 6, 8, 7])
    up = association(rows, "x", MetricGoal("m"))
    assert (up.value, up.signed, up.count) == (pytest.approx(1 - 12 / 504), True, 8)
    # 2 · 8 of the 40,320 orders come as far: the order, its 7 swaps, and all of them reversed.
    assert up.significant and up.p_value < 0.005
    down = association(rows, "x", MetricGoal("m", "minimize"))
    assert (down.value, down.p_value) == (pytest.approx(-up.value), up.p_value)


def test_association_of_names_by_hand():
    """Ranks 0 1 2 3 | 4 5 6 7: means 1.5 and 5.5 about 3.5; η² = 8 · 4 / 42."""
    rows = _rows([{"k": kind} for kind in "aaaabbbb"], [1, 2, 3, 4, 5, 6, 7, 8])
    found = association(rows, "k", MetricGoal("m"))
    assert (found.value, found.signed) == (pytest.approx(math.sqrt(32 / 42)), False)
    assert found.p_value == pytest.approx(2 / 70, abs=0.012)  # 2 of the 70 splits into fours


def test_five_trials_are_no_ground_for_a_correlation():
    """Of five, one order in 60 is perfect, one way or the other."""
    rows = _rows([{"x": float(n)} for n in range(7)], [1, 2, 3, 4, 5, 6, 7])
    assert association(rows, "x", MetricGoal("m")) is None


def test_of_settings_without_effect_few_sweeps_have_one_told():
    """Twelve settings and eight trials: each by itself tells 5 of 100, together nearly half."""
    random = np.random.default_rng(0)
    bare = family = 0
    for _ in range(200):
        configs = [
            {f"x{i}": float(v) for i, v in enumerate(random.normal(size=12))} for _ in range(8)
        ]
        rows = _rows(configs, random.normal(size=8).tolist())
        found = {name: association(rows, name, MetricGoal("m")) for name in configs[0]}
        bare += any(one.significant for one in found.values())
        family += any(one.significant for one in corrected(found).values())
    assert bare > 60 and family <= 20  # more than 20 of 200 at 5 %: 0.3 %


def test_no_association_of_few_constant_or_absent_settings():
    configs = [{"x": 1.0 * n, "same": 1, "when": n if n > 1 else None} for n in range(9)]
    rows = _rows(configs, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    goal = MetricGoal("m")
    assert association(rows[:7], "x", goal) is None
    assert association(rows, "same", goal) is None
    assert association(rows, "when", goal) is None  # seven have it
    assert association(_rows(configs, [1.0] * 9), "x", goal) is None
    assert math.isnan(spearman([1.0], [1.0])) and spearman([1, 2], [5, 4]) == pytest.approx(-1)


def test_what_tells_within_tasks_is_not_hidden_by_the_tasks_levels():
    """x tells in either task; between the tasks it is constant, and the level swamps it."""
    low = _rows([{"x": 1.0 * n, "z": n % 2} for n in range(6)], [1, 2, 3, 4, 5, 6])
    high = _rows([{"x": 1.0 * n, "z": n % 2} for n in range(6)], [11, 12, 13, 14, 15, 16])
    assert most_telling([low, high], ["z", "x"]) == ["x", "z"]
