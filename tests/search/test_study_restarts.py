"""A driver that is started again suggests what it would have suggested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raysearch.run import Cell, Run, RunState
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.ledger import StudyLedger


def sqlite_in(folder: Path) -> str:
    return f"sqlite:///{folder}/study.db"


MakeTrial = Callable[..., Run]
TRIALS = 13
"""The samplers with a model draw four at random and model the rest."""


def open_ledger(url: str, space: SearchSpace) -> StudyLedger:
    return StudyLedger.open(url, "toy", space, cells=lambda config: [Cell("toy", 0)], seed=7)


def ask_and_finish(ledger: StudyLedger, make_trial: MakeTrial) -> dict[str, Any]:
    """One configuration: complete, but of four one stays open and one is stopped early."""
    asked = ledger.ask()
    assert asked is not None
    if asked.number % 4 == 2:
        ledger.report(asked.number, 1, float(asked.config["width"]))
        stopped = make_trial(asked.number, asked.cells[0], state=RunState.PRUNED)
        ledger.finish_cell(asked.number, stopped)
    elif asked.number % 4:
        metrics = {"dev/score": float(asked.config["width"])}
        ledger.finish_cell(asked.number, make_trial(asked.number, asked.cells[0], metrics=metrics))
    return dict(asked.config)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "server"),
    [
        ("tpe", False),
        ("tpe", True),
        ("gp", False),
        ("cmaes", False),
        ("random", False),
        ("qmc", False),
        ("grid", False),
    ],
)
def test_asking_in_one_process_or_anew_each_time(
    tmp_path: Path,
    toy_space: SearchSpace,
    finite_space: SearchSpace,
    make_trial: MakeTrial,
    sampler: str,
    server: bool,
    request: pytest.FixtureRequest,
) -> None:
    space = finite_space if sampler == "grid" else toy_space.with_overrides({}, sampler=sampler)
    space = replace(space, trials=TRIALS)
    trials = 7 if sampler == "grid" else TRIALS
    for name in ("once", "anew"):
        (tmp_path / name).mkdir()
    with open_ledger(sqlite_in(tmp_path / "once"), space) as ledger:
        expected = [ask_and_finish(ledger, make_trial) for _ in range(trials)]
    place = request.getfixturevalue("postgres").url_in if server else sqlite_in
    anew = []
    for _ in range(trials):
        with open_ledger(place(tmp_path / "anew"), space) as ledger:
            anew.append(ask_and_finish(ledger, make_trial))

    assert anew == expected
    assert len({json.dumps(config) for config in anew}) == trials


PROGRAM = """
import json, sys
from pathlib import Path
from raysearch.search.space.space import load_space
from raysearch.search.study.ledger import StudyLedger
from raysearch.run import Cell, Run, RunState

folder, spaces, trials = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
space = load_space(Path(spaces)).with_overrides({}, trials=100)
cell = Cell("toy", 0)
url = f"sqlite:///{folder}/study.db"
with StudyLedger.open(url, "toy", space, cells=lambda config: [cell]) as ledger:
    for _ in range(trials):
        asked = ledger.ask()
        metrics = {"dev/score": asked.config["sigma"]}
        trial = Run(sweep="toy", number=asked.number, cell=cell, method="carl",
                      state=RunState.COMPLETE, config={}, metrics=metrics)
        ledger.finish_cell(asked.number, trial)
        print(json.dumps(asked.config))
"""
SPACE = """\
method: carl
objective: {metric: dev/score}
budget: {trials: 100}
search:
  sigma: {low: 0.01, high: 1, log: true}
  label_geometry: [gauss, cos_centred, cos_uncentred]
  token_choice: [salient, half_random]
  perturbation: [relative, absolute]
  relative_epsilon: {low: 0.1, high: 2, when: {perturbation: relative}}
"""


@pytest.mark.slow
def test_processes_with_other_hashes_suggest_the_same(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)

    def run(folder: str, trials: int, hash_seed: str) -> list[str]:
        (tmp_path / folder).mkdir(exist_ok=True)
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                PROGRAM,
                str(tmp_path / folder),
                str(tmp_path / "space.yaml"),
                str(trials),
            ],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    assert run("once", 15, "1") == run("parts", 8, "2") + run("parts", 7, "3")
