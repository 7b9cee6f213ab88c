"""The samplers that choose the next configuration, by name.

Optuna's samplers under the names of a search-space file. A sampler is created for each
configuration from the sweep's seed and the trial's number: its suggestion depends on those, on
the study's content and on the budget, never on the history of this process. So a driver that was
killed and restarted suggests what it would have suggested.

``tpe``, ``gp`` and ``cmaes`` are models of the finished trials. Until there are `startup_trials` to
learn from, configurations are drawn at random.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler

from raysearch.errors import ConfigError
from raysearch.run import Origin
from raysearch.search.space.parameters import Parameter
from raysearch.search.suggest.own_samplers import (
    CmaesSampler,
    GridSampler,
    SobolSampler,
    grid_size,
    numbers_of,
)

__all__ = [
    "SAMPLERS",
    "SamplerFactory",
    "distribution",
    "make_sampler",
    "origin_of",
    "sampler_problem",
    "startup_trials",
]

MODELS = ("tpe", "gp", "cmaes")
"""Samplers that learn from the finished trials."""
_STARTUP_SHARE = 0.25
_STARTUP_LEAST, _STARTUP_MOST = 2, 10
LARGEST_GRID = 100_000

SamplerFactory = Callable[[Sequence[Parameter], int, int], BaseSampler]
"""Makes a sampler from what is searched, the sweep's seed, and the trial's number."""


def startup_trials(budget: int) -> int:
    """How many finished trials a model needs; before that, all is drawn at random.

    A quarter of the budget: less leaves the model without a view of the space, and more leaves
    it nothing to decide. At least two, so that a model can tell which is better; at most ten,
    Optuna's default, however large the budget. In ``mode: per_task`` each task has its own count.
    Complete and stopped trials count, including the best of an earlier task, and the paper's own
    setting if it is a point of the space.

    Args:
        budget: Configurations of the sweep, or of a task.
    """
    return min(_STARTUP_MOST, max(_STARTUP_LEAST, math.ceil(_STARTUP_SHARE * budget)))


def origin_of(name: str, learned: int, budget: int) -> Origin:
    """Who chooses the next configuration.

    Args:
        name: Key of `SAMPLERS`.
        learned: Finished trials that a model can learn from.
        budget: Configurations of the sweep, or of a task.
    """
    if name in MODELS:
        return Origin.DRAWN if learned < startup_trials(budget) else Origin.MODELLED
    known = {"random": Origin.DRAWN, "grid": Origin.LAID_OUT, "qmc": Origin.LAID_OUT}
    return known.get(name, Origin.OTHER)


def make_sampler(
    name: str, parameters: Sequence[Parameter], seed: int, number: int, attempt: int = 0
) -> BaseSampler:
    """The sampler for one configuration.

    Args:
        name: Key of `SAMPLERS`.
        parameters: What is searched, parents before children.
        seed: Seed of the sweep.
        number: Number of the trial.
        attempt: Increased when a proposal is known already and another is wanted.

    Raises:
        ConfigError: The sampler needs a package that is not installed.
    """
    if attempt:
        seed = _trial_seed(seed, attempt)
    with warnings.catch_warnings():
        # TPE's `group` and the GP are marked experimental; we chose both deliberately.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[name](parameters, seed, number)


def sampler_problem(name: str, parameters: Sequence[Parameter]) -> str:
    """Why a sampler cannot search these parameters, in one sentence; empty when it can."""
    if name == "cmaes" and not numbers_of(parameters):
        return (
            "the sampler `cmaes` must have a range that is searched whatever the others are, but "
            "there is none; take tpe or gp"
        )
    if name != "grid":
        return ""
    endless = [item.name for item in parameters if item.kind == "float"]
    if endless:
        return (
            f"the sampler `grid` must have finite choices, but `{'`, `'.join(endless)}` has a "
            "range of floats; give a list of choices or take the sampler random"
        )
    size = grid_size(parameters) or 0
    if size > LARGEST_GRID:
        return f"the sampler `grid` must have at most {LARGEST_GRID} points, but has {size}"
    return ""


def distribution(item: Parameter) -> BaseDistribution:
    """A parameter as Optuna's distribution."""
    if item.kind == "choice":
        return CategoricalDistribution(item.choices)
    if item.kind == "int":
        return IntDistribution(int(item.low), int(item.high), log=item.log)
    return FloatDistribution(item.low, item.high, log=item.log)


def _trial_seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def _tpe(parameters: Sequence[Parameter], seed: int, number: int) -> BaseSampler:
    return optuna.samplers.TPESampler(
        seed=_trial_seed(seed, number),
        n_startup_trials=1,
        multivariate=True,
        group=True,  # models conditional parameters jointly where they occur together
        constant_liar=True,  # keeps slots that run at once from asking for the same point
    )


def _random(parameters: Sequence[Parameter], seed: int, number: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=_trial_seed(seed, number))


def _gp(parameters: Sequence[Parameter], seed: int, number: int) -> BaseSampler:
    return optuna.samplers.GPSampler(
        seed=_trial_seed(seed, number),
        n_startup_trials=1,
        warn_independent_sampling=False,  # the docstring below says what is drawn at random
    )


def _cmaes(parameters: Sequence[Parameter], seed: int, number: int) -> BaseSampler:
    if importlib.util.find_spec("cmaes") is None:
        raise ConfigError(
            "the sampler `cmaes` must have the package cmaes, which is not installed; "
            "pip install cmaes, or take the sampler tpe"
        )
    return CmaesSampler(parameters, _trial_seed(seed, number))


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
economical with configurations; ``cmaes`` adapts ranges. ``gp`` and ``cmaes`` draw conditional
parameters at random, ``cmaes`` also choices.
"""
