"""Metrics: predictions and embeddings as single numbers.

Pure functions of arrays. An undefined number (constant input, one class, nothing to average, a
value that is not finite) is NaN, never a warning. Arrays of different lengths are a bug of the
caller and raise `ValueError`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "accuracy",
    "alignment",
    "auc",
    "class_alignment",
    "close_pairs",
    "macro_f1",
    "pearson",
    "ranks_of",
    "silhouette",
    "spearman",
    "uniformity",
]

_ROWS_AT_ONCE = 4096  # bounds the memory of `alignment`

_ROUNDING = 64
"""A range of at most so many rounding steps, relative to the largest value, is that of a constant:
the error of the sums that predictions are made of."""


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Linear correlation of two series (Pearson's r).

    Args:
        x: ``(N,)`` numbers.
        y: ``(N,)`` numbers.

    Returns:
        A value in [-1, 1]; NaN if N < 2, either is constant within rounding or a value is not
        finite.
    """
    first, second = _series(x, y)
    if not (_varies(x) and _varies(y)):
        return float("nan")
    return float(np.clip(_standardised(first) @ _standardised(second), -1.0, 1.0))


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Rank correlation (Spearman's rho): Pearson's r of the ranks, ties at their mean rank.

    Args:
        x: ``(N,)`` numbers.
        y: ``(N,)`` numbers.

    Returns:
        A value in [-1, 1]; NaN if N < 2, either is constant within rounding or a value is not
        finite.
    """
    first, second = _series(x, y)
    if not (_varies(x) and _varies(y)):
        return float("nan")
    return pearson(ranks_of(first), ranks_of(second))


def ranks_of(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1, (N,); equal values share their mean rank.

    Uses numpy alone: `scipy.stats.rankdata` takes 1.7 s to import, longer than opening a board.
    """
    _, inverse, count = np.unique(
        np.asarray(values, float), return_inverse=True, return_counts=True
    )
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[inverse], dtype=np.float64)


def accuracy(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Fraction of rows whose class is right.

    Args:
        predicted: ``(N,)`` class ids.
        actual: ``(N,)`` class ids.

    Returns:
        A value in [0, 1]; NaN if N = 0.
    """
    guess, truth = _classes(predicted, actual)
    return float(np.mean(guess == truth)) if len(truth) else float("nan")


def macro_f1(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), each class counting the same.

    The classes are those that occur in `predicted` or `actual`, as in scikit-learn's
    ``f1_score(average="macro")``.

    Args:
        predicted: ``(N,)`` class ids.
        actual: ``(N,)`` class ids.

    Returns:
        A value in [0, 1]; NaN if N = 0.
    """
    guess, truth = _classes(predicted, actual)
    if not len(truth):
        return float("nan")
    classes, coded = np.unique(np.concatenate([guess, truth]), return_inverse=True)
    guess, truth = coded[: len(guess)], coded[len(guess) :]
    right = np.bincount(truth[guess == truth], minlength=len(classes))
    mentions = np.bincount(guess, minlength=len(classes)) + np.bincount(
        truth, minlength=len(classes)
    )
    return float(np.mean(2.0 * right / mentions))


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: how often a positive outscores a negative, a tie counts half.

    Args:
        scores: ``(N,)`` numbers, higher = more likely positive.
        labels: ``(N,)`` bool or 0/1, True = positive.

    Returns:
        A value in [0, 1], 0.5 at chance; NaN if there is only one class or a score is not
        finite.
    """
    values, truth = _series(scores, np.asarray(labels, dtype=bool))
    positive = truth.astype(bool)
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives or not np.isfinite(values).all():
        return float("nan")
    ranks = ranks_of(values)
    above = ranks[positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def close_pairs(
    labels: ArrayLike, *, share: float = 0.05, limit: int = 200_000, seed: int = 0
) -> NDArray[np.int64]:
    """Pairs of rows with nearly the same continuous labels: the positives of `alignment`.

    Positives are not defined for continuous labels. Used here: the pairs whose Euclidean label
    distance is at or below the `share` quantile of all distances. "At" is our choice: ratings lie
    on a grid, where the quantile may be the smallest distance.

    Args:
        labels: ``(N, K)`` or ``(N,)`` numbers.
        share: The quantile, in (0, 1].
        limit: With more pairs than this, so many are sampled (with replacement).
        seed: Seed of the sample.

    Returns:
        ``(P, 2)`` row numbers, the first below the second; report P with the alignment.
    """
    table = np.asarray(labels, dtype=np.float64)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    rows = len(table)
    if rows < 2:
        return np.empty((0, 2), dtype=np.int64)
    if rows * (rows - 1) // 2 <= limit:
        first, second = np.triu_indices(rows, k=1)
    else:
        random = np.random.default_rng(seed)
        first = random.integers(0, rows, size=limit)
        second = (first + random.integers(1, rows, size=limit)) % rows  # never the same row
        first, second = np.minimum(first, second), np.maximum(first, second)
    distances = np.linalg.norm(table[first] - table[second], axis=1)
    near = distances <= np.quantile(distances, share)
    return np.stack([first[near], second[near]], axis=1).astype(np.int64)


def alignment(embeddings: ArrayLike, pairs: ArrayLike) -> float:
    """Mean squared distance between the two embeddings of a positive pair.

    Wang and Isola (2020), "Understanding Contrastive Representation Learning through Alignment
    and Uniformity on the Hypersphere", Sec. 4.1.2, with alpha = 2. Low is good, but a collapsed
    encoder reaches 0: read it beside `uniformity`.

    Args:
        embeddings: ``(N, D)`` numbers; rows are L2-normalised here.
        pairs: ``(P, 2)`` row numbers, from `close_pairs`.

    Returns:
        A value in [0, 4]; NaN without pairs, for a zero row or a value that is not finite.
    """
    points = _on_sphere(embeddings)
    indices = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    if points is None or not len(indices):
        return float("nan")
    total = 0.0
    for start in range(0, len(indices), _ROWS_AT_ONCE):
        first, second = indices[start : start + _ROWS_AT_ONCE].T
        total += float(np.square(points[first] - points[second]).sum())
    return total / len(indices)


def class_alignment(embeddings: ArrayLike, classes: ArrayLike) -> float:
    """`alignment` with all pairs of rows of one class as the positives.

    Uses that squared distances over the pairs of n unit rows sum to n² - |Σ x|², without the pairs.

    Args:
        embeddings: ``(N, D)`` numbers; rows are L2-normalised here.
        classes: ``(N,)`` class ids.

    Returns:
        A value in [0, 4]; NaN without pairs, for a zero row or a value that is not finite.
    """
    points, (_, coded) = _on_sphere(embeddings), np.unique(classes, return_inverse=True)
    if points is None:
        return float("nan")
    sizes = np.bincount(coded).astype(np.float64)
    sums = np.zeros((len(sizes), points.shape[1]))
    np.add.at(sums, coded, points)
    pairs = float((sizes * (sizes - 1) / 2).sum())
    return float((sizes**2 - np.square(sums).sum(axis=1)).sum()) / pairs if pairs else float("nan")


def silhouette(
    embeddings: ArrayLike, classes: ArrayLike, *, limit: int = 2000, seed: int = 0
) -> float:
    """How much nearer a row is to its own class than to the next one: the mean silhouette.

    Rousseeuw (1987) by scikit-learn: (b - a) / max(a, b), with a the mean distance of a row to
    the others of its class and b to those of the nearest other class; a row alone in its class
    counts 0. The distance is 1 - cosine, half the squared Euclidean one on the unit sphere.

    Args:
        embeddings: ``(N, D)`` numbers; lengths of rows do not matter.
        classes: ``(N,)`` class ids.
        limit: With more rows than this, so many are sampled without replacement.
        seed: Seed of the sample.

    Returns:
        A value in [-1, 1], about 0 where classes overlap; NaN with one class, if no class has
        two rows, for a zero row or a value that is not finite.
    """
    table, labels = np.asarray(embeddings), np.asarray(classes)
    _check_shapes(labels.shape, table.shape[:1])
    if len(table) > limit:
        drawn = np.random.default_rng(seed).choice(len(table), size=limit, replace=False)
        table, labels = table[drawn], labels[drawn]
    points = _on_sphere(table)
    if points is None or not 2 <= len(np.unique(labels)) < len(labels):
        return float("nan")
    from sklearn.metrics import silhouette_score  # a second to import, and no other needs it

    return float(silhouette_score(points, labels, metric="cosine"))


def uniformity(embeddings: ArrayLike, *, limit: int = 2048, seed: int = 0) -> float:
    """Logarithm of the mean Gaussian potential exp(-2 |x - y|^2) over pairs of rows.

    Wang and Isola (2020), Sec. 4.1.2, with t = 2. Low is good: a collapsed encoder has 0, the
    maximum; a set well spread over many dimensions about -4.

    Args:
        embeddings: ``(N, D)`` numbers; rows are L2-normalised here.
        limit: With more rows than this, so many are sampled without replacement, and all their
            pairs are used.
        seed: Seed of the sample.

    Returns:
        A value in [-8, 0]; NaN if N < 2, for a zero row or a value that is not finite.
    """
    table = np.asarray(embeddings)
    if len(table) > limit:
        table = table[np.random.default_rng(seed).choice(len(table), size=limit, replace=False)]
    points = _on_sphere(table)
    if points is None or len(points) < 2:
        return float("nan")
    squared = 2.0 - 2.0 * np.clip(points @ points.T, -1.0, 1.0)
    potentials = np.exp(-2.0 * squared)
    pairs = len(points) * (len(points) - 1)
    return float(np.log((potentials.sum() - np.trace(potentials)) / pairs))


def _series(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    _check_shapes(first.shape, second.shape)
    return first, second


def _classes(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, second = np.asarray(x, dtype=np.int64), np.asarray(y, dtype=np.int64)
    _check_shapes(first.shape, second.shape)
    return first, second


def _check_shapes(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    if len(first) != 1 or first != second:
        raise ValueError(f"both series must be (N,) with one N, but got {first} and {second}")


def _varies(values: ArrayLike) -> bool:
    """Whether a finite series has a range above the rounding errors of its number format."""
    series = np.asarray(values)
    if not len(series) or not np.isfinite(series).all():
        return False
    step = np.finfo(series.dtype).eps if series.dtype.kind == "f" else 0.0
    largest = np.abs(series).max()
    return (
        bool(series.max() / largest - series.min() / largest > _ROUNDING * step)
        if largest
        else False
    )


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean 0 and length 1; divided by the largest first, so that no square overflows."""
    scaled = values / np.abs(values).max()
    centred = scaled - scaled.mean()
    return np.asarray(centred / np.linalg.norm(centred))


def _on_sphere(embeddings: ArrayLike) -> NDArray[np.float64] | None:
    """Rows of length 1 in float64, or None where that is not defined."""
    table = np.asarray(embeddings, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"embeddings must be (N, D), but got {table.shape}")
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(table, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        return None
    return np.asarray(table / lengths)
