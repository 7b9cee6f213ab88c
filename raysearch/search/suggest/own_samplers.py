"""Samplers of our own: Sobol points, the grid, and CMA-ES without a pickle.

Sobol points and the grid are laid out for the whole sweep and learn nothing, so that trial `n`
has its point whatever the results of the others.

Optuna's own CMA-ES stores its optimiser in the study as a pickle, through which anybody who can
write to the database could execute code here. `CmaesSampler` instead replays the finished trials
in order into a new optimiser (`cmaes.CMA`), one population at a time, and asks it for one point.
So a restarted driver, also on a recovered study, continues as the old one would have. The first
trials were mostly drawn over the whole space and are no population of a normal distribution. One
population of them sets the first mean: halfway between the middle of the ranges and the best.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from raysearch.run import Scalar
from raysearch.search.space.parameters import Parameter

__all__ = [
    "CmaesSampler",
    "GridSampler",
    "OwnSpaceSampler",
    "SobolSampler",
    "finite_choices",
    "grid_size",
    "numbers_of",
    "share_of",
    "value_at",
]


class OwnSpaceSampler(BaseSampler):
    """A sampler that is passed what is searched, and infers nothing from the study."""

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Empty."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Empty, unless a subclass has parameters that are drawn together."""
        return {}


class SobolSampler(OwnSpaceSampler):
    """Scrambled Sobol points: random search that leaves no holes.

    Every parameter has its own coordinate, conditional ones too, and trial `n` takes point `n`, so
    that there is no state. (Optuna's own sampler keeps a counter in the study and takes the
    space from the first trial, which a paper's own setting may lie outside of.)

    Args:
        parameters: What is searched.
        seed: Seed of the scrambling; the same for all trials of a sweep.
    """

    def __init__(self, parameters: Sequence[Parameter], seed: int) -> None:
        self._parameters = parameters
        self._seed = seed
        self._point: Mapping[str, Any] = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Compute the trial's point."""
        from scipy.stats import qmc  # half a second to import, and no other sampler needs it

        engine = qmc.Sobol(len(self._parameters), scramble=True, seed=self._seed)
        if trial.number:
            engine.fast_forward(trial.number)
        shares = engine.random(1)[0]
        self._point = {
            item.name: value_at(item, float(share))
            for item, share in zip(self._parameters, shares, strict=True)
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The parameter's coordinate of the point, scaled to its range."""
        return self._point[param_name]


class GridSampler(OwnSpaceSampler):
    """Every combination of finite choices once, in an order that depends only on the seed.

    Args:
        parameters: What is searched; choices and integer ranges.
        seed: Seed of the order.
    """

    def __init__(self, parameters: Sequence[Parameter], seed: int) -> None:
        self._points = _grid_points(parameters)
        np.random.RandomState(seed).shuffle(self._points)  # type: ignore[arg-type]
        self._point: Mapping[str, Scalar] = {}

    def take_point(self, is_new: Callable[[Mapping[str, Scalar]], bool]) -> bool:
        """Take the first combination that is new; False if none is left."""
        found = next(filter(is_new, self._points), None)
        self._point = found or {}
        return found is not None

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The parameter's value at the current point."""
        return self._point[param_name]


def _grid_points(parameters: Sequence[Parameter]) -> list[Mapping[str, Scalar]]:
    points: dict[Any, Mapping[str, Scalar]] = {}
    for values in itertools.product(*(finite_choices(item) for item in parameters)):
        point: dict[str, Scalar] = {}
        for item, value in zip(parameters, values, strict=True):
            if item.matters(point):
                point[item.name] = value
        points.setdefault(frozenset(point.items()), point)
    return list(points.values())


def grid_size(parameters: Sequence[Parameter]) -> int | None:
    """Number of combinations, ignoring conditions; None if a range is continuous."""
    if any(item.kind == "float" for item in parameters):
        return None
    return math.prod(len(finite_choices(item)) for item in parameters)


def finite_choices(item: Parameter) -> Sequence[Scalar]:
    """The values of a choice or of an integer range."""
    return item.choices or range(int(item.low), int(item.high) + 1)


def value_at(item: Parameter, share: float) -> Any:
    """The value at a fraction in [0, 1] of a parameter's range or choices."""
    if item.kind == "choice":
        return item.choices[min(int(share * len(item.choices)), len(item.choices) - 1)]
    low, high = _ends(item)
    if item.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    if item.kind == "int":
        return min(max(round(value), int(item.low)), int(item.high))
    return min(max(value, item.low), item.high)


def share_of(item: Parameter, value: float) -> float:
    """The fraction in [0, 1] at which a value lies in its range; the inverse of `value_at`."""
    low, high = _ends(item)
    if item.log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)


def _ends(item: Parameter) -> tuple[float, float]:
    """The ends of a range; each integer gets a bin of the same width."""
    return (item.low - 0.5, item.high + 0.5) if item.kind == "int" else (item.low, item.high)


_SPREAD = 1 / 6
"""Standard deviation of the first distribution as a fraction of the ranges, as in Optuna."""


def numbers_of(parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters that CMA-ES adapts: ranges without a condition."""
    return [item for item in parameters if item.kind != "choice" and not item.when]


class CmaesSampler(OwnSpaceSampler):
    """Draws numbers from a normal distribution that adapts to the better trials.

    Choices and conditional parameters are drawn at random.

    Args:
        parameters: What is searched; at least one of `numbers_of`.
        seed: Of the draw.
    """

    def __init__(self, parameters: Sequence[Parameter], seed: int) -> None:
        self._numbers = numbers_of(parameters)
        self._seed = seed
        self._random = RandomSampler(seed=seed)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A point of the distribution after the study's complete trials."""
        from cmaes import CMA  # an optional package

        sign = 1.0 if study.direction is StudyDirection.MINIMIZE else -1.0
        solutions = [
            (self._shares(item.params), sign * item.values[0])
            for item in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if item.values
        ]
        count = len(self._numbers)
        size = 4 + int(3 * math.log(count))
        best = min(solutions[:size], key=lambda solution: solution[1])[0]
        optimizer = CMA(
            mean=(np.full(count, 0.5) + best) / 2,
            sigma=_SPREAD,
            bounds=np.tile([0.0, 1.0], (count, 1)),
            seed=self._seed % 2**32,
            population_size=size,
        )
        for start in range(size, len(solutions) - size + 1, size):
            optimizer.tell(solutions[start : start + size])
        shares = optimizer.ask()
        return {
            item.name: value_at(item, float(share))
            for item, share in zip(self._numbers, shares, strict=True)
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A value at random."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _shares(self, params: Mapping[str, Scalar]) -> NDArray[np.float64]:
        return np.array([share_of(item, float(params[item.name])) for item in self._numbers])  # type: ignore[arg-type]
