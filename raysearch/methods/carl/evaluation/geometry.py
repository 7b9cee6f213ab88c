"""The spread of embeddings: alignment, uniformity, silhouettes, and maps in two dimensions.

Rows of a class-labelled corpus have positives of their own, the rows of the same class; the
silhouette of a valence-arousal corpus is that of its four quadrants, cut at its training means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from raysearch import metrics
from raysearch.errors import RunError
from raysearch.methods.carl.classes import classes_of
from raysearch.printable import counted

__all__ = [
    "ALL_PAIRS",
    "MAPPED_ROWS",
    "PERPLEXITY",
    "SAMPLED_ROWS",
    "EmbeddingMap",
    "class_quality",
    "embedding_map",
    "embedding_quality",
]

ALL_PAIRS = 2_000_000
"""Most pairs that are all used (2,000 rows); of more a seeded sample of this size."""

SAMPLED_ROWS = {"dev": 1000, "test": 2000}
"""Most rows of a silhouette, and of the uniformity of classes. A report of 1,000 rows (H = 384)
takes 18 ms for either on one core, a reading of 2,000 about four times that."""


def embedding_quality(
    embeddings: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    seed: int,
    *,
    role: str,
    cuts: npt.NDArray[Any],
) -> dict[str, float]:
    """Alignment and uniformity of L2-normalised embeddings (low is good), and a silhouette.

    Positives are undefined for continuous labels; here they are the pairs whose distance in the
    valence-arousal plane is at or below the fifth percentile (carl.md §2). When an encoder
    collapses, alignment falls to 0 but uniformity rises to 0, its maximum: read them together.

    Args:
        embeddings: (N, H), as returned by the encoder.
        labels: Valence and arousal (N, 2) in [0, 1].
        seed: Seed of the sample if there are too many rows or pairs.
        role: ``dev`` or ``test``: determines how many rows the silhouette uses.
        cuts: Cut points of the quadrants, (1, 2): the training means, as in `classes.cut_points`.

    Returns:
        ``alignment`` in [0, 4], ``alignment_pairs``, the number of positive pairs,
        ``uniformity`` in [-8, 0], and ``silhouette_quadrant`` in [-1, 1], of the four
        quadrants around the training means. NaN for a zero vector, fewer than two rows
        or, for the silhouette, rows of a single quadrant.
    """
    pairs = metrics.close_pairs(labels, limit=ALL_PAIRS, seed=seed)
    return {
        "alignment": metrics.alignment(embeddings, pairs),
        "alignment_pairs": float(len(pairs)),
        "uniformity": metrics.uniformity(embeddings, seed=seed),
        "silhouette_quadrant": metrics.silhouette(
            embeddings, classes_of(labels, cuts), limit=SAMPLED_ROWS[role], seed=seed
        ),
    }


def class_quality(
    embeddings: npt.NDArray[Any], classes: npt.NDArray[Any], seed: int, *, role: str
) -> dict[str, float]:
    """`embedding_quality` for rows with classes; positives are all pairs within a class.

    Args:
        embeddings: (N, H), as returned by the encoder.
        classes: (N,) class ids.
        seed: Seed of the sample if there are too many rows.
        role: ``dev`` or ``test``: determines how many rows are used, except for the alignment.

    Returns:
        ``alignment``, ``alignment_pairs``, ``uniformity`` and ``silhouette``, in the ranges of
        `embedding_quality` and NaN in the same cases, or without a pair.
    """
    rows = SAMPLED_ROWS[role]
    sizes = np.unique(classes, return_counts=True)[1]
    return {
        "alignment": metrics.class_alignment(embeddings, classes),
        "alignment_pairs": float((sizes * (sizes - 1) // 2).sum()),
        "uniformity": metrics.uniformity(embeddings, limit=rows, seed=seed),
        "silhouette": metrics.silhouette(embeddings, classes, limit=rows, seed=seed),
    }


Array = npt.NDArray[Any]

MAPPED_ROWS = 600
"""Most rows of a map; a t-SNE of so many takes some seconds on one core."""

PERPLEXITY = 30.0
"""Perplexity of t-SNE; a third of the rows if there are fewer than 90 others."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddingMap:
    """Two maps of the same M rows.

    Attributes:
        rows: Their indices in the input, ascending, (M,) int64: for looking up labels.
        pca: First two principal components (M, 2), around the mean of all rows.
        explained: Fraction of the variance of all rows on either, (2,), in [0, 1].
        tsne: (M, 2), in arbitrary units.
    """

    rows: npt.NDArray[np.int64]
    pca: Array
    explained: Array
    tsne: Array


def embedding_map(embeddings: Array, *, seed: int) -> EmbeddingMap:
    """PCA of all rows and t-SNE of those shown; deterministic for the same rows and seed.

    Args:
        embeddings: (N, H), N >= 4 and H >= 2; their norms do not matter.
        seed: Determines the rows if there are more than `MAPPED_ROWS`, and seeds t-SNE, which
            starts from the first two components.

    Raises:
        RunError: A row is zero or not finite, or there are too few.
    """
    table = np.asarray(embeddings, dtype=np.float64)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    broken = int((~np.isfinite(lengths) | (lengths == 0)).sum())
    if broken or len(table) < 4:
        raise RunError(
            f"a map must have at least 4 rows with a direction, but got "
            f"{counted(len(table), 'row')}, {broken} of them zero or not finite"
        )
    points = table / lengths
    rows = np.arange(len(points))
    if len(points) > MAPPED_ROWS:
        chance = np.random.default_rng(seed)
        rows = np.sort(chance.choice(len(points), size=MAPPED_ROWS, replace=False))
    with threadpool_limits(1):  # multi-threaded sums differ in their last bits between runs
        components = PCA(n_components=2, svd_solver="full").fit(points)
        tsne = TSNE(perplexity=min(PERPLEXITY, (len(rows) - 1) / 3), init="pca", random_state=seed)
        return EmbeddingMap(
            rows=rows,
            pca=components.transform(points[rows]),
            explained=components.explained_variance_ratio_,
            tsne=tsne.fit_transform(points[rows]),
        )
