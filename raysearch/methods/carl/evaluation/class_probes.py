"""Logistic regression of classes on frozen embeddings, fitted by scikit-learn.

A penalty is chosen on rows that neither the probe is fitted on nor the encoder was trained on, and
that are not scored by it; so are the layers, where it may read several (`layer_mix`).

Held-out parts depend on the texts and a seed, not on the order of the rows. A probe computes in one
thread, as in `probes`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from raysearch import metrics
from raysearch.errors import DataError
from raysearch.methods.carl.evaluation.layer_mix import LayerMix
from raysearch.methods.carl.evaluation.probes import assign_folds, finite
from raysearch.printable import counted

__all__ = [
    "CLASS_PENALTIES",
    "FOLDS",
    "ClassChoice",
    "LogisticProbe",
    "choose_for_classes",
    "cross_validate",
    "fit_with_held_out",
]

Array = npt.NDArray[Any]

CLASS_PENALTIES: tuple[float, ...] = (1.0, 0.1, 0.01, 0.001)
"""Weights of |w|^2 / 2 beside a row's mean loss, strongest first; a decade apart as SentEval's."""

FOLDS = 10
"""Folds of a cross-validation, as in SentEval; one of them is the held-out part."""

MAX_ITERATIONS = 2000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClassChoice:
    """What judging rows have chosen.

    Attributes:
        penalty: Weight of |w|^2 / 2 beside the mean loss over the rows.
        layers: Indices of the hidden layers that are read side by side, 0 for the embeddings; empty
            for rows that are one embedding.
    """

    penalty: float
    layers: tuple[int, ...] = ()


class LogisticProbe:
    """Multinomial logistic regression (L-BFGS) with a given penalty.

    Args:
        rows: Embeddings (N, H) to fit on, or those of all hidden layers (N, L, H).
        labels: Class ids (N,); classes that do not occur are never predicted.
        choice: Its penalty, and its layers of all.

    Raises:
        RunError: An embedding is not finite.
        DataError: The labels have fewer than two classes.
    """

    def __init__(self, rows: Array, labels: Array, choice: ClassChoice) -> None:
        self._layers = choice.layers
        self._scaler = StandardScaler()
        self._model = LogisticRegression(max_iter=MAX_ITERATIONS, warm_start=True)
        with threadpool_limits(1):
            self._rows = self._scaler.fit_transform(finite(self._read(rows))).astype(np.float32)
        self._labels = labels
        classes = np.unique(labels)
        if len(classes) < 2:
            raise DataError(
                "a classification probe must be fitted on at least 2 classes, but got "
                f"{len(classes)} in {counted(len(labels), 'row')}; use a larger or a "
                "balanced train split"
            )
        self.refit(choice.penalty)

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
        """Predicted class ids (M,) of embeddings (M, H), or of those of all layers (M, L, H)."""
        with threadpool_limits(1):
            scaled = self._scaler.transform(finite(self._read(rows))).astype(np.float32)
            predicted: Array = self._model.predict(scaled)
        return predicted

    def _read(self, rows: Array) -> Array:
        if not self._layers:
            return rows
        return np.concatenate([rows[:, index] for index in self._layers], axis=1)


def choose_for_classes(
    rows: Array, labels: Array, judges: Sequence[tuple[Array, Array]]
) -> list[ClassChoice]:
    """For each set of judges the layers, and the penalty with the best accuracy on it.

    Layers are chosen as for ratings, by the mean correlation of a ridge regression with each class.
    Of equal penalties the strongest is taken.

    Args:
        rows: Embeddings (N, H) to fit on, or those of all hidden layers (N, L, H), of which up to
            `layer_mix.MOST_LAYERS` are chosen.
        labels: Their class ids (N,).
        judges: Embeddings (M, H) or (M, L, H), and class ids (M,) that choose, not fitted on; where
            there are none, the last layer with the strongest penalty is taken.
    """
    layers: list[tuple[int, ...]] = [() for _ in judges]
    if rows.ndim == 3:
        classes = np.unique(labels)
        mix = LayerMix(rows, _indicators(labels, classes))
        layers = [mix.choose(r, _indicators(truth, classes)).layers for r, truth in judges]
    found: dict[int, ClassChoice] = {}
    for read in dict.fromkeys(layers):
        served = [index for index, own in enumerate(layers) if own == read]
        penalties = _choose_penalties(rows, labels, read, [judges[index] for index in served])
        for index, penalty in zip(served, penalties, strict=True):
            found[index] = ClassChoice(penalty=penalty, layers=read)
    return [found[index] for index in range(len(judges))]


def _indicators(labels: Array, classes: Array) -> Array:
    """One column for each class (N, K)."""
    return np.asarray(labels[:, np.newaxis] == classes, dtype=np.float64)


def _choose_penalties(
    rows: Array, labels: Array, layers: tuple[int, ...], judges: Sequence[tuple[Array, Array]]
) -> list[float]:
    """The penalty of each set of judges, by probes that read the same layers."""
    probe = LogisticProbe(rows, labels, ClassChoice(penalty=CLASS_PENALTIES[0], layers=layers))
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
    """A probe that is chosen on a held-out tenth of its rows, and refitted on all of them.

    Args:
        rows: Embeddings (N, H), or those of all hidden layers (N, L, H).
        labels: Class ids (N,).
        texts: N texts.
        seed: Determines the tenth.
        seen: Which rows (N,) the encoder was trained on: within the tenth the others choose; if
            there are none, the last layer with the strongest penalty is taken.

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
    [choice] = choose_for_classes(
        rows[~held_out], labels[~held_out], [(rows[judges], labels[judges])]
    )
    return LogisticProbe(rows, labels, choice)


def cross_validate(
    rows: Array, labels: Array, texts: Sequence[str], seed: int, seen: Array
) -> Array:
    """Predicted class ids (N,), each by a probe that has seen neither the row nor its text.

    `FOLDS`-fold; each fold's penalty and layers are chosen within its fitting rows. Rows that the
    encoder was trained on are fitted, like any train split, but must not be scored: their
    embeddings may memorise their labels. A score over the others is that of rows new to encoder
    and probe alike, so memorisation does not bias it, for any labels including random ones.

    Args:
        rows: Embeddings (N, H), or those of all hidden layers (N, L, H).
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
