"""Linear probes on standardised frozen embeddings, fitted by scikit-learn.

Ridge regression predicts valence and arousal, multinomial logistic regression classes. A penalty is
chosen on rows that neither the probe is fitted on nor the encoder was trained on, and that are not
scored by it. On rows that a fine-tuned encoder knows by heart, leave-one-out or a held-out part
choose a penalty 30 to 100 times too small, which costs up to .034 of test r.

Held-out parts and folds depend on the texts and a seed, not on the order of the rows, and
equal texts are in the same part. A probe computes in one thread, so that its numbers do not depend
on the machine's number of cores, and it does not compete with other trials for them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from raysearch import metrics
from raysearch.corpora.records import normalise
from raysearch.errors import DataError, RunError
from raysearch.methods.carl.corpora import text_hash
from raysearch.printable import counted

__all__ = [
    "CLASS_PENALTIES",
    "FOLDS",
    "RIDGE_ALPHAS",
    "LogisticProbe",
    "RidgeProbe",
    "assign_folds",
    "best_alphas",
    "choose_penalties",
    "cross_validate",
    "finite",
    "fit_with_held_out",
    "of_alphas",
    "ridge_path",
]

Array = npt.NDArray[Any]

RIDGE_ALPHAS: tuple[float, ...] = tuple(10.0 ** (step / 2) for step in range(-2, 13))
"""Penalties of the ridge: 0.1 to 1e6 in half decades."""

CLASS_PENALTIES: tuple[float, ...] = (1.0, 0.1, 0.01, 0.001)
"""Weights of |w|^2 / 2 beside a row's mean loss, strongest first; a decade apart as SentEval's."""

FOLDS = 10
"""Folds of a cross-validation, as in SentEval; one of them is the held-out part."""

MAX_ITERATIONS = 2000

_log = logging.getLogger(__name__)


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


class LogisticProbe:
    """Multinomial logistic regression (L-BFGS) with a given penalty.

    Args:
        rows: Embeddings (N, H) to fit on.
        labels: Class ids (N,); classes that do not occur are never predicted.
        penalty: Weight of |w|^2 / 2 beside the mean loss over the rows.

    Raises:
        RunError: An embedding is not finite.
        DataError: The labels have fewer than two classes.
    """

    def __init__(self, rows: Array, labels: Array, penalty: float) -> None:
        self._scaler = StandardScaler()
        self._model = LogisticRegression(max_iter=MAX_ITERATIONS, warm_start=True)
        with threadpool_limits(1):
            self._rows = self._scaler.fit_transform(finite(rows)).astype(np.float32)
        self._labels = labels
        classes = np.unique(labels)
        if len(classes) < 2:
            raise DataError(
                "a classification probe must be fitted on at least 2 classes, but got "
                f"{len(classes)} in {counted(len(labels), 'row')}; use a larger or a "
                "balanced train split"
            )
        self.refit(penalty)

    def refit(self, penalty: float) -> None:
        """Fit with another penalty, starting from the previous weights."""
        self._model.set_params(C=1.0 / (penalty * len(self._labels)))
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(self._rows, self._labels)
        if max(self._model.n_iter_) >= MAX_ITERATIONS:
            _log.warning(
                "a logistic probe (penalty %g, %d rows) stopped at %d iterations before it "
                "converged; its accuracy stands as it is",
                *(penalty, len(self._labels), MAX_ITERATIONS),
            )

    def predict(self, rows: Array) -> Array:
        """Predicted class ids (M,) of embeddings (M, H)."""
        with threadpool_limits(1):
            scaled = self._scaler.transform(finite(rows)).astype(np.float32)
            predicted: Array = self._model.predict(scaled)
        return predicted


def choose_penalties(
    rows: Array, labels: Array, judges: Sequence[tuple[Array, Array]]
) -> list[float]:
    """For each set of judges the penalty with the best accuracy on it; of equals the strongest.

    Args:
        rows: Embeddings (N, H) to fit on.
        labels: Their class ids (N,).
        judges: Embeddings (M, H) and class ids (M,) that choose, not fitted on; where there are
            none, the strongest penalty is taken.
    """
    probe = LogisticProbe(rows, labels, CLASS_PENALTIES[0])
    scores: list[list[float]] = [[] for _ in judges]
    for penalty in CLASS_PENALTIES:
        probe.refit(penalty)
        for found, (judge_rows, judge_labels) in zip(scores, judges, strict=True):
            told = len(judge_rows) > 0
            found.append(metrics.accuracy(probe.predict(judge_rows), judge_labels) if told else 0)
    return [CLASS_PENALTIES[int(np.argmax(found))] for found in scores]


def fit_with_held_out(
    rows: Array, labels: Array, texts: Sequence[str], seed: int, seen: Array
) -> LogisticProbe:
    """A probe whose penalty is chosen on a held-out tenth of its rows; refitted on all of them.

    Args:
        rows: Embeddings (N, H).
        labels: Class ids (N,).
        texts: N texts.
        seed: Determines the tenth.
        seen: Which rows (N,) the encoder was trained on: within the tenth the others choose; if
            there are none, the strongest penalty is taken.

    Raises:
        DataError: No class has ten different texts, so that nothing can be held out.
    """
    held_out = assign_folds(texts, labels, FOLDS, seed) == FOLDS - 1
    if not held_out.any():
        raise DataError(
            f"a train split must have at least {FOLDS} different texts in some class to choose "
            f"a probe's penalty, but got {len(texts)} texts in {len(np.unique(labels))} classes"
        )
    judges = held_out & ~seen
    [penalty] = choose_penalties(
        rows[~held_out], labels[~held_out], [(rows[judges], labels[judges])]
    )
    return LogisticProbe(rows, labels, penalty)


def cross_validate(
    rows: Array, labels: Array, texts: Sequence[str], seed: int, seen: Array
) -> Array:
    """Predicted class ids (N,), each by a probe that has seen neither the row nor its text.

    `FOLDS`-fold; the penalty of each fold is chosen within its fitting rows. Rows that the
    encoder was trained on are fitted, like any train split, but must not be scored: their
    embeddings may memorise their labels. A score over the others is that of rows new to encoder
    and probe alike, so memorisation does not bias it, for any labels including random ones.

    Args:
        rows: Embeddings (N, H).
        labels: Class ids (N,).
        texts: N texts.
        seed: Seed of the folds.
        seen: Which rows (N,) the encoder was trained on; their predictions are meaningless.
    """
    folds = assign_folds(texts, labels, FOLDS, seed)
    predicted = np.full_like(labels, -1)
    for fold in np.unique(folds[~seen]):
        fitted = folds != fold
        fit_texts = [text for text, keep in zip(texts, fitted, strict=True) if keep]
        probe = fit_with_held_out(rows[fitted], labels[fitted], fit_texts, seed, seen[fitted])
        predicted[~fitted] = probe.predict(rows[~fitted])
    return predicted


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
