from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from raysearch.errors import ConfigError
from raysearch.search.space import SearchSpace
from raysearch.search.study import StudyLedger
from raysearch.trial import Cell, Trial

Read = Callable[[str], SearchSpace]


class Planted:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("sampler", ["cmaes", "tpe"])
def test_what_a_study_brings_along_is_not_unpickled(
    tmp_path: Path, toy_space: SearchSpace, make_trial: Callable[..., Trial], sampler: str
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
    found = tmp_path / "found"
    code = pickle.dumps(Planted(found)).hex()
    with sqlite3.connect(tmp_path / "study.db") as database:
        kept = database.execute("SELECT key FROM trial_system_attributes").fetchall()
        assert kept == []  # nor does the study hold a state of ours
        (trial_id,) = database.execute("SELECT max(trial_id) FROM trials").fetchone()
        for key in ("cma:optimizer:0", "sepcma:optimizer:0", "cmawm:optimizer:0"):
            database.execute(
                "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (?, ?, ?)",
                (trial_id, key, f'"{code}"'),
            )
    with opened(url) as ledger:
        planted = step(ledger)

    assert not found.exists()
    with opened(f"sqlite:///{tmp_path}/clean.db") as ledger:
        clean = [step(ledger) for _ in range(12)]
    assert planted == clean[-1]  # what was planted has no say in what is asked either


def test_it_needs_a_number(read_space: Read) -> None:
    text = "method: toy\nobjective: {metric: dev/score}\nbudget: {trials: 9}\nsampler: cmaes\n"
    with pytest.raises(ConfigError, match="`cmaes` must have a range that is searched whatever"):
        read_space(text + "search:\n  shape: [round, square]\n")
