"""What `sweep.json` says, also that of an older sweep."""

import json

import pytest

from raysearch.errors import StoreError
from raysearch.leaderboard import Store, SweepCard, load_card
from raysearch.leaderboard.card import parse_card
from raysearch.trial import MetricGoal

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
