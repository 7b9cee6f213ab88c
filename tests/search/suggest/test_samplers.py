from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from optuna.trial import TrialState

from raysearch.errors import ConfigError
from raysearch.run import Scalar
from raysearch.search.space.space import SearchSpace
from raysearch.search.suggest import samplers
from raysearch.search.suggest.sampler_view import SamplerView
from raysearch.search.suggest.samplers import SAMPLERS, make_sampler

Read = Callable[[str], SearchSpace]


def run(space: SearchSpace, trials: int, seed: int = 0) -> list[dict[str, Scalar]]:
    """Parameters of a sweep whose objective is the width."""
    view = SamplerView(space, seed, (), ())
    asked = []
    for number in range(trials):
        proposal = view.propose(number)
        if proposal is None:
            break
        asked.append(dict(proposal.trial.params))
        value = float(proposal.trial.params.get("width", 0.0))
        view.report(number, 1, value)
        view.tell(number, TrialState.COMPLETE, [value])
    return asked


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "grid"])
def test_every_sampler_stays_in_the_space(toy_space: SearchSpace, name: str) -> None:
    asked = run(toy_space.with_overrides({}, sampler=name), 14)

    assert len(asked) == 14
    for params in asked:
        assert 0.1 <= params["width"] <= 5
        assert params["depth"] in (1, 2, 3, 4) and isinstance(params["depth"], int)
        assert params["shape"] in ("round", "square")
        assert ("tilt" in params) == (params["shape"] == "square")
        toy_space.config_for(params)
    # The width is the objective: a Gaussian process goes to the end of its range and stays there.
    assert len({params["width"] for params in asked}) > 10 or name == "gp"
    assert len({frozenset(params.items()) for params in asked}) == 14


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "grid"])
def test_the_seed_decides(toy_space: SearchSpace, name: str) -> None:
    space = toy_space.with_overrides({}, sampler=name)

    assert run(space, 4, seed=1) == run(space, 4, seed=1)
    assert run(space, 4, seed=1) != run(space, 4, seed=2)


def test_tpe_learns(toy_space: SearchSpace) -> None:
    learnt = [params["width"] for params in run(toy_space, 60)]
    drawn = [params["width"] for params in run(toy_space.with_overrides({}, sampler="random"), 60)]

    assert sum(learnt[30:]) > 1.5 * sum(drawn[30:])  # the objective is the width itself


def test_grid_asks_every_point_once(finite_space: SearchSpace) -> None:
    asked = run(finite_space, 100)

    # Two depths times (round, square with either gate).
    assert len(asked) == 6
    assert len({frozenset(params.items()) for params in asked}) == 6
    assert asked != run(finite_space, 100, seed=1)


def test_sobol_fills_every_cell(read_space: Read) -> None:
    space = read_space(
        "method: toy\nobjective: {metric: dev/score}\nbudget: {trials: 9}\nsampler: qmc\n"
        "search:\n  width: {low: 0.1, high: 10, log: true}\n  depth: {low: 1, high: 4}\n"
        "  batch_size: {low: 2, high: 32, log: true}\n  shape: [round, square]\n"
    )
    asked = run(space, 64)

    # 64 points of a scrambled Sobol sequence put 32 in each half, 16 in each quarter.
    assert Counter(params["depth"] for params in asked) == {1: 16, 2: 16, 3: 16, 4: 16}
    assert Counter(params["shape"] for params in asked) == {"round": 32, "square": 32}
    assert sum(params["width"] < 1 for params in asked) == 32
    small = sum(params["batch_size"] < 8 for params in asked)
    assert 28 <= small <= 36  # half of the logarithmic range from 2 to 32


def test_a_missing_package_is_one_sentence(
    toy_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samplers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install cmaes"):
        make_sampler("cmaes", toy_space.searched, 0, 0)
