"""A configuration that was tried is not tried again, and a space that is used up ends a sweep."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raysearch.config import TrainingConfig
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.stages import outline
from raysearch.methods.msmo.variants import VARIANTS
from raysearch.run import Cell, Run, RunState
from raysearch.search.space.space import SearchSpace, load_space
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.suggest.task_search import trial_key

MakeTrial = Callable[..., Run]
Read = Callable[[str], SearchSpace]
CELL = Cell("toy", 0)
SPACES = Path(__file__).parents[3] / "search_spaces"


def open_ledger(folder: Path, space: SearchSpace) -> StudyLedger:
    folder.mkdir(exist_ok=True)
    url = f"sqlite:///{folder}/study.db"
    return StudyLedger.open(url, "toy", space, cells=lambda config: [CELL], seed=3)


def search(ledger: StudyLedger, make_trial: MakeTrial, most: int = 1000) -> list[dict[str, Any]]:
    """Ask and finish until there is no more."""
    asked = []
    for item in itertools.islice(iter(ledger.ask, None), most):
        score = {"dev/score": float(item.config["depth"]) + item.config["gate"]}
        ledger.finish_cell(item.number, make_trial(item.number, CELL, metrics=score))
        asked.append(dict(item.config))
    return asked


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "random", "qmc", "grid"])
def test_a_finite_space_is_searched_once(
    tmp_path: Path, finite_space: SearchSpace, make_trial: MakeTrial, sampler: str
) -> None:
    space = replace(finite_space, sampler=sampler, trials=24)
    with open_ledger(tmp_path / "once", space) as ledger:
        expected = search(ledger, make_trial)
        assert ledger.ask() is None and ledger.all_asked and ledger.used_up == ("",)
        assert sum(ledger.origins.values()) == 7 and ledger.origins["paper"] == 1

    # Six settings, and the paper's own, which is none of them.
    assert len(expected) == 7 == len({trial_key(space, config) for config in expected})
    anew: list[dict[str, Any]] = []
    while len(anew) < 7:
        with open_ledger(tmp_path / "anew", space) as ledger:
            anew += search(ledger, make_trial, 1)
    assert anew == expected


def test_the_papers_own_setting_is_known(
    tmp_path: Path, finite_space: SearchSpace, make_trial: MakeTrial
) -> None:
    space = finite_space.with_overrides({"width": "9", "gate": "true"}, sampler="random")
    with open_ledger(tmp_path, space) as ledger:
        assert len(search(ledger, make_trial)) == 4  # two depths of two shapes, one the paper's


def test_values_without_effect_make_no_new_configuration(
    tmp_path: Path, toy_config: type[TrainingConfig], read_space: Read, make_trial: MakeTrial
) -> None:
    class Idle(toy_config):  # type: ignore[valid-type, misc]
        @property
        def inert(self) -> frozenset[str]:
            return frozenset({"tilt"}) if self.shape == "square" else frozenset()

    text = "method: toy\nobjective: {metric: dev/score}\nbudget: {trials: 9}\nsampler: tpe\n"
    space = read_space(text + "search:\n  tilt: {low: 0.1, high: 0.9}\n  shape: [square, odd]\n")
    space = replace(space, config_type=Idle, trials=9)
    with open_ledger(tmp_path / "some", space) as ledger:
        asked = search(ledger, make_trial)
        assert len(asked) == 9 and not ledger.used_up
    assert sum(config["shape"] == "square" for config in asked) == 1
    space = replace(space.with_overrides({"shape": "square"}), trials=9)
    with open_ledger(tmp_path / "one", space) as ledger:
        assert len(search(ledger, make_trial)) == 2  # the paper's width, and the default
        assert ledger.used_up == ("",)


@pytest.mark.parametrize(("reason", "again"), [("out of memory", 0), ("its node went away 3", 1)])
def test_what_failed_is_not_tried_again_unless_its_node_did(
    tmp_path: Path, finite_space: SearchSpace, make_trial: MakeTrial, reason: str, again: int
) -> None:
    with open_ledger(tmp_path, replace(finite_space, sampler="random")) as ledger:
        search(ledger, make_trial, 3)
        item = ledger.ask()
        assert item is not None
        failed = make_trial(item.number, CELL, state=RunState.FAILED, reason=reason)
        ledger.finish_cell(item.number, failed)
    with open_ledger(tmp_path, replace(finite_space, sampler="random")) as ledger:
        rest = search(ledger, make_trial)
    assert len(rest) == 3 + again and rest.count(dict(item.config)) == again


def test_a_narrow_range_has_as_many_values_as_a_wide_one(toy_space: SearchSpace) -> None:
    [width] = [item for item in toy_space.parameters if item.name == "width"]
    narrow = replace(width, low=0.99999, high=0.999999)
    space = replace(toy_space, parameters=(narrow,))
    config = toy_space.paper_first()[0]
    steps = [narrow.low + (narrow.high - narrow.low) * n / 1000 for n in range(1001)]
    assert len({trial_key(space, {**config, "width": value}) for value in steps}) == 1001


def test_a_millionth_of_a_range_counts(toy_space: SearchSpace) -> None:
    config = toy_space.paper_first()[0]
    keys = [
        trial_key(toy_space, {**config, "width": width}) for width in (5.0, 4.999999999, 4.9999)
    ]
    assert keys[0] == keys[1] != keys[2]
    # What is not searched in a range counts as it stands.
    keys = [trial_key(toy_space, {**config, "weight": weight}) for weight in (0.5, 0.5 + 1e-9)]
    assert keys[0] != keys[1]


def test_carl_knows_what_has_no_effect() -> None:
    space = load_space(SPACES / "carl.yaml")

    def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
        keys = {trial_key(space, space.config_for(params)) for params in (first, second)}
        return len(keys) == 1

    cosine = {"label_geometry": "cos_centred", "label_temperature": 0.2}
    assert same({**cosine, "sigma": 0.1}, {**cosine, "sigma": 0.2})
    assert not same(cosine, {**cosine, "label_temperature": 0.3})
    gauss = {"label_geometry": "gauss", "sigma": 0.2}
    assert same(gauss, {**gauss, "label_temperature": 0.3})
    assert not same(gauss, {**gauss, "sigma": 0.3})
    assert CarlConfig(protocol="finetuned").inert == {
        "checkpoint_seconds",
        "class_cuts",
        "label_temperature",
        "epsilon",
    }


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("schedule", ["sequential", "interleaved"])
@pytest.mark.parametrize("distillation", ["none", "single", "multi"])
@pytest.mark.parametrize("student_start", ["translated", "pretrained"])
def test_no_stage_of_msmo_depends_on_what_has_no_effect(
    variant: str, schedule: str, distillation: str, student_start: str
) -> None:
    given = {"variant": variant, "schedule": schedule, "distillation": distillation}
    config = MsmoConfig(**given, student_start=student_start)  # of the refused ones, too
    used = {field for stage in outline(config) for field in stage.fields}
    # Of a critic without a hidden layer, and one whose updates end by a criterion.
    assert not used & (config.inert - {"critic_width", "critic_burst"})
