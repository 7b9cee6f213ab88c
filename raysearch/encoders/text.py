"""How do texts become token ids, and which of the tokens are not text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from raysearch.errors import DataError, EncoderError

__all__ = ["EncodedText", "encode", "written"]

_ROOM_FOR_SPECIALS = 3  # begin, one piece of text, end


class EncodedText(NamedTuple):
    """One text in token ids, as long as it is: no padding.

    Attributes:
        ids: ``(T,)`` vocabulary ids with the begin and end tokens that the encoder expects.
        specials: ``(T,)``, True where the token is no text (``[CLS]``, ``</s>``, padding, mask);
            an unknown word is text, and so is a control token that is written in one.
    """

    ids: list[int]
    specials: list[bool]


def encode(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[EncodedText]:
    """Tokenise many texts at once.

    Args:
        tokenizer: An encoder's tokenizer.
        texts: N texts.
        max_length: Tokens that are kept of one text, specials included; the rest is cut off.

    Returns:
        N records in the order of `texts`.

    Raises:
        DataError: If a text has no token of its own (empty, or only spaces); names its index.
        EncoderError: If `max_length` leaves no room, or is more than the encoder has positions.
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
    """Texts in which "[SEP]" or "</s>" is what its writer wrote and no control token.

    A space stands behind its first character then: a vocabulary may have the whole as a piece.
    """
    found = list(texts)
    for token in tokenizer.all_special_tokens:
        found = [text.replace(token, f"{token[:1]} {token[1:]}") for text in found]
    return found
