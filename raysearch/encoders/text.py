"""Token ids of texts and of their words, and which of the tokens are special.

A word is tokenised with the space before it, as in the text: byte-level vocabularies have other
pieces for a word without one, which only the first word is. Tokenizers that split words at spaces
are not affected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from raysearch.errors import DataError, EncoderError

__all__ = ["EncodedText", "check_words", "encode", "specials_around", "word_pieces", "written"]

_ROOM_FOR_SPECIALS = 3  # begin, one piece of text, end


class EncodedText(NamedTuple):
    """One text as token ids, without padding.

    Attributes:
        ids: ``(T,)`` vocabulary ids with the begin and end tokens that the encoder expects.
        specials: ``(T,)``, True if the token is not text (``[CLS]``, ``</s>``, padding, mask);
            an unknown word is text, and so is a control token that the text contains.
    """

    ids: list[int]
    specials: list[bool]


def encode(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[EncodedText]:
    """Tokenise many texts at once.

    Args:
        tokenizer: An encoder's tokenizer.
        texts: N texts.
        max_length: Most tokens of one text, including specials; the rest is cut off.

    Returns:
        N records in the order of `texts`.

    Raises:
        DataError: A text has no token of its own (empty, or only spaces); names its index.
        EncoderError: `max_length` leaves no room, or is more than the encoder has positions.
    """
    if not _ROOM_FOR_SPECIALS <= max_length <= tokenizer.model_max_length:
        raise EncoderError(
            f"`max_length` must be in [{_ROOM_FOR_SPECIALS}, {tokenizer.model_max_length}], the "
            f"positions of this encoder, but got {max_length}; set `max_length` within them"
        )
    if not texts:
        return []
    batch = tokenizer(
        written(tokenizer, texts),
        truncation=True,
        max_length=max_length,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=False,
    )["input_ids"]
    outside = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    records = []
    for index, ids in enumerate(batch):
        specials = [token in outside for token in ids]
        # Some tokenizers make a token of the space itself.
        if all(specials) or not texts[index].strip():
            raise DataError(
                f"a text must have at least one token, but text {index} ({texts[index][:40]!r}) "
                f"has none; remove the row or mend its text"
            )
        records.append(EncodedText(ids, specials))
    return records


def written(tokenizer: Any, texts: Sequence[str]) -> list[str]:
    """Texts in which "[SEP]" or "</s>" is literal text and not a control token.

    A space is inserted after its first character: a vocabulary may have the whole as a piece.
    """
    found = list(texts)
    for token in tokenizer.all_special_tokens:
        found = [text.replace(token, f"{token[:1]} {token[1:]}") for text in found]
    return found


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
    """Check that the pieces of words are those of their text.

    Raises:
        EncoderError: They are not: a piece may span words, or words change in context.
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
    """Ids that the tokenizer adds before and after a text."""
    (own,) = _ids(tokenizer, [_SAMPLE])
    whole: list[int] = tokenizer(_SAMPLE, verbose=False)["input_ids"]
    starts = range(len(whole) - len(own) + 1)
    first = next(start for start in starts if whole[start : start + len(own)] == own)
    return whole[:first], whole[first + len(own) :]


def _spaced(words: Sequence[str]) -> list[str]:
    return [word if index == 0 else f" {word}" for index, word in enumerate(words)]


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
