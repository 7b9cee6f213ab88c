"""A study.db that a stranger wrote: one sentence, whatever an attribute holds."""

import json
import sqlite3

import pytest

from raysearch.errors import StoreError
from raysearch.search.study.database import DamagedStudyError
from raysearch.search.study.records import recorded_study

DEEP = "[" * 100_000
CONFIG = '{"config": 5, "cells": [["sample", 0]], "problem": 0, "literal": false}'
PLANTED = {
    "intent, nested": ("intent", DEEP),
    "intent, a list": ("intent", "[1, 2]"),
    "intent, of other types": ("intent", CONFIG),
    "intent, without cells": ("intent", '{"config": {}, "cells": [], "problem": "", "literal": 0}'),
    "intent, a cell of one": ("intent", '{"config": {}, "cells": [["sample"]]}'),
    "verdict, a list of one": ("judged/1", "[1]"),
    "verdict, of texts": ("judged/1", '["1", "2", "3"]'),
    "record, nested": ("cell/%", DEEP),
    "record, nested within its text": ("cell/%", json.dumps(DEEP)),
    "record, a list": ("cell/%", "[1]"),
}


@pytest.fixture
def study(tmp_path, toy_space, toy_sweep):
    sweep = toy_sweep(tmp_path, toy_space)
    with sweep.open() as ledger:
        for _ in range(21):
            assert sweep.step(ledger)
    with sqlite3.connect(tmp_path / "study.db") as connection:  # a stranger seals nothing
        connection.execute("DELETE FROM trial_user_attributes WHERE key = 'seal'")
        connection.execute(
            "UPDATE study_user_attributes SET value_json = "
            "json_set(json_remove(value_json, '$.seal', '$.attribute'), '$.version', 1)"
        )
    connection.close()
    return sweep, tmp_path / "study.db"


def plant(path, change, *values):
    with sqlite3.connect(path) as connection:
        assert connection.execute(change, values).rowcount > 0
    connection.close()


def refused(sweep):
    """The sentences of a driver and of a reader, which damage must have."""
    said = []
    for read in (sweep.open, lambda: recorded_study(sweep.url, "toy")):
        with pytest.raises(DamagedStudyError) as told:
            read()
        said.append(str(told.value))
    assert all(text.count("\n") == 0 and len(text) < 700 for text in said)
    return said


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_attribute_is_one_sentence(study, what):
    sweep, path = study
    key, value = PLANTED[what]
    change = "UPDATE trial_user_attributes SET value_json = ? WHERE key LIKE ?"
    plant(path, change, value, key)
    with pytest.raises(DamagedStudyError, match="is damaged: .*recover` makes"):
        sweep.open()
    if key != "judged/1":  # a reader of the records has no use for verdicts
        refused(sweep)


@pytest.mark.parametrize(
    "planted",
    [
        {"provenance": 7, "finished": [1]},
        {"provenance": {"host": 7}},
        {"config": {"x": [1]}},
        {"metrics": {"dev/score": "1"}},
        {"reason": 5},
        {"steps": -1},
        {"steps": 10**30},
        {"seconds": "1"},
        {"device": "\ud800"},
        {"curve": [{"rung": 1, "step": 1, "seconds": 0.0, "metrics": 5}]},
        {"curve": 5},
        {"number": 99},
    ],
)
def test_a_planted_record_is_one_sentence(study, planted):
    sweep, path = study
    connection = sqlite3.connect(path)
    trial_id, key, text = connection.execute(
        "SELECT trial_id, key, value_json FROM trial_user_attributes WHERE key LIKE 'cell/%'"
    ).fetchone()
    connection.close()
    record = json.dumps(json.dumps({**json.loads(json.loads(text)), **planted}))
    change = "UPDATE trial_user_attributes SET value_json = ? WHERE trial_id = ? AND key = ?"
    plant(path, change, record, trial_id, key)
    with pytest.raises(DamagedStudyError, match="the attribute 'cell/.*is none that a sweep"):
        recorded_study(sweep.url, "toy")


def test_a_planted_distribution_is_one_sentence(study):
    sweep, path = study
    plant(path, "UPDATE trial_params SET distribution_json = ?", DEEP)
    refused(sweep)


@pytest.mark.parametrize("value", [DEEP, "5", "{}", '{"version": "x", "space": {}, "seed": 0}'])
def test_a_planted_identity_is_one_sentence(study, value):
    sweep, path = study
    plant(path, "UPDATE study_user_attributes SET value_json = ? WHERE key = 'raysearch'", value)
    refused(sweep)


def test_a_complete_record_without_its_objective_is_one_sentence(study):
    sweep, path = study
    change = "UPDATE trial_user_attributes SET value_json = replace(value_json, 'dev/score', 'x')"
    plant(path, change + " WHERE key LIKE 'cell/%'")
    plant(path, "UPDATE trials SET state = 'RUNNING'")
    with pytest.raises(StoreError, match="must have the sweep's objective `dev/score`"):
        sweep.open()


def test_a_trial_without_a_seal_is_damaged_in_a_study_of_sealed_ones(
    tmp_path, toy_space, toy_sweep
):
    sweep = toy_sweep(tmp_path, toy_space)
    with sweep.open() as ledger:
        for _ in range(21):
            assert sweep.step(ledger)
    change = "DELETE FROM trial_user_attributes WHERE key = 'seal' AND trial_id = 1"
    plant(tmp_path / "study.db", change)
    assert all("trial 0 has no seal" in text for text in refused(sweep))


def test_trials_older_than_seals_are_read_after_the_study_is_of_this_version(study):
    sweep, _ = study
    with sweep.open() as ledger:
        count = len(ledger._database.trials())
        assert ledger._database.attributes()["raysearch"]["unsealed"] == count
    with sweep.open() as ledger:
        sweep.run(ledger)
    assert recorded_study(sweep.url, "toy").records
