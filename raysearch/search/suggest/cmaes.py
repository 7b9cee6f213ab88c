"""CMA-ES as a sampler that keeps nothing: its state is made anew from the trials each time.

Optuna's own keeps the optimiser in the study as a pickle, which whoever wrote the study's
database would have run here. This one tells a new optimiser (`cmaes.CMA`) the finished trials in
their order, a population at a time, and asks it for one point. So a driver that was started
again, also on a study that was recovered, goes on as the old one would have.

The first trials, of which the start-up drew most over the whole space, are no population of a
normal distribution. As many of them as a population has say where the first distribution lies:
halfway between the middle of the ranges and the best of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from raysearch.run import Scalar
from raysearch.search.space.parameters import Parameter
from raysearch.search.suggest.point_samplers import OwnSpaceSampler, share_of, value_at

__all__ = ["CmaesSampler", "numbers_of"]

_SPREAD = 1 / 6
"""Standard deviation of the first distribution in shares of the ranges, as Optuna has it."""


def numbers_of(parameters: Sequence[Parameter]) -> list[Parameter]:
    """What CMA-ES adapts: the ranges that are searched whatever the others are."""
    return [item for item in parameters if item.kind != "choice" and not item.when]


class CmaesSampler(OwnSpaceSampler):
    """Draws numbers from a normal distribution that follows the better trials.

    Choices, and what is searched under a condition, are drawn at random.

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
        """A point of the distribution that the study's complete trials lead to."""
        from cmaes import CMA  # an optional package

        sign = 1.0 if study.direction is StudyDirection.MINIMIZE else -1.0
        told = [
            (self._shares(item.params), sign * item.values[0])
            for item in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if item.values
        ]
        count = len(self._numbers)
        size = 4 + int(3 * math.log(count))
        best = min(told[:size], key=lambda solution: solution[1])[0]
        optimizer = CMA(
            mean=(np.full(count, 0.5) + best) / 2,
            sigma=_SPREAD,
            bounds=np.tile([0.0, 1.0], (count, 1)),
            seed=self._seed % 2**32,
            population_size=size,
        )
        for start in range(size, len(told) - size + 1, size):
            optimizer.tell(told[start : start + size])
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
