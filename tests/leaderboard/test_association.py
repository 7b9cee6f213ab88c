import math

from raysearch.leaderboard import Ranked, Standing
from raysearch.leaderboard.association import most_telling


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
