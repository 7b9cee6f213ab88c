"""How is a code-switched sentence made from a sentence, its translation and their aspects.

The k-th aspect of a sentence and the k-th of its translation are the same aspect (msmo.md
§1.5.5). D_ST is the source sentence with each aspect term replaced by that of the translation,
D_TS the translation with each replaced by that of the source.
"""

from __future__ import annotations

from collections.abc import Sequence

from raysearch.corpora.absa.records import TaggedSentence

__all__ = ["switch", "terms"]


def terms(sentence: TaggedSentence) -> tuple[tuple[str, ...], ...]:
    """The words of each aspect, from left to right."""
    return tuple(sentence.words[a.begin : a.end + 1] for a in sentence.aspects)


def switch(sentence: TaggedSentence, others: Sequence[tuple[str, ...]]) -> TaggedSentence:
    """The sentence with its k-th aspect term replaced by the k-th of the others.

    Every word of a new term has the polarity of the aspect that it replaces.

    Args:
        sentence: Where terms are replaced.
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
