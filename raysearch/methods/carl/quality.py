"""How are embeddings spread: alignment and uniformity of sentences with VA labels."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from raysearch import metrics

__all__ = ["ALL_PAIRS", "embedding_quality"]

ALL_PAIRS = 2_000_000
"""Up to so many pairs (2,000 rows) all are counted; of more a seeded sample of so many."""


def embedding_quality(
    embeddings: npt.NDArray[Any], labels: npt.NDArray[Any], seed: int
) -> dict[str, float]:
    """Alignment and uniformity of L2-normalised embeddings; low is good for both.

    Positives are undefined for continuous labels; here they are the pairs whose distance in the
    valence-arousal plane is at or below the fifth percentile (carl.md §2). Alignment falls to 0
    when an encoder collapses, where uniformity rises to 0, its maximum: read them together.

    Args:
        embeddings: (N, H), as the encoder gives them.
        labels: Valence and arousal (N, 2) in [0, 1].
        seed: Draws the sample where there are too many rows or pairs.

    Returns:
        ``alignment`` in [0, 4], ``alignment_pairs``, the number of positive pairs it is a mean
        of, and ``uniformity`` in [-8, 0]. NaN for a zero vector or fewer than two rows.
    """
    pairs = metrics.close_pairs(labels, limit=ALL_PAIRS, seed=seed)
    return {
        "alignment": metrics.alignment(embeddings, pairs),
        "alignment_pairs": float(len(pairs)),
        "uniformity": metrics.uniformity(embeddings, seed=seed),
    }
