"""The samplers with a model reach it in the budget of every shipped space, and say so."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from noop_sweep import noop_plan, noop_space
from optuna.trial import TrialState as OptunaState

from raysearch.run import Cell, Run, RunState
from raysearch.search.plan import method_cells, reach_note, reach_notes
from raysearch.search.space.parameters import Parameter
from raysearch.search.space.space import SearchSpace, load_space
from raysearch.search.study.ledger import OpenTrial, StudyLedger
from raysearch.search.suggest.sampler_view import SamplerView
from raysearch.search.suggest.samplers import startup_trials

MakeTrial = Callable[..., Run]
SPACES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))
SLOW = [("gp", "carl-emobank"), ("gp", "carl-paper")]
"""A Gaussian process takes a second for each of their suggestions."""


def test_the_start_up_is_a_quarter_of_the_budget() -> None:
    found = {budget: startup_trials(budget) for budget in (1, 4, 8, 10, 24, 32, 64, 1000)}
    assert found == {1: 2, 4: 2, 8: 2, 10: 3, 24: 6, 32: 8, 64: 10, 1000: 10}


def of_one_task(path: Path) -> SearchSpace:
    """The space with one seed and, where each pair is searched for itself, one pair."""
    space = replace(load_space(path), seeds=1)
    return space.with_overrides({"pairs": "en-es"}) if space.mode == "per_task" else space


def score(config: dict[str, Any], rung: int) -> float:
    """A number of the config's, which grows with the rung."""
    return rung + sum(
        math.sin(len(name) + 9 * value)
        for name, value in sorted(config.items())
        if isinstance(value, float)
    )


def search(folder: Path, space: SearchSpace, make_trial: MakeTrial) -> Iterator[StudyLedger]:
    """The ledger after each configuration of a sweep, with early stopping."""
    url = f"sqlite:///{folder}/study.db"
    with StudyLedger.open(url, "toy", space, cells=method_cells(space)) as ledger:
        for item in iter(ledger.ask, None):
            run(ledger, item, space.goal.name, make_trial)
            yield ledger


def run(ledger: StudyLedger, item: OpenTrial, metric: str, make_trial: MakeTrial) -> None:
    config = dict(item.config)
    for rung in range(1, config["reports"] + 1):
        if ledger.report(item.number, rung, score(config, rung)):
            stopped = make_trial(item.number, item.cells[0], state=RunState.PRUNED)
            ledger.finish_cell(item.number, stopped)
            return
    for cell in item.cells:
        metrics = {metric: score(config, config["reports"])}
        ledger.finish_cell(item.number, make_trial(item.number, cell, metrics=metrics))


@pytest.mark.parametrize(
    ("sampler", "path"),
    [
        pytest.param(
            sampler,
            path,
            id=f"{sampler}-{path.stem}",
            marks=[pytest.mark.slow] if (sampler, path.stem) in SLOW else [],
        )
        for sampler in ("tpe", "gp", "cmaes")
        for path in SPACES
    ],
)
def test_every_shipped_space_reaches_the_model(
    tmp_path: Path, path: Path, sampler: str, make_trial: MakeTrial
) -> None:
    space = replace(of_one_task(path), sampler=sampler)
    assert space.pruner == "halving" and reach_note(space) == ""
    origins: Counter[str] = Counter()
    for ledger in search(tmp_path, space, make_trial):
        origins = Counter(ledger.origins)
        if origins["modelled"]:
            break
    assert origins["modelled"] and origins["drawn"] <= startup_trials(space.trials)
    (*_, last) = ledger.finished_trials()
    assert last.provenance["proposed"] == "modelled"


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_tpe_is_not_random(tmp_path: Path, path: Path, make_trial: MakeTrial) -> None:
    asked, whole = {}, of_one_task(path)
    trials = min(whole.trials, 5 if whole.mode == "per_task" else 10)
    for sampler in ("tpe", "random"):
        space = replace(whole, sampler=sampler, trials=trials)
        (tmp_path / sampler).mkdir()
        (*_, ledger) = search(tmp_path / sampler, space, make_trial)
        asked[sampler] = [trial.params for trial in ledger._database.trials()]
        if sampler == "tpe":
            assert ledger.origins["modelled"] >= len(asked[sampler]) // 4
        else:
            assert "modelled" not in ledger.origins
    drawn = sum(one == other for one, other in zip(*asked.values(), strict=True))
    assert 0 < drawn <= 3 * len(asked["tpe"]) // 4


def test_a_budget_that_cannot_reach_the_model_is_told() -> None:
    space = load_space(SPACES[0].with_name("msmo.yaml"))
    assert reach_note(space) == "" and reach_note(replace(space, sampler="random")) == ""
    for few, at_once, enough in ((3, 1, 4), (1, 1, 4), (4, 4, 5), (4, 9, 10)):
        note = reach_note(replace(space, trials=few), at_once=at_once)
        several = "configuration" if few == 1 else "configurations"
        assert note == (
            f"the model of the sampler `tpe` cannot choose any of {few} {several} of each "
            "task: all are drawn at random, as the first ones are, or run at the same time; it "
            f"can from --trials {enough} on"
        )
        assert reach_note(replace(space, trials=enough), at_once=at_once) == ""


def test_slots_that_ask_all_at_once_are_told(tmp_path: Path) -> None:
    space = noop_space(trials=8, sampler="tpe", pruner="halving", seeds=3)
    assert reach_notes(noop_plan(tmp_path, space, slots=7)) == ()
    (note,) = reach_notes(noop_plan(tmp_path, space, slots=8))
    assert "`tpe` cannot choose any of 8 configurations" in note and note.endswith("--trials 9 on")
    # Without early stopping the three cells of a configuration run at once.
    assert reach_notes(noop_plan(tmp_path, replace(space, pruner="none"), slots=21)) == ()
    pairs = [Cell(task, 0) for task in ("en-es", "en-fr")]
    plan = noop_plan(tmp_path, replace(space, mode="per_task"), slots=14, cells=lambda c: pairs)
    assert reach_notes(plan) == () != reach_notes(replace(plan, slots=15))


def regret(params: dict[str, Any]) -> float:
    """0 at its best: a bowl, and a choice that shifts it."""
    choice = {"gauss": 0.0, "cos_centred": 0.1, "cos_uncentred": 0.2}[params["label_geometry"]]
    return (params["top_k"] - 0.3) ** 2 + (params["temperature"] - 0.7) ** 2 + choice


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_regret_is_not_above_that_of_plain_optuna(sampler: str) -> None:
    ranges = [Parameter(name=n, kind="float", low=0.01, high=1) for n in ("top_k", "temperature")]
    choice = ("gauss", "cos_centred", "cos_uncentred")
    parameters = (*ranges, Parameter(name="label_geometry", kind="choice", choices=choice))
    space = load_space(SPACES[0].with_name("carl.yaml"))
    goal = replace(space.goal, direction="minimize")
    space = replace(space, parameters=parameters, trials=10, sampler=sampler, goal=goal)
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def ours(seed: int) -> float:
        view, found = SamplerView(space, seed, (), ()), []
        for number in range(space.trials):
            proposal = view.propose(number)
            assert proposal is not None
            found.append(regret(proposal.trial.params))
            view.tell(number, OptunaState.COMPLETE, found[-1:])
        return min(found)

    def plain(seed: int) -> float:
        made = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
            "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=10),
        }
        study = optuna.create_study(sampler=made[sampler]())

        def objective(trial: optuna.Trial) -> float:
            drawn: dict[str, Any] = {n.name: trial.suggest_float(n.name, 0.01, 1) for n in ranges}
            return regret(drawn | {"label_geometry": trial.suggest_categorical("choice", choice)})

        study.optimize(objective, n_trials=space.trials)
        return study.best_value

    seeds = range(32)
    assert sum(map(ours, seeds)) <= sum(map(plain, seeds))
