"""How is an encoder kept so that any other program can open it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from raysearch.encoders.quiet import quiet
from raysearch.errors import StoreError
from raysearch.storage.new_folder import new_folder

__all__ = ["save"]


def save(model: Any, tokenizer: Any, folder: Path | str) -> Path:
    """Write an encoder that `AutoModel` and `AutoTokenizer.from_pretrained(folder)` open.

    A process that dies here leaves either no folder or the whole one.

    Args:
        model: A transformers model; its weights are written as they are.
        tokenizer: Its tokenizer, written without truncation or padding.
        folder: Where to; nothing may be there.

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
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"the encoder cannot be written to {folder} ({error}); free space there or choose "
            f"another folder"
        ) from error
    return folder
