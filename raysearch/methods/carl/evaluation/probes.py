"""Linear probes on standardised frozen embeddings, fitted by scikit-learn.

Ridge regression predicts valence and arousal, multinomial logistic regression classes. A penalty is
chosen on the rows that a probe is fitted on, or on rows that the caller names, never on rows that
are scored.

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
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from raysearch import metrics
from raysearch.corpora.records import normalise
from raysearch.errors import DataError, RunError
from raysearch.methods.carl.corpora import text_hash

__all__ = [
    "CLASS_PENALTIES",
    "FOLDS",
    "RIDGE_ALPHAS",
    "LogisticProbe",
    "RidgeProbe",
    "assign_folds",
    "choose_penalty",
    "cross_validate",
    "fit_with_held_out",
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
    """Ridge regression; each label column has its own penalty, chosen by leave-one-out.

    The leave-one-out errors of all `RIDGE_ALPHAS` come from one singular value decomposition.

    Args:
        rows: Embeddings (N, H) to fit on.
        labels: Targets (N, K).

    Raises:
        RunError: An embedding is not finite.
    """

    def __init__(self, rows: Array, labels: Array) -> None:
        self._scaler = StandardScaler()
        self._model = RidgeCV(RIDGE_ALPHAS, alpha_per_target=True)
        with threadpool_limits(1):
            scaled = self._scaler.fit_transform(_finite(rows))
            self._model.fit(scaled, labels.astype(np.float64))

    @property
    def alphas(self) -> Array:
        """The chosen penalty of each label column, (K,)."""
        chosen: Array = np.atleast_1d(self._model.alpha_)
        return chosen

    def predict(self, rows: Array) -> Array:
        """Predicted labels (M, K) of embeddings (M, H); not clipped."""
        with threadpool_limits(1):
            predicted: Array = self._model.predict(self._scaler.transform(_finite(rows)))
        return predicted


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
            self._rows = self._scaler.fit_transform(_finite(rows)).astype(np.float32)
        self._labels = labels
        classes = np.unique(labels)
        if len(classes) < 2:
            raise DataError(
                "a classification probe must be fitted on at least 2 classes, but got "
                f"{len(classes)} in {len(labels)} rows; use a larger or a balanced train split"
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
            scaled = self._scaler.transform(_finite(rows)).astype(np.float32)
            predicted: Array = self._model.predict(scaled)
        return predicted


def choose_penalty(rows: Array, labels: Array, judge_rows: Array, judge_labels: Array) -> float:
    """The penalty with the best accuracy on the judging rows; of equals the strongest.

    Args:
        rows: Embeddings (N, H) to fit on.
        labels: Their class ids (N,).
        judge_rows: Embeddings (M, H) that choose; they are not fitted on.
        judge_labels: Their class ids (M,).
    """
    probe = LogisticProbe(rows, labels, CLASS_PENALTIES[0])
    scores = []
    for penalty in CLASS_PENALTIES:
        probe.refit(penalty)
        scores.append(metrics.accuracy(probe.predict(judge_rows), judge_labels))
    return CLASS_PENALTIES[int(np.argmax(scores))]


def fit_with_held_out(
    rows: Array, labels: Array, texts: Sequence[str], seed: int, seen: Array | None = None
) -> LogisticProbe:
    """A probe whose penalty is chosen on a held-out tenth of its rows; refitted on all of them.

    Args:
        rows: Embeddings (N, H).
        labels: Class ids (N,).
        texts: N texts.
        seed: Determines the tenth.
        seen: Which rows (N,) the encoder was trained on: within the tenth the others choose, if
            there are any. None if there are no such rows.

    Raises:
        DataError: No class has ten different texts, so that nothing can be held out.
    """
    held_out = assign_folds(texts, labels, FOLDS, seed) == FOLDS - 1
    if not held_out.any():
        raise DataError(
            f"a train split must have at least {FOLDS} different texts in some class to choose "
            f"a probe's penalty, but got {len(texts)} texts in {len(np.unique(labels))} classes"
        )
    judges = held_out if seen is None or not (held_out & ~seen).any() else held_out & ~seen
    penalty = choose_penalty(rows[~held_out], labels[~held_out], rows[judges], labels[judges])
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


def _finite(rows: Array) -> Array:
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
