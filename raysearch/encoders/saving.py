"""How is an encoder kept so that any other program can open it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from raysearch.encoders.quiet import quiet
from raysearch.errors import StoreError

__all__ = ["save"]


def save(model: Any, tokenizer: Any, folder: Path | str) -> Path:
    """Write an encoder that `AutoModel` and `AutoTokenizer.from_pretrained(folder)` open.

    It is written beside `folder` and then renamed: a process that dies here leaves either no
    folder, the former one, or the whole new one, and the next `save` clears what it left.

    Args:
        model: A transformers model; its weights are written as they are.
        tokenizer: Its tokenizer, written without truncation or padding.
        folder: Where to; a folder that is there is replaced.

    Returns:
        The folder.

    Raises:
        StoreError: If the folder cannot be written (disk full, read-only, a file in its place).
    """
    folder = Path(folder)
    fresh = folder.with_name(f".{folder.name}.new")
    former = folder.with_name(f".{folder.name}.old")
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        with quiet():
            model.save_pretrained(fresh)
            tokenizer.save_pretrained(fresh)
        shutil.rmtree(former, ignore_errors=True)
        if folder.exists():
            folder.rename(former)
        fresh.rename(folder)
        shutil.rmtree(former, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise StoreError(
            f"the encoder cannot be written to {folder} ({error}); free space there or choose "
            f"another folder"
        ) from error
    return folder
