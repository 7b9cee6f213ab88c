"""Loads an encoder by its name; defines the random encoder `tiny`.

The first load of a name reads it into a pristine copy that stays in the process; every load
returns a copy of that, so that trials cannot change each other's weights. Loading draws no random
number from the caller's generators and prints nothing.

`tiny` is a random BERT of 2 layers x 64 and a byte-level tokenizer, for tests and dry runs: every
text of every script has tokens, none is unknown. Lower-case letters merge in pairs, so that an
English word has about half as many tokens as letters. Its vectors are meaningless.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.modeling_auto import MODEL_MAPPING
from transformers.models.auto.tokenization_auto import (
    get_tokenizer_config,
    tokenizer_class_from_name,
)
from transformers.utils.hub import cached_file

from raysearch.encoders.e5 import build_model, build_tokenizer, read_image
from raysearch.encoders.encoder import Encoder, combined_digest, file_sha256
from raysearch.encoders.files import folder_files, note_encoder
from raysearch.encoders.layers import keep_layers, kept_layers, positions, take_padding
from raysearch.encoders.names import ask_hub, check_hub_id
from raysearch.encoders.packaged import PACKAGED, find_weights
from raysearch.encoders.probe import check_encoder, check_tokenizer_files
from raysearch.encoders.quiet import in_one_line, quiet
from raysearch.encoders.saving import TRAINED_ON
from raysearch.errors import EncoderError
from raysearch.storage.uri import expanded

__all__ = ["TINY_LAYERS", "load", "tiny_model", "tiny_tokenizer"]

_log = logging.getLogger(__name__)

_ADAPTER = "adapter_config.json"

_MARK = re.compile(r"[0-9a-f]{16}")


def load(name: str, *, layers: int = 0) -> Encoder:
    """A new encoder, in eval mode, fp32, without a pooler.

    Args:
        name: ``package:minilm``, ``package:me5``, ``tiny``, a local folder or a hub id.
        layers: Number of first transformer layers to keep; 0 keeps all.

    Raises:
        EncoderError: The name is none of these, the package, folder or hub id does not exist,
            its bytes are damaged or incomplete, or it has fewer layers.
    """
    if layers < 0:
        raise EncoderError(f"`layers` must be >= 0 (0 keeps all), but got {layers}")
    with _reading(f"the encoder {name!r}"):
        stamp = _stamp(name)
        encoder = _pristine(name, layers, stamp).copy()
        note_encoder(name)
    return encoder


def _stamp(name: str) -> tuple[tuple[str, int, int], ...]:
    """Identifies the state of a local folder; empty for other names."""
    folder = expanded(name)
    if name == "tiny" or name.startswith("package:") or not folder.is_dir():
        return ()
    stats = {path.name: path.stat() for path in folder.iterdir()}
    return tuple((file, stats[file].st_size, stats[file].st_mtime_ns) for file in sorted(stats))


@functools.lru_cache(maxsize=4)
def _pristine(name: str, layers: int, stamp: tuple[tuple[str, int, int], ...]) -> Encoder:
    with quiet(), torch.random.fork_rng(devices=[]):
        encoder = _load(name, layers)
        check_encoder(name, encoder.model, encoder.tokenizer)
    return encoder


def _load(name: str, layers: int) -> Encoder:
    if name == "tiny":
        return _load_tiny(layers)
    if name.startswith("package:"):
        return _load_packaged(name, layers)
    folder = expanded(name)
    if folder.is_dir():
        return _load_folder(name, folder, layers)
    return _load_hub(name, layers)


def _load_tiny(layers: int) -> Encoder:
    kept = kept_layers("tiny", layers, TINY_LAYERS)
    tokenizer = tiny_tokenizer()
    model, weights = tiny_model(kept, len(tokenizer))
    digest = combined_digest(weights, tokenizer.backend_tokenizer.to_str(), str(kept))
    return Encoder(name="tiny", model=model, tokenizer=tokenizer, digest=digest)


def _load_packaged(name: str, layers: int) -> Encoder:
    package = name.removeprefix("package:")
    path = find_weights(package)
    if PACKAGED[package].form == "folder":
        return _load_folder(name, path.parent, layers)
    image = read_image(path)
    kept = kept_layers(name, layers, int(image.config["num_hidden_layers"]))
    return Encoder(
        name=name,
        model=build_model(image, kept),
        tokenizer=build_tokenizer(image),
        digest=combined_digest(file_sha256(path), str(kept)),
    )


def _load_folder(name: str, folder: Path, layers: int) -> Encoder:
    adapter = folder / _ADAPTER
    _check_no_adapter(name, str(adapter) if adapter.is_file() else None)
    if not (folder / "config.json").is_file():
        raise EncoderError(
            f"an encoder's folder must hold config.json, but {folder} has none; give the folder "
            f"that `save_pretrained` or `raysearch export` wrote"
        )
    with _reading(f"the encoder in {folder}"):
        model, tokenizer = _from_pretrained(name, str(folder), layers, local=True)
        check_tokenizer_files(name, type(tokenizer), folder, was_read=True)
        digest = _folder_digest(folder, model.config.num_hidden_layers)
        trained_on = _trained_on(folder)
    return Encoder(
        name=name, model=model, tokenizer=tokenizer, digest=digest, trained_on=trained_on
    )


def _load_hub(name: str, layers: int) -> Encoder:
    check_hub_id(name)
    _check_no_adapter(name, try_to_load_from_cache(name, _ADAPTER))
    with _reading(f"the hub's encoder {name!r}"):
        try:
            model, tokenizer = _from_pretrained(name, name, layers, local=True)
        except OSError:  # not in the cache, or not completely
            ask_hub(name)
            model, tokenizer = _from_pretrained(name, name, layers, local=False)
        folder = Path(str(try_to_load_from_cache(name, "config.json"))).parent
        check_tokenizer_files(name, type(tokenizer), folder, was_read=True)
        digest = _folder_digest(folder, model.config.num_hidden_layers)
    return Encoder(name=name, model=model, tokenizer=tokenizer, digest=digest)


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn errors on damaged files, which may be almost anything, into `EncoderError`."""
    try:
        yield
    except EncoderError:
        raise
    except Exception as error:
        # By name: nothing here may import the module that unpickles.
        if type(error).__name__ == "UnpicklingError":
            raise EncoderError(
                f"{what} must have its weights as tensors alone, but the file is damaged, or holds "
                "objects that may run any code and are never opened; write it again with "
                "`save_pretrained`, as safetensors"
            ) from error
        if "custom code" in str(error):
            raise EncoderError(
                f"{what} must be of a family that transformers itself has, but brings code of its "
                "own, which is never run; take another one"
            ) from error
        raise EncoderError(
            f"{what} cannot be read ({in_one_line(error)}); write or download it again"
        ) from error


def _from_pretrained(name: str, source: str, layers: int, *, local: bool) -> tuple[Any, Any]:
    """Model and tokenizer from a folder or hub id; only the kept layers are read."""
    options = {"local_files_only": local, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(source, **options)
    architecture = _architecture(name, config)
    keep_layers(name, config, layers)
    if "add_pooling_layer" in inspect.signature(architecture.__init__).parameters:
        options["add_pooling_layer"] = False
    model, report = AutoModel.from_pretrained(
        source, config=config, dtype=torch.float32, output_loading_info=True, **options
    )
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise EncoderError(
            f"the weights of {name} must fill the whole model, but lack {len(missing)} tensors, "
            f"such as {missing[0]!r}; they belong to another config.json"
        )
    tokenizer = _tokenizer(name, source, local=local)
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions(model))
    take_padding(model, tokenizer.pad_token_id)
    return model.eval(), tokenizer


def _tokenizer(name: str, source: str, *, local: bool) -> Any:
    """The tokenizer.

    Raises:
        EncoderError: It needs a package that is not installed, or a file that is missing.
    """
    try:
        return AutoTokenizer.from_pretrained(
            source, local_files_only=local, trust_remote_code=False
        )
    except Exception as error:  # a class that lacks a file may raise anything
        # Without sentencepiece transformers tries its file as tiktoken's, and reports that.
        if "`tiktoken` is required" not in str(error) or find_spec("sentencepiece") is not None:
            _check_files_of_class(name, source)
            raise
        raise EncoderError(
            f"the tokenizer of {name} has no tokenizer.json and must be read by the package "
            "sentencepiece, but that is not installed; install it (`pip install sentencepiece`)"
        ) from error


def _check_files_of_class(name: str, source: str) -> None:
    """Check the files of a tokenizer that could not be read.

    Raises:
        EncoderError: One is missing.
    """
    stated = get_tokenizer_config(source, local_files_only=True).get("tokenizer_class")
    kind = tokenizer_class_from_name(stated) if stated else None
    config = cached_file(source, "config.json", local_files_only=True)
    if kind is not None and config is not None:
        check_tokenizer_files(name, kind, Path(config).parent, was_read=False)


def _architecture(name: str, config: Any) -> Any:
    """The class of the model.

    Raises:
        EncoderError: It has a decoder, or has no plain model class.
    """
    if getattr(config, "is_encoder_decoder", False):
        raise EncoderError(
            f"an encoder must have no decoder, but {name} is of type {config.model_type}, whose "
            "last states are the decoder's; take an encoder such as BERT or RoBERTa"
        )
    if type(config) not in MODEL_MAPPING or not hasattr(config, "num_hidden_layers"):
        raise EncoderError(
            f"an encoder must be one stack of layers over texts, but {name} is of type "
            f"{config.model_type}; take an encoder such as BERT or RoBERTa"
        )
    return MODEL_MAPPING[type(config)]


def _check_no_adapter(name: str, adapter: object) -> None:
    if isinstance(adapter, str):
        raise EncoderError(
            f"an encoder must be a whole model, but {name} is an adapter ({Path(adapter).name}), "
            "which changes another one; merge them (peft: `merge_and_unload()`), write the "
            "result with `save_pretrained` and give that folder"
        )


def _folder_digest(folder: Path, layers: int) -> str:
    parts = [f"{name}={file_sha256(path)}" for name, path in folder_files(folder).items()]
    return combined_digest(*parts, str(layers))


def _trained_on(folder: Path) -> frozenset[str]:
    """The marks of an exported encoder's training texts; empty for one from elsewhere.

    Raises:
        EncoderError: The file is malformed.
    """
    path = folder / TRAINED_ON
    if not path.is_file():
        if (folder / "raysearch.yaml").is_file():
            _log.warning(
                "the encoder in %s was exported by an earlier version, which did not say what it "
                "was trained on: probes may score such texts; export it again",
                folder,
            )
        return frozenset()
    found = frozenset(path.read_text(encoding="ascii").split())
    if not all(_MARK.fullmatch(mark) for mark in found):
        raise EncoderError(
            f"{path} must hold a hash of 16 hex digits in each line, but does not; export the "
            "encoder again: without it, probes would score texts that it was trained on"
        )
    return found


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
