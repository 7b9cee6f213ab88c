from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from raysearch.errors import ConfigError
from raysearch.run import Cell, Run
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.database import DamagedStudyError
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.suggest.sampler_view import SamplerView

Read = Callable[[str], SearchSpace]


class Planted:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("sampler", ["cmaes", "tpe"])
def test_what_a_study_brings_along_is_not_unpickled(
    tmp_path: Path, toy_space: SearchSpace, make_trial: Callable[..., Run], sampler: str
) -> None:
    space = replace(toy_space, sampler=sampler, trials=12)
    url = f"sqlite:///{tmp_path}/study.db"

    def step(ledger: StudyLedger) -> dict[str, object]:
        asked = ledger.ask()
        assert asked is not None
        metrics = {"dev/score": float(asked.config["width"])}
        ledger.finish_cell(asked.number, make_trial(asked.number, Cell("toy", 0), metrics=metrics))
        return dict(asked.config)

    def opened(url: str) -> StudyLedger:
        return StudyLedger.open(url, "toy", space, cells=lambda config: [Cell("toy", 0)])

    with opened(url) as ledger:
        for _ in range(11):
            step(ledger)
        trials = ledger._database.trials()
    found = tmp_path / "found"
    code = pickle.dumps(Planted(found)).hex()
    keys = ("cma:optimizer:0", "sepcma:optimizer:0", "cmawm:optimizer:0")
    with sqlite3.connect(tmp_path / "study.db") as database:
        kept = database.execute("SELECT key FROM trial_system_attributes").fetchall()
        assert kept == []  # nor does the study hold a state of ours
        (trial_id,) = database.execute("SELECT max(trial_id) FROM trials").fetchone()
        for key in keys:
            database.execute(
                "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (?, ?, ?)",
                (trial_id, key, f'"{code}"'),
            )
    with pytest.raises(DamagedStudyError, match="the seal of trial 10"), opened(url):
        pass

    # A seal is no signature: whoever makes one anew has no say in what is asked either.
    clean = SamplerView(space, 0, trials, {0}).propose(11)
    trials[-1].system_attrs = dict.fromkeys(keys, code)
    planted = SamplerView(space, 0, trials, {0}).propose(11)
    assert clean is not None and planted is not None and planted.trial.params == clean.trial.params
    assert not found.exists()


def test_it_needs_a_number(read_space: Read) -> None:
    text = "method: toy\nobjective: {metric: dev/score}\nbudget: {trials: 9}\nsampler: cmaes\n"
    with pytest.raises(ConfigError, match="`cmaes` must have a range that is searched whatever"):
        read_space(text + "search:\n  shape: [round, square]\n")
