"""Saves an encoder so that any other program can open it."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from raysearch.encoders.quiet import quiet
from raysearch.errors import StoreError
from raysearch.storage.whole import new_folder, unwritten

__all__ = ["TRAINED_ON", "save"]

_RUST = re.compile(r"\(os error (\d+)\)")

TRAINED_ON = "trained_on.txt"
"""Beside the weights: `Encoder.trained_on`, one mark per line. Absent if there are none."""


def save(
    model: Any,
    tokenizer: Any,
    folder: Path | str,
    *,
    trained_on: Collection[str] = (),
    pooling: str = "",
) -> Path:
    """Write an encoder that `AutoModel` and `AutoTokenizer.from_pretrained(folder)` open.

    A process that dies here leaves either no folder or a complete one. Other programs compute the
    same vectors, except for a text that contains a control token, which most of them interpret.

    Args:
        model: A transformers model; its weights are written unchanged.
        tokenizer: Its tokenizer, written without truncation or padding.
        folder: Destination; must not exist.
        trained_on: As in `Encoder.trained_on`, so that whoever loads it scores none of these.
        pooling: ``cls`` or ``mean``: how token states become a text's vector, written for
            sentence-transformers; empty if there is no pooling.
            that sentence-transformers does the same; empty where nothing was pooled.

    Returns:
        The folder.

    Raises:
        StoreError: The folder exists, or cannot be written (disk full, read-only).
    """
    folder = Path(folder)
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    try:
        with new_folder(folder) as fresh, quiet():
            fresh.mkdir()
            model.save_pretrained(fresh)
            tokenizer.save_pretrained(fresh)
            if trained_on:
                text = "".join(f"{mark}\n" for mark in sorted(trained_on))
                (fresh / TRAINED_ON).write_text(text, encoding="ascii")
            if pooling:
                _write_pooling(fresh, int(model.config.hidden_size), pooling)
            _share(fresh)
    except Exception as error:
        cause = _of_the_system(error)
        if cause is None:
            raise
        raise StoreError(
            f"the encoder must be written to {folder}, but {unwritten(cause)}"
        ) from error
    return folder


def _write_pooling(folder: Path, size: int, pooling: str) -> None:
    """Write the pooling configuration of all versions of sentence-transformers."""
    kinds = (("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"))
    modules = [
        {"idx": index, "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (name, path, kind) in enumerate(kinds)
    ]
    settings = {
        "word_embedding_dimension": size,
        "pooling_mode_cls_token": pooling == "cls",
        "pooling_mode_mean_tokens": pooling == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    (folder / "1_Pooling").mkdir()
    for path, content in (
        (folder / "modules.json", modules),
        (folder / "1_Pooling" / "config.json", settings),
    ):
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="ascii")


def _share(folder: Path) -> None:
    """Apply the umask to every file; safetensors writes for its owner alone."""
    mode = stat.S_IMODE((folder / "config.json").stat().st_mode)
    for path in folder.iterdir():
        if path.is_file():
            path.chmod(mode)


def _of_the_system(error: Exception) -> OSError | None:
    """The OSError behind an error; safetensors and tokenizers (Rust) have its number as text."""
    if isinstance(error, OSError):
        return error
    if found := _RUST.search(str(error)):
        return OSError(int(found[1]), os.strerror(int(found[1])))
    return OSError(str(error)) if isinstance(error, SafetensorError) else None
