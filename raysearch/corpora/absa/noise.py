"""Alignment noise: translations in which a given share of aspects is aligned wrongly.

A wrongly aligned aspect keeps its polarity and its index among the aspects, so that the k-th
aspects of all views still correspond; but it marks other words of the translation:

1. The aspects of all translations are processed in an order that depends only on the seed, until
   the share, rounded to whole aspects, is reached. A larger share includes the errors of a
   smaller one.
2. The wrong span lies between the neighbouring aspects, with at least one unmarked word to
   each, so that no two aspects merge. It has the length of the true span, or, if no other
   such span fits there, the greatest shorter one.
3. Of these it is one that shares the fewest words with true aspects: none if possible.
4. An aspect of one word with no other free word around it cannot be aligned wrongly; the next
   in the order is taken instead. If none is left the share is not reached, which is counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from raysearch.corpora.absa.records import Aspect, TaggedSentence

__all__ = ["Misaligned", "misalign"]

NAME = "raysearch alignment noise 1"
"""Changing it changes which aspects are affected."""


@dataclass(frozen=True, kw_only=True)
class Misaligned:
    """Translations with wrong alignments.

    Attributes:
        sentences: Row to translation, for the same rows as the input.
        wrong: Number of aspects that are aligned wrongly.
        asked: Number requested by the share.
        aspects: Total number of aspects.
    """

    sentences: Mapping[int, TaggedSentence]
    wrong: int
    asked: int
    aspects: int


def misalign(sentences: Mapping[int, TaggedSentence], share: float, seed: int) -> Misaligned:
    """Align a share of the aspects wrongly.

    Args:
        sentences: Row to translation with its aspects; the choice depends on the row.
        share: Fraction of all aspects, 0 to 1.
        seed: Determines aspects and spans; any integer.
    """
    true = {row: list(sentence.aspects) for row, sentence in sentences.items()}
    spans = {row: list(aspects) for row, aspects in true.items()}
    drawn = sorted(
        (_draw(seed, row, index), row, index)
        for row, aspects in true.items()
        for index in range(len(aspects))
    )
    asked = round(share * len(drawn))
    wrong = 0
    for number, row, index in drawn:
        if wrong == asked:
            break
        options = _options(len(sentences[row].words), true[row], spans[row], index)
        if options:
            spans[row][index] = options[number % len(options)]
            wrong += 1
    return Misaligned(
        sentences={row: _marked(sentence, spans[row]) for row, sentence in sentences.items()},
        wrong=wrong,
        asked=asked,
        aspects=len(drawn),
    )


def _draw(seed: int, row: int, index: int) -> int:
    """A 256-bit number that depends only on seed, row and aspect."""
    return int.from_bytes(hashlib.sha256(f"{NAME}\n{seed}\n{row}\n{index}".encode()).digest())


def _options(words: int, true: list[Aspect], spans: list[Aspect], index: int) -> list[Aspect]:
    """The wrong spans for one aspect by rules 2 and 3."""
    low = spans[index - 1].end + 2 if index else 0
    high = spans[index + 1].begin - 2 if index + 1 < len(spans) else words - 1
    own = true[index]
    marked = {word for aspect in true for word in range(aspect.begin, aspect.end + 1)}
    for length in range(own.end - own.begin + 1, 0, -1):
        found: dict[int, list[Aspect]] = {}
        for begin in range(low, high - length + 2):
            span = Aspect(begin, begin + length - 1, own.polarity)
            if span != own:
                shared = sum(word in marked for word in range(begin, begin + length))
                found.setdefault(shared, []).append(span)
        if found:
            return found[min(found)]
    return []


def _marked(sentence: TaggedSentence, spans: list[Aspect]) -> TaggedSentence:
    """The same words with these aspects."""
    if list(sentence.aspects) == spans:
        return sentence
    tags = ["O"] * len(sentence.words)
    for span in spans:
        for word in range(span.begin, span.end + 1):
            tags[word] = f"T-{span.polarity}"
    return TaggedSentence(sentence.words, tuple(tags))
