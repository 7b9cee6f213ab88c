"""Where do sentences lie: the plane of most variance, and a plane that keeps neighbours.

Both maps are of L2-normalised rows, as the silhouettes are, so that both show angles between
sentences. A map is a picture: distances between far groups of a t-SNE mean nothing, and what
two axes leave out is in `EmbeddingMap.explained`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from raysearch.errors import TrialError

__all__ = ["MAPPED_ROWS", "PERPLEXITY", "EmbeddingMap", "embedding_map"]

Array = npt.NDArray[Any]

MAPPED_ROWS = 600
"""Most rows of a map; a t-SNE of so many takes some seconds on one core."""

PERPLEXITY = 30.0
"""Of t-SNE; a third of the rows where there are fewer than 90 others."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddingMap:
    """Two maps of the same M rows.

    Attributes:
        rows: Their numbers in what was given, ascending, (M,) int64: index labels by it.
        pca: First two principal components (M, 2), around the mean of all rows.
        explained: Share of the variance of all rows on either, (2,), in [0, 1].
        tsne: (M, 2), in units of its own.
    """

    rows: npt.NDArray[np.int64]
    pca: Array
    explained: Array
    tsne: Array


def embedding_map(embeddings: Array, *, seed: int) -> EmbeddingMap:
    """PCA of all rows and t-SNE of those shown; the same for the same rows and seed.

    Args:
        embeddings: (N, H), N >= 4 and H >= 2; their lengths do not matter.
        seed: Chooses the rows where there are more than `MAPPED_ROWS`, and seeds t-SNE, which
            starts from the first two components.

    Raises:
        TrialError: A row is zero or not finite, or there are too few.
    """
    table = np.asarray(embeddings, dtype=np.float64)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    broken = int((~np.isfinite(lengths) | (lengths == 0)).sum())
    if broken or len(table) < 4:
        raise TrialError(
            f"a map must have at least 4 rows with a direction, but got {len(table)} rows, "
            f"{broken} of them zero or not finite"
        )
    points = table / lengths
    rows = np.arange(len(points))
    if len(points) > MAPPED_ROWS:
        chance = np.random.default_rng(seed)
        rows = np.sort(chance.choice(len(points), size=MAPPED_ROWS, replace=False))
    with threadpool_limits(1):  # sums in threads differ in their last bits from run to run
        components = PCA(n_components=2, svd_solver="full").fit(points)
        tsne = TSNE(perplexity=min(PERPLEXITY, (len(rows) - 1) / 3), init="pca", random_state=seed)
        return EmbeddingMap(
            rows=rows,
            pca=components.transform(points[rows]),
            explained=components.explained_variance_ratio_,
            tsne=tsne.fit_transform(points[rows]),
        )
