"""Records: plain JSON and back without loss, names that are safe in a file system."""

import json
import math
from typing import Any

import optuna
import pytest

from raysearch.errors import StoreError
from raysearch.run import Cell, MetricGoal, Report, Run, RunSpec, RunState
from raysearch.search.study.entries import INTENT, cells_of


def test_trial_survives_json() -> None:
    report = Report(rung=1, step=10, seconds=1.5, metrics={"dev/x": 0.25, "bad": math.inf})
    trial = Run(
        sweep="s", number=3, cell=Cell("emobank+facebook", 1), method="carl",
        state=RunState.PRUNED, config={"a": 1, "b": None, "c": "x"}, curve=(report,),
    )  # fmt: skip
    assert Run.from_json(trial.to_json()) == trial


def test_lease_survives_json_and_has_a_stable_id() -> None:
    spec = RunSpec(
        sweep="s", number=12, cell=Cell("en-es", 0), method="m", config={"x": [1, 2]}, folder="f"
    )
    assert RunSpec.from_json(spec.to_json()) == spec
    assert spec.id == "00012-en-es-s0"


def test_cells_of_different_tasks_have_different_names() -> None:
    slugs = [Cell(task, 0).slug for task in ("en/es", "en_es", "en\\es", "en:es")]
    assert slugs[0].startswith("en_es~") and slugs[1] == "en_es-s0" and len(set(slugs)) == 4


@pytest.mark.parametrize(
    "planted",
    [
        {"number": "1/../../x"},
        {"number": -1},
        {"number": 1.5},
        {"cell": {"task": "sample", "seed": "0/../../../x"}},
        {"cell": {"task": None, "seed": 0}},
        {"cell": {"task": "sample"}},
    ],
)
def test_a_record_whose_id_would_be_no_name_is_refused(planted: dict[str, Any]) -> None:
    plain = {"sweep": "s", "number": 1, "cell": {"task": "t", "seed": 0}, "method": "m"} | planted
    with pytest.raises((StoreError, TypeError)):
        RunSpec.from_json(json.dumps(plain | {"config": {}, "folder": ""}))
    record = plain | {"state": "complete", "config": {}, "curve": []}
    with pytest.raises(StoreError, match="must"):
        Run.from_json(json.dumps(record))


def test_a_cell_of_a_planted_study_is_refused() -> None:
    """A study's database says which cells a configuration has."""
    planted = optuna.trial.create_trial(
        value=0.0, user_attrs={INTENT: {"cells": [["sample", "0/../../../x"]]}}
    )
    with pytest.raises(StoreError, match="a whole number >= 0 as its seed, but got 'sample'"):
        cells_of(planted)


def test_foreign_json_is_one_clear_error() -> None:
    with pytest.raises(StoreError, match="must be one that this version wrote"):
        Run.from_json('{"sweep": "s"}')


def test_goal_direction() -> None:
    assert MetricGoal("x").better(2, 1)
    assert MetricGoal("x", "minimize").better(1, 2)
    assert not MetricGoal("x").better(math.nan, 1)
