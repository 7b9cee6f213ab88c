"""How is the next configuration chosen.

Optuna's samplers under the names that a search-space file may use. A sampler is made anew for
every configuration, from the sweep's seed and the trial's number: what it suggests depends on
those and on what the study holds, never on what this process did before. So a driver that was
killed and started again suggests what it would have suggested.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable, Sequence
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
from optuna.trial import Trial as OptunaTrial

from raysearch.errors import ConfigError
from raysearch.search.parameters import Parameter
from raysearch.search.point_samplers import GridSampler, SobolSampler, finite_choices

__all__ = [
    "SAMPLERS",
    "SamplerFactory",
    "distribution",
    "make_sampler",
    "reuse_problem",
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


def reuse_problem(name: str, reuse: float) -> str:
    """Why a sampler cannot take over what is paid for, in one sentence; empty when it can."""
    if reuse and name in ("grid", "qmc"):
        return (
            f"`reuse` must be 0 with the sampler `{name}`, whose points are laid out beforehand, "
            f"but got {reuse:g}; take tpe, gp, cmaes or random"
        )
    return ""


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
    size = math.prod(len(finite_choices(item)) for item in parameters)
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
