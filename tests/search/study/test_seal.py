"""A study of which a bit has changed, wherever it is."""

import json
import os
import random
import sqlite3

import pytest

from raysearch.errors import StoreError
from raysearch.search.study.seal import SEAL


def content(sweep):
    """All that the study says, as a driver that opens it reads it."""
    with sweep.open() as ledger:
        found = sweep.content(ledger)
        for trial in found:  # of the two digests one is of what was; a bit of that changes nothing
            trial["attributes"] = {k: v for k, v in trial["attributes"].items() if k != SEAL}
        return json.dumps([found, [trial.to_json() for trial in ledger.finished_trials()]])


@pytest.fixture
def study(tmp_path, toy_space, toy_sweep):
    """A sweep with finished, stopped, failed and open configurations, and its study's file."""
    sweep = toy_sweep(tmp_path, toy_space, seeds=2)
    with sweep.open() as ledger:
        for _ in range(21):
            assert sweep.step(ledger)
    return sweep, tmp_path / "study.db"


def test_every_trial_is_sealed_and_reads_as_it_was_written(study):
    sweep, _ = study
    with sweep.open() as ledger:
        trials = ledger._database.trials()
    assert len(trials) > 3 and {t.state.name for t in trials} >= {"COMPLETE", "RUNNING", "FAIL"}
    assert all(len(trial.user_attrs[SEAL]) in (1, 2) for trial in trials)


@pytest.mark.slow
def test_no_flipped_bit_changes_anything_in_silence(study):
    sweep, path = study
    whole, known = path.read_bytes(), content(sweep)
    generator, told = random.Random(0), 0
    for bit in generator.sample(range(8 * len(whole)), 60):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        for name in ("study.db-wal", "study.db-shm"):
            path.with_name(name).unlink(missing_ok=True)
        try:
            assert content(sweep) == known
        except StoreError as error:
            told += 1
            assert "study" in str(error) and len(str(error).splitlines()) == 1
    assert told > 5


CHANGES = {
    "an objective": "UPDATE trial_values SET value = value + 0.5",
    "a parameter": "UPDATE trial_params SET param_value = 1 - param_value WHERE trial_id = 1",
    "a range": "UPDATE trial_params SET distribution_json = replace(distribution_json, '0.1', '0')",
    "a report": "UPDATE trial_intermediate_values SET intermediate_value = 9 WHERE step = 1",
    "the rung of a report": "UPDATE trial_intermediate_values SET step = 7 WHERE step = 2",
    "a record": "UPDATE trial_user_attributes SET value_json = replace(value_json, 'steps', 'st')"
    " WHERE key LIKE 'cell/%'",
    "a config": "UPDATE trial_user_attributes SET value_json = replace(value_json, '0', '1')"
    " WHERE key = 'intent'",
    "an attribute's name": "UPDATE trial_user_attributes SET key = 'intenu' WHERE key = 'intent'",
    "the seal's name": "UPDATE trial_user_attributes SET key = 'sdal' WHERE key = 'seal'",
    "a state": "UPDATE trials SET state = 'PRUNED' WHERE state = 'COMPLETE'",
    "an unknown state": "UPDATE trials SET state = 'COMPLETF' WHERE state = 'COMPLETE'",
    "a number": "UPDATE trials SET number = 9 WHERE number = 1",
    "a trial of another study": "UPDATE trials SET study_id = 3 WHERE number = 1",
    "a direction": "UPDATE study_directions SET direction = 'MINIMIZE'",
    "what is searched": "UPDATE study_user_attributes SET value_json = "
    "replace(value_json, '\"high\": 5', '\"high\": 4')",
    "a time": "UPDATE trials SET datetime_start = 'noon'",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_value_is_one_sentence(study, what):
    sweep, path = study
    with sqlite3.connect(path) as connection:
        assert connection.execute(CHANGES[what]).rowcount > 0
    connection.close()
    with pytest.raises(StoreError, match="is damaged: .*recover`") as told:
        content(sweep)
    assert len(str(told.value).splitlines()) == 1


def test_a_trial_that_changed_between_two_writes_is_not_sealed_again(study):
    """A driver that goes on after a restart reads what is there; it must be what was written."""
    sweep, path = study
    with sqlite3.connect(path) as connection:
        connection.execute(
            "UPDATE trial_intermediate_values SET intermediate_value = 0.123 WHERE trial_id = "
            "(SELECT trial_id FROM trials WHERE state = 'RUNNING' LIMIT 1)"
        )
    connection.close()
    with pytest.raises(StoreError, match="the seal of trial"):
        sweep.open()


def test_a_study_of_an_older_version_is_read_and_sealed_as_it_changes(study):
    sweep, path = study
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM trial_user_attributes WHERE key = 'seal'")
        connection.execute(
            "UPDATE study_user_attributes SET value_json = "
            "json_set(json_remove(value_json, '$.seal', '$.attribute'), '$.version', 1)"
        )
    connection.close()
    with sweep.open() as ledger:
        before = ledger._database.trials()
        assert not any(SEAL in trial.user_attrs for trial in before)
        sweep.run(ledger)
        after = ledger._database.trials()
        assert ledger._database.attributes()["raysearch"]["version"] == 2
    done = [trial.number for trial in before if trial.state.is_finished()]
    assert done
    assert all((SEAL in trial.user_attrs) == (trial.number not in done) for trial in after)


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o077, 0o600), (0o022, 0o644)])
def test_the_file_and_its_log_are_as_the_umask_says(tmp_path, toy_space, toy_sweep, umask, mode):
    before = os.umask(umask)
    try:
        with toy_sweep(tmp_path, toy_space).open():
            found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("study.db*")}
    finally:
        os.umask(before)
    assert found == dict.fromkeys(["study.db", "study.db-wal", "study.db-shm"], mode)
