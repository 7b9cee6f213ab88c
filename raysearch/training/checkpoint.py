"""Writes and reads a trial's checkpoint and its final weights.

In a folder a file is written under a temporary name, flushed, and renamed; in an object store it
is one upload. So a reader sees the old file or the new one, and a digest detects later damage
(`state_file`). A store that does not answer is retried for `raysearch.storage.RETRY_LONG`, while
the trial waits.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from raysearch.errors import StoreError
from raysearch.run import CHECKPOINT, FORMER_CHECKPOINT, FORMER_KEPT, KEPT, RunSpec
from raysearch.storage import RETRY_LONG, Storage, UnansweredError, open_storage
from raysearch.storage.uri import join, last_name, parent, redacted
from raysearch.storage.whole import unwritten
from raysearch.training.state_file import DamagedStateError, read_state, write_state

__all__ = [
    "DamagedStateError",
    "Weights",
    "has_weights",
    "load_checkpoint",
    "load_weights",
    "remove_checkpoint",
    "remove_weights",
    "save_checkpoint",
    "save_weights",
]

_log = logging.getLogger(__name__)


def save_checkpoint(uri: str | Path, state: Mapping[str, Any]) -> None:
    """Write a running trial's `state` to a path or URI, whole or not at all.

    Raises:
        StoreError: The folder cannot be written, the disk is full or the store does not
            answer; an earlier checkpoint is kept.
    """
    _save(uri, state, kind="checkpoint", key="")


def load_checkpoint(uri: str | Path) -> dict[str, Any] | None:
    """The state at a path or URI, or None if it is missing or damaged.

    A damaged checkpoint costs the training since the start of the trial, not the trial: it is
    logged and ignored.

    Raises:
        StoreError: The store does not answer, so it is unknown whether there is one.
    """
    try:
        with _store(uri).open(last_name(uri)) as file:
            return read_state(file, kind="checkpoint")[0]
    except FileNotFoundError:
        return None
    except UnansweredError as error:
        raise StoreError(str(error)) from error
    except (DamagedStateError, OSError) as error:
        _log.warning(
            "checkpoint %s is damaged and not read; its trial starts from the beginning: %s",
            *(redacted(uri), error),
        )
        return None


def save_weights(spec: RunSpec, result: Mapping[str, Any], *, key: str) -> str:
    """Save the result of a finished trial's last stage in the folder of its run.

    Args:
        spec: The trial's.
        result: The result of `Method.finish`.
        key: The last stage's key, which binds the weights to settings, data, seed and code.

    Returns:
        Their digest, for the trial's record.

    Raises:
        StoreError: As `save_checkpoint`.
    """
    return _save(join(spec.folder, KEPT), result, kind="weights", key=key)


@dataclass(frozen=True)
class Weights:
    """The weights of a finished trial.

    Attributes:
        result: As passed to `save_weights`.
        digest: As returned by `save_weights`; for weights of an earlier version, their file's.
    """

    result: Mapping[str, Any]
    digest: str


def load_weights(spec: RunSpec, *, key: str = "", digest: str = "") -> Weights | None:
    """What `save_weights` saved, or None if there is nothing.

    Args:
        spec: The trial's.
        key: The key in the trial's record; empty if it has none.
        digest: The digest in it; empty if it has none, as in records of earlier versions.
            Damage to their weights (`FORMER_KEPT`) is detected by the checksums in the file.

    Raises:
        DamagedStateError: They are damaged, or another trial's.
        StoreError: The store does not answer, or the file cannot be read.
    """
    store = _store_of(spec)
    with _saying(spec, "readable"):
        try:
            with store.open(KEPT) as file:
                return Weights(
                    *read_state(file, kind="weights", key=key or None, digest=digest or None)
                )
        except FileNotFoundError:
            pass
        try:
            with store.open(FORMER_KEPT) as file:
                return _read_former(file, key)
        except FileNotFoundError:
            return None


def has_weights(spec: RunSpec) -> bool:
    """Whether a run has weights; they may still prove damaged.

    Raises:
        StoreError: The folder cannot be listed.
    """
    store = _store_of(spec)
    with _saying(spec, "readable"):
        return store.exists(KEPT) or store.exists(FORMER_KEPT)


def remove_checkpoint(spec: RunSpec) -> None:
    """Remove a run's checkpoint, if there is one.

    Raises:
        StoreError: It cannot be removed.
    """
    _remove(spec, (CHECKPOINT, FORMER_CHECKPOINT))


def remove_weights(spec: RunSpec) -> None:
    """Remove a run's weights, if there are any.

    Raises:
        StoreError: They cannot be removed.
    """
    _remove(spec, (KEPT, FORMER_KEPT))


def _remove(spec: RunSpec, names: Sequence[str]) -> None:
    store = _store_of(spec)
    with _saying(spec, "removable"):
        for name in names:
            store.remove(name)


def _save(uri: str | Path, state: Mapping[str, Any], *, kind: str, key: str) -> str:
    found = []
    try:
        _store(uri).fill(
            last_name(uri),
            lambda file: found.append(write_state(file, state, kind=kind, key=key)),
        )
    except UnansweredError as error:
        raise StoreError(str(error)) from error
    except OSError as error:
        raise StoreError(
            f"`{redacted(uri)}` must be written, but {unwritten(error)}; what is there is whole"
        ) from error
    return found[-1]


def _read_former(file: BinaryIO, key: str) -> Weights:
    """Weights of earlier versions, in a zip whose CRCs `torch.load` does not check."""
    try:
        with zipfile.ZipFile(file) as archive:
            if (damaged := archive.testzip()) is not None:
                raise DamagedStateError(f"its part {damaged} is damaged")
        file.seek(0)
        state = torch.load(file, map_location="cpu", weights_only=True)
        kept, result = state["key"], dict(state["method"])
    except DamagedStateError:
        raise
    except Exception as error:  # zip and unpickler raise nearly anything on damaged bytes
        raise DamagedStateError(f"it cannot be read: {str(error).partition(chr(10))[0]}") from error
    if key and kept != key:
        raise DamagedStateError("it belongs to other settings, data or code")
    file.seek(0)
    return Weights(result, hashlib.sha256(file.read()).hexdigest())


@contextmanager
def _saying(spec: RunSpec, rule: str) -> Iterator[None]:
    """Turn an OSError about a run's files into a sentence."""
    try:
        yield
    except UnansweredError as error:
        raise StoreError(str(error)) from error
    except OSError as error:
        raise StoreError(f"{redacted(spec.folder)} must be {rule}, but is not: {error}") from error


def _store_of(spec: RunSpec) -> Storage:
    return open_storage(spec.folder, make=False, retry=RETRY_LONG)


def _store(uri: str | Path) -> Storage:
    return open_storage(parent(uri), make=False, retry=RETRY_LONG)
