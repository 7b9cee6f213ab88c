"""Code-switched views, and a placebo that switches words outside of aspects.

The placebo for aspect switching, which is not in the paper: as many words change their language,
but none of an aspect. Each aspect has one swap, of a run of words in the sentence and a run in its
translation, which change places: D_ST is the source sentence with the runs of the translation,
D_TS the translation with those of the source sentence. Aspects keep their words and tags, so the
k-th aspects of all views still correspond.

1. The run of a swap is as long as the aspect's term: in the source sentence as the source term,
   in the translation as the target term.
2. Runs contain no word of an aspect and no punctuation, which has no language, and do not overlap
   each other. The longest terms of a sentence choose first; the choice among the free positions
   depends only on seed, row and aspect.
3. If no run of that length is free, the longest shorter one is taken, and counted.
4. If the sentence or the translation has no word left, the swap is left out of both, and counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raysearch.corpora.absa.records import TaggedSentence

__all__ = ["RandomSwitch", "switch", "switch_randomly", "terms"]

NAME = "raysearch random switching 1"
"""Changing it changes which words are switched."""

Run = tuple[int, int]
"""Index of the first word, and number of words."""


@dataclass(frozen=True, kw_only=True)
class RandomSwitch:
    """Sentences with words outside of aspects switched.

    Attributes:
        sentences: Row to D_ST and D_TS, for the same rows as the input.
        swaps: Number of swaps made, each in both views.
        shorter: How many of them have a run shorter than the aspect's term.
        left: Swaps that were left out because no word was free.
    """

    sentences: Mapping[int, tuple[TaggedSentence, TaggedSentence]]
    swaps: int
    shorter: int
    left: int


def switch_randomly(
    pairs: Mapping[int, tuple[TaggedSentence, TaggedSentence]], seed: int
) -> RandomSwitch:
    """Exchange runs outside of aspects between sentences and their translations.

    Args:
        pairs: Row to sentence and translation with as many aspects; the choice depends on the row.
        seed: Determines the runs; any integer.
    """
    sentences = {}
    swaps = shorter = left = 0
    for row, (source, target) in pairs.items():
        ours = _runs(source, f"{seed}\n{row}\ns")
        theirs = _runs(target, f"{seed}\n{row}\nt")
        both = [
            (one, other)
            for one, other in zip(ours, theirs, strict=True)
            if one is not None and other is not None
        ]
        swaps += len(both)
        left += len(ours) - len(both)
        shorter += sum(
            one is not None
            and other is not None
            and (one[1] < a.end - a.begin + 1 or other[1] < b.end - b.begin + 1)
            for one, other, a, b in zip(ours, theirs, source.aspects, target.aspects, strict=True)
        )
        sentences[row] = (
            _replaced(source, [(one, _words(target, other)) for one, other in both]),
            _replaced(target, [(other, _words(source, one)) for one, other in both]),
        )
    return RandomSwitch(sentences=sentences, swaps=swaps, shorter=shorter, left=left)


def _runs(sentence: TaggedSentence, draw: str) -> list[Run | None]:
    """The run of each aspect by rules 1 to 3, None if no word is left."""
    aspects = sentence.aspects
    free = [
        tag == "O" and any(character.isalnum() for character in word)
        for word, tag in zip(sentence.words, sentence.tags, strict=True)
    ]
    runs: list[Run | None] = [None] * len(aspects)
    lengths = [aspect.end - aspect.begin + 1 for aspect in aspects]
    for index in sorted(range(len(aspects)), key=lambda k: -lengths[k]):
        options = _options(free, lengths[index])
        if options:
            begin, length = options[_number(f"{draw}\n{index}") % len(options)]
            free[begin : begin + length] = [False] * length
            runs[index] = begin, length
    return runs


def _options(free: Sequence[bool], longest: int) -> list[Run]:
    """The free runs of the greatest available length up to `longest`."""
    for length in range(longest, 0, -1):
        found = [
            (begin, length)
            for begin in range(len(free) - length + 1)
            if all(free[begin : begin + length])
        ]
        if found:
            return found
    return []


def _number(text: str) -> int:
    """A 256-bit number that depends only on the text."""
    return int.from_bytes(hashlib.sha256(f"{NAME}\n{text}".encode()).digest())


def _words(sentence: TaggedSentence, run: Run) -> tuple[str, ...]:
    return sentence.words[run[0] : run[0] + run[1]]


def _replaced(
    sentence: TaggedSentence, swaps: Sequence[tuple[Run, tuple[str, ...]]]
) -> TaggedSentence:
    """The sentence with these runs replaced; from the right, so that indices stay valid."""
    words, tags = list(sentence.words), list(sentence.tags)
    for (begin, length), others in sorted(swaps, reverse=True):
        words[begin : begin + length] = others
        tags[begin : begin + length] = ["O"] * len(others)
    return TaggedSentence(tuple(words), tuple(tags))


def terms(sentence: TaggedSentence) -> tuple[tuple[str, ...], ...]:
    """The words of each aspect, from left to right."""
    return tuple(sentence.words[a.begin : a.end + 1] for a in sentence.aspects)


def switch(sentence: TaggedSentence, others: Sequence[tuple[str, ...]]) -> TaggedSentence:
    """The sentence with its k-th aspect term replaced by the k-th of the others.

    Every word of a new term has the polarity of the aspect that it replaces.

    Args:
        sentence: The sentence.
        others: As many terms as it has aspects, none of them empty.
    """
    words: list[str] = []
    tags: list[str] = []
    done = 0
    for aspect, other in zip(sentence.aspects, others, strict=True):
        words += [*sentence.words[done : aspect.begin], *other]
        tags += [*sentence.tags[done : aspect.begin], *[f"T-{aspect.polarity}"] * len(other)]
        done = aspect.end + 1
    return TaggedSentence(
        (*words, *sentence.words[done:]),
        (*tags, *sentence.tags[done:]),
    )
