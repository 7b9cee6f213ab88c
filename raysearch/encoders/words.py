"""Which pieces has each word of a sentence, so that together they are those of its text?

A word is tokenised with the space before it, as it stands in the text: byte-level vocabularies
have other pieces for a word without one, which only the first word is. Tokenizers that separate
words by spaces themselves do not mind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raysearch.encoders.text import written
from raysearch.errors import EncoderError

__all__ = ["check_words", "specials_around", "word_pieces"]

_SAMPLE = "The caf\u00e9 isn't bad , 10 stars \U0001f600 ; \u4f60\u597d \u0430\u0431\u0432 !"


def word_pieces(tokenizer: Any, sentences: Sequence[Sequence[str]]) -> list[list[list[int]]]:
    """Vocabulary ids of every word of every sentence, without special tokens.

    Args:
        tokenizer: An encoder's tokenizer, fast or slow.
        sentences: Words of each; joined by spaces they are its text.

    Returns:
        Lists of ids, sentence by sentence and word by word; empty for a word that has none.
    """
    spaced = [_spaced(words) for words in sentences]
    distinct = list(dict.fromkeys(word for words in spaced for word in words))
    if not distinct:
        return [[] for _ in spaced]
    ids = dict(zip(distinct, _ids(tokenizer, distinct), strict=True))
    return [[ids[word] for word in words] for words in spaced]


def check_words(name: str, tokenizer: Any) -> None:
    """See that the pieces of words are those of their text.

    Raises:
        EncoderError: They are not: a piece may span words, or words are changed by others.
    """
    words = _SAMPLE.split(" ")
    ((whole,), (apart,)) = _ids(tokenizer, [_SAMPLE]), word_pieces(tokenizer, [words])
    joined = [piece for word in apart for piece in word]
    if joined != whole:
        raise EncoderError(
            f"the tokenizer of {name} must make the same pieces of a text and of its words, but "
            f"makes {len(whole)} of {_SAMPLE!r} and {len(joined)} of its words; words cannot be "
            "labelled with it, so take an encoder whose tokenizer separates words"
        )


def specials_around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Ids that the tokenizer puts before a text and behind it."""
    (own,) = _ids(tokenizer, [_SAMPLE])
    whole: list[int] = tokenizer(_SAMPLE, verbose=False)["input_ids"]
    starts = range(len(whole) - len(own) + 1)
    first = next(start for start in starts if whole[start : start + len(own)] == own)
    return whole[:first], whole[first + len(own) :]


def _spaced(words: Sequence[str]) -> list[str]:
    return [word if place == 0 else f" {word}" for place, word in enumerate(words)]


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    batch = tokenizer(
        written(tokenizer, texts),
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    found: list[list[int]] = batch["input_ids"]
    return found
