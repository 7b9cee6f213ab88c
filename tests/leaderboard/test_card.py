"""What `sweep.json` says, also that of an older sweep."""

import json

import numpy as np
import pyarrow as pa
import pytest

from raysearch.analysis.importance import agreement, importances
from raysearch.errors import StoreError
from raysearch.leaderboard import Store, SweepCard, load_card
from raysearch.leaderboard.card import SearchRange, parse_card, parse_ranges
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.leaderboard.tasks import ranges_of
from raysearch.run import MetricGoal
from raysearch.seal import seal

GOAL = MetricGoal("dev/f1")
OLD = {"metric": "dev/f1", "direction": "maximize", "cells": 3}


def test_an_older_card_is_joint_by_mean():
    card = parse_card(OLD)
    assert card == SweepCard(goal=GOAL, cells=3)
    assert (card.mode, card.aggregate, card.tasks) == ("joint", "mean", ())
    assert (card.cells_of_task, card.cells_of_all) == (3, 3)


def test_cells_of_a_task_and_of_all():
    tasks = ("a", "b", "c", "d")
    joint = SweepCard(goal=GOAL, cells=12, tasks=tasks)
    alone = SweepCard(goal=GOAL, cells=3, tasks=tasks, mode="per_task")
    assert (joint.cells_of_task, joint.cells_of_all) == (3, 12)
    assert (alone.cells_of_task, alone.cells_of_all) == (3, 12)


@pytest.mark.parametrize("wrong", [{"mode": "both"}, {"aggregate": "best"}, {"direction": "up"}])
def test_a_damaged_card_is_refused(tmp_path, wrong):
    (tmp_path / "sweep.json").write_text(json.dumps(OLD | wrong))
    with pytest.raises(StoreError, match="must hold `metric` and `direction`"):
        Store(tmp_path).card()
    assert load_card(tmp_path, "dev/f1:min").goal.direction == "minimize"


def test_another_metric_keeps_cells_mode_and_tasks(tmp_path):
    more = {"mode": "per_task", "tasks": ["a", "b"], "aggregate": "worst"}
    (tmp_path / "sweep.json").write_text(json.dumps(OLD | more))
    card = load_card(tmp_path, "dev/recall")
    assert (card.goal.name, card.cells, card.mode) == ("dev/recall", 3, "per_task")
    assert card.tasks == ("a", "b")


WRONG = {
    "a list": ("[1]", "it must be an object, but is list"),
    "no JSON": ("{", "Expecting property name"),
    "deep": ("[" * 100_000, "it is nested too deeply"),
    "no metric": ({"metric": None}, "`metric` must be a name, but is None"),
    "metric a number": ({"metric": 3}, "`metric` must be a name, but is 3"),
    "metric of a line": ({"metric": "a\nb"}, "`metric` must be a name"),
    "long metric": ({"metric": "x" * 999}, "`metric` must be a name, but is 'xxx"),
    "a list of directions": ({"direction": []}, "`direction` must be maximize or minimize"),
    "cells a text": ({"cells": "3"}, "`cells` must be a whole number from 0, but is '3'"),
    "cells a fraction": ({"cells": 2.5}, "`cells` must be a whole number"),
    "cells true": ({"cells": True}, "`cells` must be a whole number"),
    "negative cells": ({"cells": -1}, "`cells` must be a whole number"),
    "endless cells": ({"cells": 1e999}, "`cells` must be a whole number from 0, but is inf"),
    "tasks a text": ({"tasks": "emobank"}, "`tasks` must be a list of names, but is 'emobank'"),
    "tasks of numbers": ({"tasks": [1]}, "`tasks` must be a list of names"),
    "study a list": ({"study": [1]}, "`study` must be what was searched"),
    "space a list": ({"study": {"space": [1]}}, "`study` must be what was searched"),
    "no search": ({"study": {"space": {"method": "carl"}}}, "`study` must be what was searched"),
    "endless range": (
        {"study": {"space": {"search": {"x": {"low": 0, "high": 1e999, "log": 0, "kind": "f"}}}}},
        "the range of 'x' is 0 to inf",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_card_that_no_sweep_writes_is_one_sentence(tmp_path, kind):
    what, sentence = WRONG[kind]
    text = what if isinstance(what, str) else json.dumps({**OLD, **what})
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(StoreError, match=f"sweep.json` must hold .*{sentence}") as told:
        Store(tmp_path).card()
    assert len(str(told.value).splitlines()) == 1 and len(str(told.value)) < 500


def test_no_flipped_bit_of_a_sealed_card_changes_it_in_silence(tmp_path):
    whole = (json.dumps(seal({**OLD, "tasks": ["emobank"]}), indent=1) + "\n").encode()
    path, told = tmp_path / "sweep.json", 0
    path.write_bytes(whole)
    known = Store(tmp_path).card_fields()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            assert Store(tmp_path).card_fields() == known  # a space that became a line's end
        except StoreError as error:
            told += 1
            assert "the same `raysearch sweep` command writes it anew" in str(error)
    assert told > 7.5 * len(whole.split(b"\n", 1)[1]) - 200


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
    optional = SearchRange(name="alpha", choices=(None, 0.5))
    assert optional.active({"alpha": None}) and not optional.active({})
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
