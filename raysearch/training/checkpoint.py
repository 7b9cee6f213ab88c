"""How does a trial's state reach the disk whole, and come back.

A checkpoint is written under a temporary name, flushed, and renamed, so that a reader sees
the old one or the new one and nothing between.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch

from raysearch.errors import StoreError

__all__ = ["load_checkpoint", "save_checkpoint"]

_log = logging.getLogger(__name__)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, scalars, containers) to `path`, whole or not at all.

    Raises:
        StoreError: The folder cannot be written or the disk is full; an earlier checkpoint
            is still in place.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"a checkpoint must be writable, but {path} is not: {error}") from error


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state at `path`, or None when there is none or it cannot be read.

    A checkpoint that cannot be read (a damaged disk) costs the training since the start of
    the trial, not the trial: it is logged and counted as none.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises nearly anything on damaged bytes
        _log.warning("checkpoint %s cannot be read and is ignored: %s", path, error)
        return None
    return state
