import numpy as np
import pyarrow as pa
import pytest

from raysearch.analysis.importance import agreement, importances
from raysearch.leaderboard.card import SearchRange, parse_ranges
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.leaderboard.tasks import ranges_of

SAID = {
    "space": {
        "search": {
            "rate": {"kind": "float", "low": 1e-4, "high": 1e-2, "log": True, "when": {}},
            "steps": {"kind": "int", "low": 1, "high": 3, "log": False, "when": {}},
            "kind": {"choices": ["gauss", "cos"], "when": {}},
            "sigma": {
                "kind": "float", "low": 0.1, "high": 0.5, "log": False, "when": {"kind": ["gauss"]},
            },
        }
    },
    "seed": 0,
}  # fmt: skip


def test_a_space_is_read_from_what_the_sweep_says():
    rate, steps, kind, sigma = parse_ranges(SAID)
    assert (rate.size, steps.size, kind.size, sigma.size) == (50, 3, 2, 50)
    points = rate.points([{"rate": 1e-4}, {"rate": 1e-3}, {"rate": 1e-2}, {"rate": 1.0}, {}])
    assert points.tolist() == [0, 24, 49, -1, -1]
    assert steps.points([{"steps": 2}]).tolist() == [1]
    configs = [{"kind": "gauss", "sigma": 0.1}, {"kind": "cos", "sigma": 0.1}]
    assert sigma.points(configs).tolist() == [0, -1]
    assert kind.points([{"kind": "other"}]).tolist() == [-1]
    assert parse_ranges(None) == () and parse_ranges({"seed": 1}) == ()


@pytest.mark.parametrize("said", ["text", {"space": {}}, {"space": {"search": {"a": {}}}}])
def test_a_damaged_space_is_no_space(said):
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        parse_ranges(said)


def test_without_a_space_the_settings_that_differ_stand_in(make_trial):
    trials = [
        make_trial(n, config={"top_k": 0.1 * n, "rate": 10.0**-n, "kind": "ab"[n % 2], "same": 1})
        for n in range(1, 6)
    ]
    tables = [trial_rows(trial) for trial in trials]
    schema = unify([table.schema for table in tables])
    table = pa.concat_tables([conform(one, schema) for one in tables])
    found = {one.name: one for one in ranges_of(table, ())}
    assert set(found) == {"top_k", "rate", "kind"}
    assert found["rate"].log and not found["top_k"].log
    assert set(found["kind"].choices) == {"a", "b"}


def test_pairs_agree_where_the_same_setting_matters():
    ranges = [SearchRange(name=name, low=0.0, high=1.0) for name in "abcd"]
    random = np.random.default_rng(0)
    configs = [dict(zip("abcd", random.random(4).tolist(), strict=True)) for _ in range(120)]
    weights = {"a": 9.0, "b": 3.0, "c": 1.0, "d": 0.3}

    def found(seed):
        noise = np.random.default_rng(seed).normal(0, 0.1, 120)
        losses = [
            sum(w * c[n] for n, w in weights.items()) + e
            for c, e in zip(configs, noise, strict=True)
        ]
        return importances(configs, losses, ranges, seed=seed)

    same = agreement(found(1), found(2))
    assert same.value > 0.7 and same.count == 4 and same.low <= same.value <= same.high
