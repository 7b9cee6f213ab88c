"""Prunes a multilingual vocabulary to the pieces that the data uses.

Four fifths of multilingual-e5-small, and most of XLM-R, are word embeddings. A corpus uses a
tenth of them; the rest costs memory, loading time and optimiser steps.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedTokenizerFast

from raysearch.encoders.encoder import Encoder, combined_digest
from raysearch.errors import EncoderError

__all__ = ["prune_vocabulary"]


def prune_vocabulary(encoder: Encoder, texts: Iterable[str]) -> Encoder:
    """The encoder with only the pieces that `texts` use, special tokens and single characters.

    On these texts it produces the same tokens and identical vectors. Pass the texts of all roles,
    including dev and test: any other text is split into other, smaller pieces.

    Args:
        encoder: One with a Unigram tokenizer (multilingual E5, XLM-R); unchanged.
        texts: All texts that it will read.

    Returns:
        A new encoder; ids are renumbered in their former order.

    Raises:
        EncoderError: The tokenizer is of another kind.
    """
    if not encoder.tokenizer.is_fast:
        raise EncoderError(f"only a fast tokenizer can be pruned; use {encoder.name} whole")
    backend = encoder.tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    state = json.loads(backend.to_str())
    template = state["post_processor"] or {}
    if state["model"]["type"] != "Unigram" or template.get("type") != "TemplateProcessing":
        raise EncoderError(
            f"only a Unigram vocabulary can be pruned, but {encoder.name} has "
            f"{state['model']['type']}; use it whole"
        )
    used = {token for text in backend.encode_batch_fast(list(texts)) for token in text.ids}
    kept = _kept(state, used)
    if encoder.tokenizer.pad_token_id != kept.index(encoder.tokenizer.pad_token_id):
        raise EncoderError(f"the padding id of {encoder.name} must not move; use it whole")

    written = json.dumps(_renumbered(state, kept), ensure_ascii=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(written),
        model_max_length=encoder.tokenizer.model_max_length,
        **encoder.tokenizer.special_tokens_map,
    )
    return dataclasses.replace(
        encoder,
        model=_with_rows(encoder.model, kept),
        tokenizer=tokenizer,
        digest=combined_digest(encoder.digest, written),
    )


def _kept(state: dict[str, Any], used: set[int]) -> list[int]:
    """Ids that stay, ascending."""
    vocabulary = state["model"]["vocab"]
    special = {token["id"] for token in state["added_tokens"]}
    single = {index for index, (piece, _) in enumerate(vocabulary) if len(piece) == 1}
    # An unknown character costs 10 less than the rarest piece: without that piece the scores of
    # alternative splits would change.
    rarest = min(range(len(vocabulary)), key=lambda index: float(vocabulary[index][1]))
    return sorted(used | special | single | {rarest, state["model"]["unk_id"]})


def _renumbered(state: dict[str, Any], kept: list[int]) -> dict[str, Any]:
    """The tokenizer's own JSON with the kept pieces and their new ids."""
    new_ids = {old: new for new, old in enumerate(kept)}
    model = state["model"]
    model["vocab"] = [model["vocab"][old] for old in kept]
    model["unk_id"] = new_ids[model["unk_id"]]
    for token in state["added_tokens"]:
        token["id"] = new_ids[token["id"]]
    for token in state["post_processor"]["special_tokens"].values():
        token["ids"] = [new_ids[old] for old in token["ids"]]
    return state


def _with_rows(model: Any, kept: list[int]) -> Any:
    """A copy of the model with only these rows of word embeddings; the others are never copied."""
    rows = model.get_input_embeddings().weight
    smaller = nn.Parameter(rows.detach()[kept].clone())
    pruned = copy.deepcopy(model, {id(rows): smaller})
    pruned.get_input_embeddings().num_embeddings = len(kept)
    pruned.config.vocab_size = len(kept)
    new_ids = {old: new for new, old in enumerate(kept)}
    for role in ("bos_token_id", "eos_token_id"):
        old = pruned.config.to_dict().get(role)
        if old is not None:
            setattr(pruned.config, role, new_ids[old])
    return pruned
