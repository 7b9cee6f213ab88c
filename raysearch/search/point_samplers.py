"""Which samplers know all their points beforehand: Sobol's and the grid's.

Both lay out the whole sweep at its start and learn from nothing, so that trial `n` has its
point whatever the others gave.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from raysearch.search.parameters import Parameter
from raysearch.trial import Scalar

__all__ = ["GridSampler", "SobolSampler", "finite_choices"]


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
    for values in itertools.product(*(finite_choices(item) for item in parameters)):
        point: dict[str, Scalar] = {}
        for item, value in zip(parameters, values, strict=True):
            if item.matters(point):
                point[item.name] = value
        points.setdefault(_frozen(point), point)
    return list(points.values())


def finite_choices(item: Parameter) -> Sequence[Scalar]:
    """The values of a choice or of a range of whole numbers."""
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
