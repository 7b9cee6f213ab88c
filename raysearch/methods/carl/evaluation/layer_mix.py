"""A ridge probe on a few of the encoder's hidden layers together, which judging rows choose.

Its choice of layers also serves the probes of classes (`class_probes`).

What a frozen encoder knows of affect is often not in its last layer alone. The layers are chosen
forwards: first the one whose probe correlates best, then the one that helps it most, as long as one
does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from raysearch.methods.carl.evaluation.probes import (
    RIDGE_ALPHAS,
    best_alphas,
    finite,
    of_alphas,
    ridge_path,
)

__all__ = ["MOST_LAYERS", "LayerChoice", "LayerMix"]

Array = npt.NDArray[Any]

MOST_LAYERS = 3
"""Most layers of a mix."""


@dataclass(frozen=True, kw_only=True)
class LayerChoice:
    """What judging rows have chosen.

    Attributes:
        layers: Indices of the layers, 0 for the embeddings, in the order in which they were chosen.
        alphas: Index in `RIDGE_ALPHAS` of each label column's penalty, (K,).
    """

    layers: tuple[int, ...]
    alphas: npt.NDArray[np.int64]


class LayerMix:
    """Ridge regressions on the standardised sentence states of any layers.

    Args:
        layers: Sentence states (N, L, H) to fit on.
        labels: Targets (N, K).

    Raises:
        RunError: A state is not finite.
    """

    def __init__(self, layers: Array, labels: Array) -> None:
        finite(layers.reshape(len(layers), -1))
        self._layers = layers
        self._means = layers.mean(axis=0, dtype=np.float64)
        spread = layers.std(axis=0, dtype=np.float64)
        self._scales = np.where(spread > 0, spread, 1.0)
        self._level = labels.mean(axis=0, dtype=np.float64)
        self._targets = labels - self._level
        self._grams: dict[tuple[int, int], Array] = {}
        self._moments: dict[int, Array] = {}

    def choose(self, layers: Array, labels: Array) -> LayerChoice:
        """The layers and penalties with the best correlation, a mean over the label columns.

        Args:
            layers: States (M, L, H) that choose; they are not fitted on. Where there are none, the
                last layer and the strongest penalty are taken.
            labels: Their targets (M, K).
        """
        strongest = np.full(labels.shape[1], len(RIDGE_ALPHAS) - 1)
        if not len(layers):
            return LayerChoice(layers=(layers.shape[1] - 1,), alphas=strongest)
        chosen: tuple[int, ...] = ()
        alphas, best = strongest, -np.inf
        while len(chosen) < min(MOST_LAYERS, layers.shape[1]):
            tried = []
            for index in range(layers.shape[1]):
                if index not in chosen:
                    mix = (*chosen, index)
                    found, scores = best_alphas(self._predict_all(layers, mix), labels)
                    tried.append((float(scores.mean()), mix, found))
            score, mix, found = max(tried, key=lambda item: item[0])
            if score <= best:
                break
            chosen, alphas, best = mix, found, score
        return LayerChoice(layers=chosen, alphas=alphas)

    def predict(self, layers: Array, choice: LayerChoice) -> Array:
        """Predicted labels (M, K) of states (M, L, H); not clipped."""
        return of_alphas(self._predict_all(layers, choice.layers), choice.alphas)

    def _predict_all(self, layers: Array, mix: tuple[int, ...]) -> Array:
        """(A, M, K) with every penalty."""
        with threadpool_limits(1):
            gram = np.block([[self._gram(first, second) for second in mix] for first in mix])
            moment = np.concatenate([self._moment(index) for index in mix])
            rows = np.concatenate([self._scaled(layers, index) for index in mix], axis=1)
            predicted: Array = rows @ ridge_path(gram, moment) + self._level
        return predicted

    def _gram(self, first: int, second: int) -> Array:
        if first > second:
            return self._gram(second, first).T
        if (first, second) not in self._grams:
            one, other = (self._scaled(self._layers, index) for index in (first, second))
            self._grams[first, second] = one.T @ other
        return self._grams[first, second]

    def _moment(self, index: int) -> Array:
        if index not in self._moments:
            self._moments[index] = self._scaled(self._layers, index).T @ self._targets
        return self._moments[index]

    def _scaled(self, layers: Array, index: int) -> Array:
        """One layer (N, H) in double precision; all at once would take too much memory."""
        rows = finite(layers[:, index])
        return np.asarray((rows - self._means[index]) / self._scales[index])
