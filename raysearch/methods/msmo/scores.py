"""How good are predicted aspects: exact-match micro-F1, and what is predicted out of thin air."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from raysearch.corpora.absa.records import Aspect

__all__ = ["micro_f1"]

T = TypeVar("T")

SMOOTHING = 1e-4
"""Added to every denominator, as in the code; it costs a perfect score some 1e-4."""


def micro_f1(
    gold: Sequence[Sequence[Aspect]], predicted: Sequence[Sequence[Aspect]]
) -> dict[str, float]:
    """Scores over all sentences together (docs/msmo.md §1.7).

    A prediction is right if first word, last word and polarity are. With TP right ones, P =
    TP / (predicted + 1e-4), R = TP / (gold + 1e-4) and F1 = 2PR / (P + R + 1e-4).

    Departures: shares, not percent; an aspect named twice in a sentence counts once, which
    `tags.decode` never gives.

    Args:
        gold: Aspects of each sentence. As in the code they are decoded from the gold labels,
            so that a run of mixed polarity is none.
        predicted: Aspects of the same sentences.

    Returns:
        ``f1``, ``precision``, ``recall`` in [0, 1]; ``aspect_f1``, the same F1 with polarity
        left out; ``hallucinated``, the share in [0, 1] of predicted aspects that have no word
        in common with any gold aspect, 0 when nothing is predicted; ``predicted``, the number
        of predicted aspects per sentence.

    Raises:
        ValueError: There are not as many sentences of the one as of the other.
    """
    pairs = [(set(one), set(other)) for one, other in zip(gold, predicted, strict=True)]
    precision, recall, f1 = _rates(pairs)
    _, _, aspect_f1 = _rates([(_places(one), _places(other)) for one, other in pairs])
    count = sum(len(other) for _, other in pairs)
    invented = sum(
        not any(aspect.begin <= real.end and real.begin <= aspect.end for real in one)
        for one, other in pairs
        for aspect in other
    )
    return {
        "f1": f1,
        "precision": precision,
        "recall": recall,
        "aspect_f1": aspect_f1,
        "hallucinated": invented / max(1, count),
        "predicted": count / max(1, len(pairs)),
    }


def _places(aspects: set[Aspect]) -> set[tuple[int, int]]:
    return {(aspect.begin, aspect.end) for aspect in aspects}


def _rates(pairs: Sequence[tuple[set[T], set[T]]]) -> tuple[float, float, float]:
    """Precision, recall and F1 of (gold, predicted) sets."""
    right = sum(len(one & other) for one, other in pairs)
    precision = right / (sum(len(other) for _, other in pairs) + SMOOTHING)
    recall = right / (sum(len(one) for one, _ in pairs) + SMOOTHING)
    return precision, recall, 2 * precision * recall / (precision + recall + SMOOTHING)
