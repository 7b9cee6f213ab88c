"""Finds the files of an encoder without loading it.

Weights are those that `from_pretrained` would read: safetensors, else PyTorch's own. All other
files count except those that nothing reads: tokenizers read files of many names (``bpe.codes``,
``added_tokens.json``, ``spiece.model``), and without one of them two different encoders would have
the same digest.
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from raysearch.encoders.encoder import file_sha256
from raysearch.encoders.packaged import PACKAGED, find_weights
from raysearch.sources import note_read
from raysearch.storage.uri import expanded

__all__ = ["encoder_files", "folder_files", "note_encoder"]

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_UNREAD = frozenset(
    (".bin", ".safetensors", ".pt", ".pth", ".h5", ".msgpack", ".ot", ".onnx", ".ckpt", ".gguf")
    + (".md", ".png", ".jpg", ".jpeg", ".svg", ".gif", ".py", ".pyc", ".yaml", ".yml", ".lock")
)
"""Suffixes of other kinds of weights and of documentation; none is a tokenizer's file."""
_OTHERS = frozenset(
    ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")
    + ("data_config.json", "trainer_state.json", "license", "license.txt", "notice")
)
"""Files of sentence-transformers and of trainers, which `from_pretrained` does not open."""


def folder_files(folder: Path) -> dict[str, Path]:
    """Name to path of the files that an encoder's folder is read from, in order of name."""
    weights: list[Path] = []
    for pattern in _WEIGHTS:
        weights = weights or sorted(folder.glob(pattern))
    others = [
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.name[0] != "."
        and path.name.lower() not in _OTHERS
        and path.suffix.lower() not in _UNREAD
    ]
    return {path.name: path for path in sorted([*weights, *others])}


def encoder_files(name: str) -> dict[str, Path]:
    """The files of an encoder by its name; empty for `tiny`, or if it is not downloaded yet.

    Raises:
        EncoderError: A package's encoder is not installed, or damaged.
    """
    if name == "tiny":
        return {}
    package = name.removeprefix("package:")
    if package != name:
        weights = find_weights(package)
        one_file = PACKAGED[package].form != "folder"
        return {weights.name: weights} if one_file else folder_files(weights.parent)
    folder = expanded(name)
    if not folder.is_dir():
        try:
            cached = try_to_load_from_cache(name, "config.json")
        except ValueError:  # not a hub id; loading will report it
            cached = None
        if not isinstance(cached, str):
            return {}
        folder = Path(cached).parent
    return folder_files(folder)


def note_encoder(name: str) -> None:
    """Report every file of an encoder as read (`raysearch.sources`).

    Raises:
        EncoderError: As `encoder_files`.
        OSError: A file cannot be read.
    """
    for file, path in encoder_files(name).items():
        note_read(f"encoder {name}: {file}", path, file_sha256(path))
