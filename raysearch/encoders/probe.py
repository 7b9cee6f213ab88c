"""Checks on a loaded encoder: that it does what every method assumes.

Files that do not belong together usually load without an error and produce wrong vectors. One
short and one longest text through the first layer detect that; no random number is drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from raysearch.encoders.layers import first_layer
from raysearch.encoders.quiet import in_one_line
from raysearch.encoders.text import encode
from raysearch.errors import DataError, EncoderError

__all__ = ["check_encoder", "check_tokenizer_files"]

_SHORT = "The caf\u00e9 isn't bad."
_LONG = "The food was good, and 10 others came late! " * 100
_LONGEST = 512
"""The most tokens that a setting `max_length` may ask for."""
_TOLERANCE = 1e-3
"""Tolerance relative to the largest state: rounding is 1e-6, another position or mask 1e-1."""


def check_tokenizer_files(name: str, kind: Any, folder: Path, *, was_read: bool) -> None:
    """Check that a tokenizer is read from files and not created from its class alone.

    Args:
        name: The encoder's, for messages.
        kind: The tokenizer's class.
        folder: Where its files must be.
        was_read: Whether it was read, so that a file which is missing is optional.

    Raises:
        EncoderError: Neither tokenizer.json nor all files of the class are in the folder.
    """
    own = [file for file in kind.vocab_files_names.values() if file != "tokenizer.json"]
    there = [file for file in own if (folder / file).is_file()]
    if issubclass(kind, PreTrainedTokenizerFast):  # works without them
        enough = there == own != [] or (folder / "tokenizer.json").is_file()
        wanted = " or ".join(["tokenizer.json", " and ".join(own)][: 1 + bool(own)])
    else:
        enough = there == own or (was_read and bool(there))
        wanted = " and ".join(own)
    if enough:
        return
    raise EncoderError(
        f"the folder of the encoder {name} must hold its tokenizer, {wanted}, but {folder} does "
        "not; write it there with `tokenizer.save_pretrained`, or download the whole encoder"
    )


def check_encoder(name: str, model: Any, tokenizer: Any) -> None:
    """Check that tokenizer and weights belong together and produce reliable states.

    Args:
        name: The encoder's, for messages.
        model: In eval mode; unchanged.
        tokenizer: With `model_max_length` set to the model's positions.

    Raises:
        EncoderError: What is wrong, and what to do.
    """
    _check_vocabulary(name, model, tokenizer)
    _check_padding(name, model, tokenizer)
    _check_weights(name, model)
    with torch.no_grad():
        _check_states(name, first_layer(model), tokenizer)


def _check_vocabulary(name: str, model: Any, tokenizer: Any) -> None:
    try:
        rows = len(model.get_input_embeddings().weight)
    except (NotImplementedError, AttributeError):
        raise EncoderError(
            f"an encoder must look its tokens up in a table of embeddings, but {name}, a "
            f"{type(model).__name__}, has none; take another one"
        ) from None
    if len(tokenizer) > rows:
        raise EncoderError(
            f"the embeddings of {name} must have a row for each of the {len(tokenizer)} tokens of "
            f"its tokenizer, but have {rows}; take the tokenizer that it was trained with, or "
            "train it after `resize_token_embeddings`"
        )
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise EncoderError(
            f"the tokenizer of {name} must know pieces of text, but knows its {len(tokenizer)} "
            "special tokens only; its vocabulary file is missing or of another tokenizer"
        )


def _check_padding(name: str, model: Any, tokenizer: Any) -> None:
    own, wanted = tokenizer.pad_token_id, getattr(model.config, "pad_token_id", None)
    if own is None:
        raise EncoderError(
            f"the tokenizer of {name} must have a padding token, since texts of a batch differ in "
            "length, but has none; models that only continue text have none, so take an encoder, "
            "or set `pad_token` and write both again"
        )
    if wanted is not None and own != wanted:
        raise EncoderError(
            f"the tokenizer of {name} must pad with the id {wanted}, from which it numbers "
            f"positions, but pads with {own}; take the tokenizer that it was trained with"
        )


def _check_weights(name: str, model: Any) -> None:
    tensors = model.state_dict()
    wrong = [key for key, tensor in tensors.items() if not _finite(tensor)]
    if wrong:
        raise EncoderError(
            f"the weights of {name} must be finite, but {len(wrong)} of {len(tensors)} tensors are "
            f"not, such as {wrong[0]}; the training that wrote them diverged, or their file is "
            "damaged"
        )


def _finite(tensor: torch.Tensor) -> bool:
    # A sum is faster and propagates every NaN and infinity; if it overflows, check again.
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def _check_states(name: str, model: Any, tokenizer: Any) -> None:
    """Forward a short and a longest text by ids, by embeddings, and the short one alone."""
    try:
        short, long = encode(tokenizer, [_SHORT, _LONG], min(tokenizer.model_max_length, _LONGEST))
    except DataError:
        raise EncoderError(
            f"the tokenizer of {name} must make tokens of every text, but makes none of {_SHORT!r}"
        ) from None
    size, width = len(short.ids), len(long.ids)
    ids = torch.full((2, width), tokenizer.pad_token_id)
    ids[0, :size], ids[1] = torch.tensor(short.ids), torch.tensor(long.ids)
    mask = torch.ones_like(ids)
    mask[0, size:] = 0
    try:
        by_ids = model(input_ids=ids, attention_mask=mask).last_hidden_state
        embedded = model.get_input_embeddings()(ids)
        by_embeddings = model(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        alone = model(input_ids=ids[:1, :size], attention_mask=mask[:1, :size]).last_hidden_state
    except Exception as error:  # an arbitrary model may raise anything
        raise EncoderError(
            f"{name} must give a state for each of {width} tokens, by their ids and by their "
            f"embeddings, but as {type(model).__name__} fails ({in_one_line(error)}); "
            "take an encoder of texts"
        ) from error
    real = mask.bool()
    if not by_ids[real].isfinite().all():
        raise EncoderError(
            f"{name} must give finite states, but its weights are so large that they overflow; the "
            "training that wrote them diverged, or their file is damaged"
        )
    for found, wanted, what in (
        (by_embeddings[real], by_ids[real], "whether it is given as ids or as embeddings"),
        (alone[0], by_ids[0, :size], "how far it is padded"),
    ):
        if not _close(found, wanted):
            raise EncoderError(
                f"the states of a text must not depend on {what}, but those of {name}, a "
                f"{type(model).__name__}, do; take another encoder"
            )


def _close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    if found.shape != wanted.shape:
        return False
    limit = _TOLERANCE * wanted.abs().max()
    return bool((found - wanted).abs().max() <= limit)
