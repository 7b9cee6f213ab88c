"""Ridge regression of valence and arousal on standardised frozen embeddings, and folds of texts.

A penalty is chosen on rows that neither the probe is fitted on nor the encoder was trained on, and
that are not scored by it. On rows that a fine-tuned encoder knows by heart, leave-one-out or a
held-out part choose a penalty 30 to 100 times too small, which costs up to .034 of test r.

Folds depend on the texts and a seed, not on the order of the rows, and equal texts are in the same
one. A probe computes in one thread, so that its numbers do not depend on the machine's number of
cores, and it does not compete with other trials for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from raysearch import metrics
from raysearch.corpora.records import normalise
from raysearch.errors import RunError
from raysearch.methods.carl.corpora import text_hash

__all__ = [
    "RIDGE_ALPHAS",
    "RidgeProbe",
    "assign_folds",
    "best_alphas",
    "finite",
    "of_alphas",
    "ridge_path",
]

Array = npt.NDArray[Any]

RIDGE_ALPHAS: tuple[float, ...] = tuple(10.0 ** (step / 2) for step in range(-2, 13))
"""Penalties of the ridge: 0.1 to 1e6 in half decades."""


class RidgeProbe:
    """Ridge regression with each of `RIDGE_ALPHAS`; each label column has its own penalty.

    Args:
        rows: Embeddings (N, H) to fit on.
        labels: Targets (N, K).

    Raises:
        RunError: An embedding is not finite.
    """

    def __init__(self, rows: Array, labels: Array) -> None:
        self._scaler = StandardScaler()
        self._level = labels.mean(axis=0, dtype=np.float64)
        with threadpool_limits(1):
            scaled = self._scaler.fit_transform(finite(rows))
            self._weights = ridge_path(scaled.T @ scaled, scaled.T @ (labels - self._level))

    def best(self, rows: Array, labels: Array) -> npt.NDArray[np.int64]:
        """The index in `RIDGE_ALPHAS` (K,) with the best Pearson correlation on judging rows.

        Of equals the strongest, and the strongest of all where no correlation is defined.

        Args:
            rows: Embeddings (M, H) that choose; they are not fitted on.
            labels: Their targets (M, K).
        """
        if not len(rows):
            return np.full(labels.shape[1], len(RIDGE_ALPHAS) - 1)
        return best_alphas(self.predict_all(rows), labels)[0]

    def predict(self, rows: Array, alphas: npt.NDArray[np.int64]) -> Array:
        """Predicted labels (M, K) of embeddings (M, H); not clipped.

        Args:
            rows: The embeddings.
            alphas: Index in `RIDGE_ALPHAS` of each column's penalty (K,).
        """
        return of_alphas(self.predict_all(rows), alphas)

    def predict_all(self, rows: Array) -> Array:
        """Predicted labels (A, M, K) with every penalty."""
        with threadpool_limits(1):
            scaled = self._scaler.transform(finite(rows))
            predicted: Array = scaled @ self._weights + self._level
        return predicted


def ridge_path(gram: Array, moment: Array) -> Array:
    """Weights (A, H, K) of a ridge regression with each of `RIDGE_ALPHAS`.

    Args:
        gram: X'X (H, H) of centred rows.
        moment: X'Y (H, K) of centred labels.
    """
    values, vectors = np.linalg.eigh(gram)
    rotated = vectors.T @ moment
    levels = np.maximum(values, 0)[:, np.newaxis]
    return np.stack([vectors @ (rotated / (levels + alpha)) for alpha in RIDGE_ALPHAS])


def best_alphas(predicted: Array, labels: Array) -> tuple[npt.NDArray[np.int64], Array]:
    """The penalty of each column by its correlation with the labels, and these correlations.

    Args:
        predicted: (A, M, K) with each of `RIDGE_ALPHAS`.
        labels: (M, K).

    Returns:
        Indices (K,), of equals the strongest; and the correlations (K,), -1 if undefined.
    """
    scores = np.array(
        [
            [metrics.pearson(column, truth) for column, truth in zip(rows.T, labels.T, strict=True)]
            for rows in predicted[::-1]
        ]
    )
    scores = np.nan_to_num(scores, nan=-1.0)
    return len(predicted) - 1 - scores.argmax(axis=0), scores.max(axis=0)


def of_alphas(predicted: Array, alphas: npt.NDArray[np.int64]) -> Array:
    """Predictions (M, K) with each column's penalty, of those with every penalty (A, M, K)."""
    columns = [predicted[alpha, :, column] for column, alpha in enumerate(alphas)]
    return np.stack(columns, axis=1)


def assign_folds(texts: Sequence[str], labels: Array, count: int, seed: int) -> Array:
    """Fold numbers (N,) from 0, stratified by class; independent of the order of the rows.

    Equal texts (normalised) share a fold; one with several labels counts in the class with the
    lowest id. Within a class texts are assigned in the order of a seeded hash, so that a class of
    fewer than `count` texts has none in the last folds.
    """
    keys = [normalise(text) for text in texts]
    class_of: dict[str, int] = {}
    for key, label in zip(keys, labels.tolist(), strict=True):
        class_of[key] = min(label, class_of.get(key, label))
    fold_of: dict[str, int] = {}
    dealt: dict[int, int] = {}
    for key in sorted(class_of, key=lambda key: text_hash(key, seed)):
        position = dealt.get(class_of[key], 0)
        fold_of[key] = position % count
        dealt[class_of[key]] = position + 1
    return np.array([fold_of[key] for key in keys], dtype=np.int64)


def finite(rows: Array) -> Array:
    """Embeddings in double precision.

    Raises:
        RunError: One of them is NaN or infinite.
    """
    broken = int((~np.isfinite(rows)).any(axis=1).sum())
    if broken:
        raise RunError(
            f"embeddings must be finite, but {broken} of {len(rows)} hold NaN or infinity; "
            "lower `learning_rate`, or use `precision: fp32`"
        )
    return rows.astype(np.float64)
