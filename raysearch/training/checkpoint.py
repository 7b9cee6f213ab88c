"""How does a trial's state reach its place whole, and come back.

In a folder a checkpoint is written under a temporary name, flushed, and renamed; in an object
store it is one upload. A reader sees the old one or the new one and nothing between. A store
that does not answer is asked again for `raysearch.storage.LASTING`, while the trial waits.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import torch

from raysearch.errors import StoreError
from raysearch.storage import LASTING, Storage, UnansweredError, open_storage
from raysearch.storage.place import above, last_name, shown

__all__ = [
    "checkpoint_digest",
    "has_checkpoint",
    "load_checkpoint",
    "remove_checkpoint",
    "save_checkpoint",
]

_log = logging.getLogger(__name__)


def save_checkpoint(place: str | Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, scalars, containers) to a path or URI, whole or not at all.

    Raises:
        StoreError: The folder cannot be written, the disk is full or the store does not
            answer; an earlier checkpoint is still in place.
    """
    store = _store(place)
    try:
        store.fill(last_name(place), lambda file: torch.save(state, file))
    except UnansweredError as error:
        raise StoreError(str(error)) from error
    except (OSError, RuntimeError) as error:
        raise StoreError(
            f"a checkpoint must be writable, but {shown(place)} is not: {error}"
        ) from error


def load_checkpoint(place: str | Path) -> dict[str, Any] | None:
    """The state at a path or URI, or None when there is none or it cannot be read.

    A checkpoint that cannot be read (a damaged disk) costs the training since the start of
    the trial, not the trial: it is logged and counted as none.

    Raises:
        StoreError: The store does not answer, so nobody knows whether there is one.
    """
    try:
        with _store(place).open(last_name(place)) as file:
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except UnansweredError as error:
        raise StoreError(str(error)) from error
    except Exception as error:  # the unpickler raises nearly anything on damaged bytes
        _log.warning("checkpoint %s cannot be read and is ignored: %s", shown(place), error)
        return None
    return state


def has_checkpoint(place: str | Path) -> bool:
    """Whether one lies at a path or URI; it may still prove damaged.

    Raises:
        StoreError: The place cannot be looked at.
    """
    try:
        return _store(place).exists(last_name(place))
    except OSError as error:
        raise StoreError(f"{shown(place)} must be readable, but is not: {error}") from error


def checkpoint_digest(place: str | Path) -> str:
    """SHA-256 of the file of the one at a path or URI.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        with _store(place).open(last_name(place)) as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise StoreError(f"{shown(place)} must be readable, but is not: {error}") from error


def remove_checkpoint(place: str | Path) -> None:
    """Remove the one at a path or URI, if there is one.

    Raises:
        StoreError: It cannot be removed.
    """
    try:
        _store(place).remove(last_name(place))
    except OSError as error:
        raise StoreError(f"{shown(place)} must be removable, but is not: {error}") from error


def _store(place: str | Path) -> Storage:
    return open_storage(above(place), make=False, patience=LASTING)
