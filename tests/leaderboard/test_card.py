"""What `sweep.json` says, also that of an older sweep."""

import json

import pytest

from raysearch.errors import StoreError
from raysearch.leaderboard import Store, SweepCard, load_card
from raysearch.leaderboard.card import parse_card
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
