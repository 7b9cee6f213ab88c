"""Proposals that take over a stage that is paid for, with a toy method of four stages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState

from raysearch import methods
from raysearch.errors import ConfigError
from raysearch.methods.stage import Stage
from raysearch.run import Cell, Run, Scalar
from raysearch.search.reuse import PaidStages, StagePlan
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.suggest.mirror import SamplerView

Read = Callable[[str], SearchSpace]
SPACE = """\
method: toy
objective: {metric: dev/score}
budget: {trials: 40}
pruner: none
search:
  width: {low: 0.1, high: 5, log: true}
  depth: {low: 1, high: 4}
  shape: [round, square]
  tilt: {low: 0.1, high: 0.9, when: {shape: square}}
  weight: {low: 0, high: 1}
"""


def outline(config: Any) -> tuple[Stage, ...]:
    """`tilt` decides the side stage, which a round shape does without; `weight` only the last."""
    side = (Stage("side", ("tilt", "encoder"), 30, parents=()),)
    return (
        Stage("free", ("encoder",), 500, parents=()),
        Stage("first", ("width",), 100, parents=("free",)),
        Stage("second", ("depth",), 50),
        *(side if config.shape == "square" else ()),
        Stage(
            "last",
            ("weight", "shape"),
            10,
            parents=("second", *(s.name for s in side))
            if config.shape == "square"
            else ("second",),
        ),
    )


@pytest.fixture
def space(read_space: Read, monkeypatch: pytest.MonkeyPatch) -> SearchSpace:
    loader = SimpleNamespace(outline=outline, tasks=lambda config: ("toy",))
    monkeypatch.setitem(methods.METHODS, "toy", loader)  # type: ignore[misc]
    return read_space(SPACE)


def run(space: SearchSpace, trials: int, seed: int = 0) -> list[dict[str, Scalar]]:
    """Parameters of a sweep whose objective is the width less the weight."""
    mirror = SamplerView(space, seed, (), ())
    asked = []
    for number in range(trials):
        proposal = mirror.propose(number)
        assert proposal is not None
        params = dict(proposal.trial.params)
        asked.append(params)
        value = float(params["width"]) - float(params["weight"])
        mirror.tell(number, TrialState.COMPLETE, [value])
    return asked


def test_a_plan_knows_what_each_stage_depends_on() -> None:
    plan = StagePlan.of(outline(SimpleNamespace(shape="square")))

    assert plan.closure["second"] == {"free", "first", "second"}  # no parents named: the one before
    assert plan.fields["second"] == {"encoder", "width", "depth"}
    assert plan.closure["last"] == {"free", "first", "second", "side", "last"}
    assert plan.fields["side"] == {"tilt", "encoder"}
    other = StagePlan.of(outline(SimpleNamespace(shape="round")))
    assert plan.same("second", other)
    assert not plan.same("last", other) and not plan.same("side", other)


def test_prefixes_are_what_saves_steps(space: SearchSpace) -> None:
    paid = PaidStages(space)
    square = {"width": 1.0, "depth": 2, "shape": "square", "tilt": 0.5, "weight": 0.25}
    found = {tuple(prefix.params): prefix.steps for prefix in paid.prefixes(square)}

    # `free` depends on nothing that is searched: everybody has it, and nobody saves it.
    assert found == {
        ("width",): 100,
        ("width", "depth"): 150,
        ("shape", "tilt"): 30,  # a round shape has no such stage
        ("width", "depth", "shape", "tilt"): 180,  # all that `last` starts from
    }
    round_ = {"width": 1.0, "depth": 2, "shape": "round", "weight": 0.25}
    found = {tuple(prefix.params): prefix.steps for prefix in paid.prefixes(round_)}
    assert found == {("width",): 100, ("width", "depth"): 150}


def test_no_reuse_is_the_plain_sampler(space: SearchSpace) -> None:
    mirror = SamplerView(replace(space, reuse=0.0), 3, (), ())
    assert mirror._paid is None
    # As good as never: the draws of `reuse` are not those of the sampler.
    assert run(replace(space, reuse=1e-12), 20, seed=3) == run(space, 20, seed=3)


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "cmaes"])
def test_every_sampler_takes_over_from_the_good(space: SearchSpace, sampler: str) -> None:
    space = replace(space, sampler=sampler, reuse=1.0)
    asked = run(space, 14)

    assert asked[1]["width"] == asked[0]["width"] or asked[1].get("tilt") == asked[0].get("tilt")
    widths = Counter(params["width"] for params in asked)
    assert len(widths) < 9
    for params in asked:
        assert ("tilt" in params) == (params["shape"] == "square")
        space.config_for(params)
    # Always the sampler's own; a Gaussian process goes to the end of the range and stays there.
    assert len({params["weight"] for params in asked}) == 14 or sampler == "gp"


def test_the_share_and_the_good_ones(space: SearchSpace) -> None:
    space = replace(space, sampler="random")
    good: list[dict[str, Scalar]] = [
        {"width": width, "depth": 2, "shape": "round", "weight": 0.5} for width in (1.0, 2.0)
    ]
    paid = PaidStages(replace(space, reuse=0.25))
    taken = [paid.choose(good, 0, place) for place in range(2000)]

    assert 0.22 < sum(map(bool, taken)) / 2000 < 0.28
    drawn = Counter(tuple(params.items()) for params in taken if params)
    # In proportion to the steps saved: 150 of 500 with the depth, 100 without, each of two.
    deep = sum(count for params, count in drawn.items() if len(params) == 2)
    assert len(drawn) == 4 and 0.54 < deep / drawn.total() < 0.66
    assert paid.choose((), 0, 5) == {} and PaidStages(space).choose(good, 0, 5) == {}
    assert taken == [paid.choose(good, 0, place) for place in range(2000)]
    assert taken != [paid.choose(good, 1, place) for place in range(2000)]


def test_only_the_best_quarter_is_taken_from(space: SearchSpace) -> None:
    mirror = SamplerView(replace(space, reuse=1.0), 0, (), ())
    for number in range(9):
        params = {"width": 1.0 + number / 4, "depth": 1, "shape": "round", "weight": 0.5}
        mirror.propose_given(number, params, hidden=False)
        mirror.tell(number, TrialState.COMPLETE, [float(number)])
    assert [params["width"] for params in mirror._good()] == [3.0, 2.75]
    for number in range(9, 15):
        proposal = mirror.propose(number)
        assert proposal is not None and proposal.trial.params["width"] in (3.0, 2.75)


def test_a_restarted_driver_takes_over_the_same(
    space: SearchSpace, tmp_path: Path, make_trial: Callable[..., Run]
) -> None:
    space = replace(space, reuse=0.7, trials=16)

    def step(ledger: StudyLedger) -> dict[str, Any]:
        asked = ledger.ask()
        assert asked is not None
        if asked.number % 4:
            score = {"dev/score": float(asked.config["width"])}
            ledger.finish_cell(
                asked.number, make_trial(asked.number, asked.cells[0], metrics=score)
            )
        return dict(asked.config)

    def open_in(name: str) -> StudyLedger:
        (tmp_path / name).mkdir(exist_ok=True)
        url = f"sqlite:///{tmp_path / name}/study.db"
        return StudyLedger.open(url, "toy", space, cells=lambda config: [Cell("toy", 0)], seed=5)

    with open_in("once") as ledger:
        expected = [step(ledger) for _ in range(16)]
    anew = []
    for _ in range(16):
        with open_in("anew") as ledger:
            anew.append(step(ledger))
    assert anew == expected
    assert len({config["width"] for config in anew}) < 14


@pytest.mark.parametrize("sampler", ["grid", "qmc"])
def test_samplers_of_fixed_points_refuse(finite_space: SearchSpace, sampler: str) -> None:
    with pytest.raises(ConfigError, match="`reuse` must be 0 with the sampler `" + sampler):
        finite_space.with_overrides({}, sampler=sampler, reuse=0.5)
