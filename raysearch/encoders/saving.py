"""How is an encoder kept so that any other program can open it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from raysearch.encoders.quiet import quiet
from raysearch.errors import StoreError
from raysearch.storage.new_folder import new_folder
from raysearch.storage.whole import unwritten

__all__ = ["TRAINED_ON", "save"]

_RUST = re.compile(r"\(os error (\d+)\)")

TRAINED_ON = "trained_on.txt"
"""Beside the weights: `Encoder.trained_on`, one mark a line. Absent where there is none."""


def save(
    model: Any, tokenizer: Any, folder: Path | str, *, trained_on: Collection[str] = ()
) -> Path:
    """Write an encoder that `AutoModel` and `AutoTokenizer.from_pretrained(folder)` open.

    A process that dies here leaves either no folder or the whole one.

    Args:
        model: A transformers model; its weights are written as they are.
        tokenizer: Its tokenizer, written without truncation or padding.
        folder: Where to; nothing may be there.
        trained_on: As in `Encoder.trained_on`, so that whoever loads it scores none of these.

    Returns:
        The folder.

    Raises:
        StoreError: Something is there, or the folder cannot be written (disk full, read-only).
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
    except Exception as error:
        cause = _of_the_system(error)
        if cause is None:
            raise
        raise StoreError(
            f"the encoder must be written to {folder}, but {unwritten(cause)}"
        ) from error
    return folder


def _of_the_system(error: Exception) -> OSError | None:
    """The system's error; safetensors and tokenizers, in Rust, tell its number in words."""
    if isinstance(error, OSError):
        return error
    if told := _RUST.search(str(error)):
        return OSError(int(told[1]), os.strerror(int(told[1])))
    return OSError(str(error)) if isinstance(error, SafetensorError) else None
