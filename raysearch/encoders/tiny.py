"""How can tests and dry runs have an encoder without any file.

A random BERT of 2 layers x 64 and a byte-level tokenizer: every text of every script has
tokens, none is unknown. Lower-case letters merge in pairs, so that an English word is about
half as many tokens as letters. It has learnt nothing: its vectors mean nothing.
"""

from __future__ import annotations

import hashlib
from string import ascii_lowercase
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

__all__ = ["TINY_LAYERS", "tiny_model", "tiny_tokenizer"]

TINY_LAYERS = 2
_POSITIONS = 512
_SEED = 20_240
_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_SPACE = "\u0120"  # how byte-level pre-tokenisers write a space


def tiny_tokenizer() -> Any:
    """The tokenizer: NFKC, lower case, bytes, merged letter pairs; ``[CLS] text [SEP]``."""
    merges = [(_SPACE, letter) for letter in ascii_lowercase]
    merges += [(first, second) for first in ascii_lowercase for second in ascii_lowercase]
    pieces = [*_SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    pieces += [first + second for first, second in merges]
    ids = {piece: index for index, piece in enumerate(pieces)}

    backend = Tokenizer(models.BPE(vocab=ids, merges=merges, unk_token="[UNK]"))
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), spaces, normalizers.Strip()]
    )
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=_POSITIONS,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def tiny_model(layers: int, vocabulary_size: int) -> tuple[Any, str]:
    """The model and the SHA-256 (hex) of its tensors; the same on every call.

    The first layers of the two-layer model are those of the one-layer model.
    """
    config = BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=64,
        num_hidden_layers=TINY_LAYERS,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=_POSITIONS,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = BertModel(config, add_pooling_layer=False)
    model.encoder.layer = model.encoder.layer[:layers]
    model.config.num_hidden_layers = layers
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return model.eval(), digest.hexdigest()
