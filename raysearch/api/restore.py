"""A finished trial's method, weights or numbers again.

Its weights are those that the sweep kept, or are trained again, which gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from raysearch.api.messages import QUIET, Messages
from raysearch.api.trials import settings_of, spec_of
from raysearch.config import read_config
from raysearch.cores import usable_cores
from raysearch.errors import StoreError
from raysearch.methods import get_method
from raysearch.methods.base import Method
from raysearch.run import Run, RunSpec, RunState
from raysearch.sources import short, sources_of
from raysearch.storage.uri import redacted
from raysearch.training.checkpoint import (
    DamagedStateError,
    Weights,
    load_weights,
    remove_checkpoint,
)
from raysearch.training.hardware import torch_threads
from raysearch.training.origin import sources_now
from raysearch.training.run import execute_run, restore_method

__all__ = ["changed_sources", "restored", "train_here", "with_weights"]


def with_weights(
    trial: Run, folder: str | Path, data_dir: str, messages: Messages = QUIET
) -> tuple[RunSpec, Weights]:
    """The trial's run and its final weights: those that the sweep kept, or trained again.

    Weights that are damaged, or those of another trial, are never used.

    Args:
        trial: The trial.
        folder: Its sweep's folder or URI.
        data_dir: Folder of the corpora.
        messages: Where to say that it is trained again, and how that goes.

    Raises:
        StoreError: Training again gave another number: code or data have changed since.
    """
    spec, why = spec_of(trial, folder), "its weights were not kept"
    try:
        weights = load_weights(spec, **_recorded(trial))
    except DamagedStateError as error:
        weights = None
        why = f"its kept weights in {redacted(spec.folder)} are not used, because {error}"
    if weights is None:
        messages.note(f"trial {trial.id}: {why}; training it again")
        weights = _trained_again(trial, spec, data_dir, messages)
    return spec, weights


def _recorded(trial: Run) -> dict[str, str]:
    """What a record says of the weights; rows of earlier versions have no digest of them."""
    return {
        "key": trial.provenance.get("stage_key", ""),
        "digest": trial.provenance.get("weights_sha256", ""),
    }


def _trained_again(trial: Run, spec: RunSpec, data_dir: str, messages: Messages) -> Weights:
    """The trial's weights after training it again, which must give its numbers.

    Raises:
        StoreError: It gave others, or what was written of it cannot be read back.
    """
    again = train_here(spec, data_dir, messages)
    shared = [name for name in trial.metrics if name in again.metrics and name.startswith("dev/")]
    moved = [n for n in shared if abs(again.metrics[n] - trial.metrics[n]) > 1e-2]
    if again.state is not RunState.COMPLETE or moved:
        said = again.reason or ", ".join(
            f"{n} {trial.metrics[n]:.4f} → {again.metrics[n]:.4f}" for n in moved[:3]
        )
        raise StoreError(f"trial {trial.id} must give its numbers again, but did not: {said}")
    remove_checkpoint(spec)
    problem = "nothing is there"
    try:
        weights = load_weights(spec, **_recorded(again))
    except DamagedStateError as error:
        weights, problem = None, str(error)
    if weights is None:
        raise StoreError(
            f"`{redacted(spec.folder)}` must keep what is written to it, but the weights "
            f"that were "
            f"written just now cannot be read back ({problem}); check the disk, then run the same "
            "command again"
        )
    return weights


def changed_sources(trial: Run, data_dir: str, *, method: bool = False) -> list[str]:
    """What a row was made from and is another one now, each in words; none where none is known.

    Args:
        trial: The row.
        data_dir: Folder of the corpora.
        method: Whether the method's code counts, too.
    """
    before = sources_of(trial.provenance)
    if not before:
        return []
    config_type = get_method(trial.method).config_type
    config = read_config(config_type, settings_of(trial.method, trial.config), where="a row")
    now = sources_now(trial.method, config, data_dir)
    return [
        f"`{name}` had SHA-256 {short(before[name])} and has {short(now[name])} now"
        for name in sorted(before.keys() & now.keys())
        if before[name] != now[name] and (method or not name.startswith("method "))
    ]


def restored(
    trial: Run,
    folder: str | Path,
    data_dir: str,
    role: str,
    *,
    before: Callable[[str], None],
    messages: Messages = QUIET,
) -> Method:
    """The trial's method with its final weights, and train, dev and the role opened.

    Args:
        trial: The trial.
        folder: Its sweep's folder or URI.
        data_dir: Folder of the corpora.
        role: What is opened beside train and dev.
        before: Called with the SHA-256 of the weights before anything is opened.
        messages: Where to say what is trained again and what is read.

    Raises:
        StoreError: See `with_weights`; or data or encoder are others now, and nothing was read.
    """
    changed = changed_sources(trial, data_dir)
    if changed:
        raise StoreError(
            f"trial {trial.id} must be read with the data and the encoder that it was made from, "
            f"but {'; '.join(changed)}: nothing was read; put it back"
        )
    spec, weights = with_weights(trial, folder, data_dir, messages)
    before(weights.digest)
    messages.note(f"trial {trial.id}: reading the {role.replace('_', ' ')} data")
    return restore_method(spec, weights.result, roles=("train", "dev", role), data_dir=data_dir)


def train_here(spec: RunSpec, data_dir: str, messages: Messages = QUIET) -> Run:
    """Run a run in this process.

    Args:
        spec: What is trained.
        data_dir: Folder of the corpora.
        messages: Has the listener of its progress.
    """
    # Torch counts the cores of the node; with more threads than a quota allows they wait in turn.
    threads = min(torch.get_num_threads(), usable_cores())
    with torch_threads(threads), messages.training(f"trial {spec.id}") as listener:
        trial = execute_run(spec, listener, data_dir=data_dir)
    assert trial is not None, "nobody stops a trial in this process"
    return trial
