"""Word labels, decoding them to aspects, and the aspects' F1.

`bieos` converts the runs of marked words of a file to labels; `decode` extracts aspects from any
sequence of labels, including malformed ones of a tagger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from raysearch.corpora.absa.records import POLARITIES, Aspect, TaggedSentence

__all__ = ["OUTSIDE", "PLACES", "TAGS", "bieos", "decode", "micro_f1"]

PLACES: tuple[str, ...] = ("B", "I", "E", "S")
"""Place of a word in its aspect: first, inner, last of several, single."""

OUTSIDE = 0
"""Label of a word that belongs to no aspect."""

TAGS: tuple[str, ...] = (
    "O",
    *(f"{place}-{polarity}" for polarity in POLARITIES for place in PLACES),
)
"""The 13 labels, by index (docs/msmo.md §1.2): O; B, I, E, S of POS, of NEG, of NEU."""


def bieos(sentence: TaggedSentence) -> tuple[int, ...]:
    """Labels of the words of a sentence (docs/msmo.md §1.2).

    Every maximal run of marked words is one aspect, and every word keeps the polarity of its
    own tag, so a run of mixed polarity becomes labels that `decode` rejects.

    Args:
        sentence: Tags are ``O``, ``T-POS``, ``T-NEG`` or ``T-NEU``.

    Returns:
        One index into `TAGS` for each word.
    """
    labels = [OUTSIDE] * len(sentence.tags)
    for aspect in sentence.aspects:
        inner = "I" * (aspect.end - aspect.begin - 1)
        places = "S" if aspect.begin == aspect.end else f"B{inner}E"
        for word, place in enumerate(places, start=aspect.begin):
            polarity = sentence.tags[word].removeprefix("T-")
            labels[word] = TAGS.index(f"{place}-{polarity}")
    return tuple(labels)


def decode(labels: Sequence[int]) -> list[Aspect]:
    """Aspects of a sequence of labels, well formed or not (docs/msmo.md §1.7, as in the code).

    From left to right, with a memory of polarities and of where an aspect began. S is an aspect
    and clears the memory, but not the beginning. B starts again and keeps only its own polarity
    in the memory. E closes an aspect if one has begun before it and all polarities in the memory
    agree; otherwise nothing changes. Words between B and E are not checked: ``B-POS O E-POS`` is
    an aspect of three words, and ``B-POS S-NEG E-POS`` is two aspects.

    Args:
        labels: Indices into `TAGS`, one for each word.

    Returns:
        The aspects in the order in which they close; at most one ends at a word.
    """
    found: list[Aspect] = []
    remembered: set[str] = set()
    begin = -1
    for index, label in enumerate(labels):
        if label == OUTSIDE:
            continue
        place, polarity = TAGS[label].split("-")
        if place == "B":
            begin, remembered = index, set()
        remembered.add(polarity)
        if place == "S":
            found.append(Aspect(index, index, polarity))
            remembered = set()
        elif place == "E" and begin >= 0 and len(remembered) == 1:
            found.append(Aspect(begin, index, polarity))
            begin, remembered = -1, set()
    return found


T = TypeVar("T")

SMOOTHING = 1e-4
"""Added to every denominator, as in the code; lowers a perfect score by some 1e-4."""


def micro_f1(
    gold: Sequence[Sequence[Aspect]], predicted: Sequence[Sequence[Aspect]]
) -> dict[str, float]:
    """Scores over all sentences together (docs/msmo.md §1.7).

    A prediction is right if first word, last word and polarity are. With TP right ones, P =
    TP / (predicted + 1e-4), R = TP / (gold + 1e-4) and F1 = 2PR / (P + R + 1e-4).

    Departures: fractions, not percent; duplicate aspects in a sentence, which `tags.decode` never
    returns, count once.

    Args:
        gold: Aspects of each sentence. As in the code they are decoded from the gold labels,
            so that a run of mixed polarity is none.
        predicted: Aspects of the same sentences.

    Returns:
        ``f1``, ``precision``, ``recall`` in [0, 1]; ``aspect_f1``, the same F1 ignoring
        polarity; ``hallucinated``, the fraction in [0, 1] of predicted aspects that overlap no
        gold aspect, 0 when nothing is predicted; ``predicted``, the number of predicted aspects
        per sentence.

    Raises:
        ValueError: The numbers of sentences differ.
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
