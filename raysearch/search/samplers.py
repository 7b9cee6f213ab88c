"""How is the next configuration chosen.

Optuna's samplers under the names that a search-space file may use. A sampler is made anew for
every configuration, from the sweep's seed and the trial's number: what it suggests depends on
those and on what the study holds, never on what this process did before. So a driver that was
killed and started again suggests what it would have suggested.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial
from optuna.trial import Trial as OptunaTrial

from raysearch.errors import ConfigError
from raysearch.search.parameters import Parameter
from raysearch.trial import Scalar

__all__ = [
    "SAMPLERS",
    "GridSampler",
    "SamplerFactory",
    "SobolSampler",
    "distribution",
    "make_sampler",
    "sampler_problem",
    "suggest",
]

_STARTUP_TRIALS = 10
"""Configurations drawn at random before TPE, GP or CMA-ES has something to learn from."""
_LARGEST_GRID = 100_000

SamplerFactory = Callable[[Sequence[Parameter], int, int], BaseSampler]
"""Makes a sampler from what is searched, the sweep's seed, and the trial's number."""


def make_sampler(name: str, parameters: Sequence[Parameter], seed: int, number: int) -> BaseSampler:
    """The sampler for one configuration.

    Args:
        name: Key of `SAMPLERS`.
        parameters: What is searched, parents before children.
        seed: Seed of the sweep.
        number: Number of the trial.

    Raises:
        ConfigError: The sampler needs a package that is not installed.
    """
    with warnings.catch_warnings():
        # TPE's `group` and the GP are marked experimental; both are chosen on purpose.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[name](parameters, seed, number)


def sampler_problem(name: str, parameters: Sequence[Parameter]) -> str:
    """Why a sampler cannot search these parameters, in one sentence; empty when it can."""
    if name != "grid":
        return ""
    endless = [item.name for item in parameters if item.kind == "float"]
    if endless:
        return (
            f"the sampler `grid` must have finite choices, but `{'`, `'.join(endless)}` has a "
            "range of floats; give a list of choices or take the sampler random"
        )
    size = math.prod(len(_finite_choices(item)) for item in parameters)
    if size > _LARGEST_GRID:
        return f"the sampler `grid` must have at most {_LARGEST_GRID} points, but has {size}"
    return ""


def distribution(item: Parameter) -> BaseDistribution:
    """A parameter in Optuna's words."""
    if item.kind == "choice":
        return CategoricalDistribution(item.choices)
    if item.kind == "int":
        return IntDistribution(int(item.low), int(item.high), log=item.log)
    return FloatDistribution(item.low, item.high, log=item.log)


def suggest(trial: OptunaTrial, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Have Optuna fill in every parameter whose condition holds."""
    params: dict[str, Any] = {}
    for item in parameters:
        if not item.matters(params):
            continue
        if item.kind == "choice":
            params[item.name] = trial.suggest_categorical(item.name, item.choices)
        elif item.kind == "int":
            low, high = int(item.low), int(item.high)
            params[item.name] = trial.suggest_int(item.name, low, high, log=item.log)
        else:
            params[item.name] = trial.suggest_float(item.name, item.low, item.high, log=item.log)
    return params


class SobolSampler(BaseSampler):
    """Scrambled Sobol points: random search that leaves no holes.

    Every parameter has its own coordinate, conditional ones too, and trial `n` takes point
    ``n``, so that nothing needs to be remembered. (Optuna's own keeps a counter in the study
    and takes the space from the first trial, which a paper's own setting may lie outside of.)

    Args:
        parameters: What is searched.
        seed: Seed of the scrambling; the same for all trials of a sweep.
    """

    def __init__(self, parameters: Sequence[Parameter], seed: int) -> None:
        self._parameters = parameters
        self._seed = seed
        self._point: Mapping[str, Any] = {}

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: every parameter is read off its own coordinate."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Compute the trial's point."""
        from scipy.stats import qmc  # half a second to import, and no other sampler needs it

        engine = qmc.Sobol(len(self._parameters), scramble=True, seed=self._seed)
        if trial.number:
            engine.fast_forward(trial.number)
        shares = engine.random(1)[0]
        self._point = {
            item.name: _at(item, float(share))
            for item, share in zip(self._parameters, shares, strict=True)
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The parameter's coordinate of the point, brought into its range."""
        return self._point[param_name]


class GridSampler(BaseSampler):
    """Every combination of finite choices once, in an order that depends on the seed only.

    Args:
        parameters: What is searched; choices and ranges of whole numbers.
        seed: Seed of the order.
    """

    def __init__(self, parameters: Sequence[Parameter], seed: int) -> None:
        self._points = _grid_points(parameters)
        np.random.RandomState(seed).shuffle(self._points)  # type: ignore[arg-type]
        self._point: Mapping[str, Scalar] = {}

    def take_point(self, asked: Iterable[Mapping[str, Scalar]]) -> bool:
        """Settle on the first combination that is not among those asked; False if none is left."""
        seen = {_frozen(params) for params in asked}
        found = next((point for point in self._points if _frozen(point) not in seen), None)
        self._point = found or {}
        return found is not None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: every parameter is read off the point."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The parameter's value at the point taken."""
        return self._point[param_name]


def _grid_points(parameters: Sequence[Parameter]) -> list[Mapping[str, Scalar]]:
    points: dict[Any, Mapping[str, Scalar]] = {}
    for values in itertools.product(*(_finite_choices(item) for item in parameters)):
        point: dict[str, Scalar] = {}
        for item, value in zip(parameters, values, strict=True):
            if item.matters(point):
                point[item.name] = value
        points.setdefault(_frozen(point), point)
    return list(points.values())


def _finite_choices(item: Parameter) -> Sequence[Scalar]:
    return item.choices or range(int(item.low), int(item.high) + 1)


def _frozen(params: Mapping[str, Scalar]) -> frozenset[tuple[str, Scalar]]:
    return frozenset(params.items())


def _at(item: Parameter, share: float) -> Any:
    """The value at a share in [0, 1) of a parameter's range or choices."""
    if item.kind == "choice":
        return item.choices[int(share * len(item.choices))]
    # Whole numbers get a bin of the same width each, on the scale that is searched.
    low, high = (item.low - 0.5, item.high + 0.5) if item.kind == "int" else (item.low, item.high)
    if item.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    if item.kind == "int":
        return min(max(round(value), int(item.low)), int(item.high))
    return min(max(value, item.low), item.high)


def _trial_seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def _tpe(parameters: Sequence[Parameter], seed: int, number: int) -> BaseSampler:
    return optuna.samplers.TPESampler(
        seed=_trial_seed(seed, number),
        n_startup_trials=_STARTUP_TRIALS,
        multivariate=True,
        group=True,  # conditional parameters are modelled together where they occur together
        constant_liar=True,  # slots that run at the same time do not ask for the same place
    )


def _random(parameters: Sequence[Parameter], seed: int, number: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=_trial_seed(seed, number))


def _gp(parameters: Sequence[Parameter], seed: int, number: int) -> BaseSampler:
    return optuna.samplers.GPSampler(
        seed=_trial_seed(seed, number),
        n_startup_trials=_STARTUP_TRIALS,
        warn_independent_sampling=False,  # what is drawn at random stands below
    )


def _cmaes(parameters: Sequence[Parameter], seed: int, number: int) -> BaseSampler:
    if importlib.util.find_spec("cmaes") is None:
        raise ConfigError(
            "the sampler `cmaes` must have the package cmaes, which is not installed; "
            "pip install cmaes, or take the sampler tpe"
        )
    return optuna.samplers.CmaEsSampler(
        seed=_trial_seed(seed, number),
        n_startup_trials=_STARTUP_TRIALS,
        warn_independent_sampling=False,  # what is drawn at random stands below
    )


SAMPLERS: dict[str, SamplerFactory] = {
    "tpe": _tpe,
    "random": _random,
    "qmc": lambda parameters, seed, number: SobolSampler(parameters, seed),
    "grid": lambda parameters, seed, number: GridSampler(parameters, seed),
    "gp": _gp,
    "cmaes": _cmaes,
}
"""Name in a search-space file to factory.

``tpe`` is the default; ``qmc`` spreads points evenly; ``gp`` is a Gaussian process, slow but
sparing with configurations; ``cmaes`` draws choices at random and adapts the rest. ``gp`` and
``cmaes`` draw conditional parameters at random.
"""
