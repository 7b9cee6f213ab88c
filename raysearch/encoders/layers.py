"""Layers and positions of a model; truncation to the first layers."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from raysearch.errors import EncoderError

__all__ = ["first_layer", "keep_layers", "kept_layers", "positions", "take_padding"]

_UNLIMITED = 1 << 20


def kept_layers(name: str, asked: int, available: int) -> int:
    """Number of layers to keep; 0 requests all.

    Raises:
        EncoderError: More are requested than there are.
    """
    if asked > available:
        raise EncoderError(
            f"`layers` must be <= {available}, the layers of {name}, but got {asked}; "
            f"0 keeps all of them"
        )
    return asked or available


def keep_layers(name: str, config: Any, asked: int) -> None:
    """Change a configuration to that of the model's first layers.

    Its per-layer lists (`layer_types`, `attention_window`) are shortened as well: a configuration
    that lists more layers than there are can be used but neither written nor read again.

    Raises:
        EncoderError: More are requested than there are.
    """
    available = config.num_hidden_layers
    kept = kept_layers(name, asked, available)
    if kept == available:
        return
    listed = [
        key
        for key, value in config.to_dict().items()
        if isinstance(value, list | tuple) and len(value) == available and hasattr(config, key)
    ]
    for key in listed:
        setattr(config, key, list(getattr(config, key))[:kept])
    config.num_hidden_layers = kept


def positions(model: Any) -> int:
    """Most tokens of one text.

    RoBERTa-like families number positions from after the padding id, which their table of
    positions has as its own; its first rows are not positions.
    """
    found = [
        table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
        for table in _position_tables(model)
    ]
    stated = getattr(model.config, "max_position_embeddings", None)
    if isinstance(stated, int) and stated > 0:
        found.append(stated)
    return min(found, default=_UNLIMITED)


def take_padding(model: Any, pad_id: int | None) -> None:
    """Make a model pad like its tokenizer, if no state depends on it.

    BERT with the tokenizer of another family (multilingual MiniLM and E5) usually has the id of a
    text's first token there, whose embedding then could not be trained. Families that number
    positions from the padding id keep their own.
    """
    stated = getattr(model.config, "pad_token_id", None)
    numbered = any(table.padding_idx is not None for table in _position_tables(model))
    if pad_id is None or stated is None or numbered:
        return
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.padding_idx == stated:
            module.padding_idx = pad_id
    model.config.pad_token_id = pad_id


def _position_tables(model: Any) -> list[nn.Embedding]:
    return [
        module
        for name, module in model.named_modules()
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding)
    ]


def first_layer(model: Any) -> Any:
    """A model of the first layer alone, which shares only tensors with the whole one.

    So state that a forward pass stores in a model (BigBird's permanent choice of attention) does
    not reach the whole one.
    """
    tensors = (*model.parameters(), *model.buffers())
    found = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    layers = found.config.num_hidden_layers
    stacks = {
        name: module
        for name, module in found.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == layers
    }
    for name, stack in stacks.items():
        if not any(name.startswith(f"{each}.") for each in stacks):
            parent, _, own = name.rpartition(".")
            setattr(found.get_submodule(parent), own, stack[:1])
    for module in found.modules():
        if getattr(module, "n_layers", None) == layers:  # XLM has its own counter
            module.n_layers = 1
    found.config.num_hidden_layers = 1
    return found
