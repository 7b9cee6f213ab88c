"""Trains one run in this process, without Ray: a new one, or a finished one for its weights.

The same call of `train` continues from its checkpoint, or returns the finished row. The weights of
a finished run are those that its sweep kept, or are trained again, which gives the same numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from raysearch.api.messages import QUIET, Messages, shown
from raysearch.api.options import TrainOptions, absolute_folders, check_seed, with_keywords
from raysearch.api.sweep_plan import read_config_file
from raysearch.api.trials import goal_of, settings_of, spec_of
from raysearch.config import flatten, read_config, said_value
from raysearch.cores import usable_cores
from raysearch.corpora import data_dir
from raysearch.errors import ConfigError, RunError, StoreError
from raysearch.leaderboard import Store
from raysearch.methods import get_method
from raysearch.methods.base import Method
from raysearch.names import checked_name
from raysearch.run import Cell, MetricGoal, Run, RunSpec, RunState
from raysearch.sources import short, sources_of, versions_of
from raysearch.storage.uri import join, redacted
from raysearch.training.again import train_again
from raysearch.training.checkpoint import (
    DamagedStateError,
    Weights,
    load_weights,
    remove_checkpoint,
)
from raysearch.training.hardware import torch_threads
from raysearch.training.origin import sources_now, versions
from raysearch.training.run import execute_run, restore_method

__all__ = [
    "Trained",
    "changed_sources",
    "restored",
    "train",
    "train_here",
    "train_trial",
    "with_weights",
]


def with_weights(
    trial: Run, folder: str | Path, data_dir: str, messages: Messages = QUIET
) -> tuple[RunSpec, Weights]:
    """The trial's run and its final weights: those that the sweep kept, or trained again.

    Weights that are damaged, or those of another trial, are never used.

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
    """Key and digest of a row's weights; empty in rows of earlier versions."""
    return {
        "key": trial.provenance.get("stage_key", ""),
        "digest": trial.provenance.get("weights_sha256", ""),
    }


def _trained_again(trial: Run, spec: RunSpec, data_dir: str, messages: Messages) -> Weights:
    """Train the trial again, check that its numbers are the same, and return its weights."""
    with messages.training(f"trial {spec.id}") as listener:
        again = train_again(trial, spec, listener, data_dir=data_dir)
    assert again is not None, "nobody stops a trial in this process"
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
    """Sources of a row that have changed since, in words; empty if none is recorded.

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
    """The trial's method with its final weights, with train, dev and the role opened.

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
    """Execute a run in this process."""
    # Torch counts the cores of the node; with more threads than a quota allows they wait in turn.
    threads = min(torch.get_num_threads(), usable_cores())
    with torch_threads(threads), messages.training(f"trial {spec.id}") as listener:
        trial = execute_run(spec, listener, data_dir=data_dir)
    assert trial is not None, "nobody stops a trial in this process"
    return trial


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trial that has been trained.

    Attributes:
        trial: Its row.
        folder: Where the row lies.
        goal: What ranks the folder's trials; None where nothing says.
    """

    trial: Run
    folder: str
    goal: MetricGoal | None


@with_keywords(TrainOptions)
def train(options: TrainOptions) -> Run:
    """Train one trial without a search, in this process; returns the row if it has run before.

    Takes the keywords of `raysearch.api.options.TrainOptions`.

    Raises:
        RunError: The trial failed, and why.
        RaysearchError: It cannot run, and why.

    >>> import raysearch
    >>> tiny = {"encoder": "tiny", "epochs": 0.5, "batch_size": 16, "reports": 1}
    >>> trial = raysearch.train("carl", settings=tiny, name="one", quiet=True)
    >>> trial.state.value, trial.config["encoder"], "dev/va_pearson" in trial.metrics
    ('complete', 'tiny', True)
    """
    with shown(options.quiet) as messages:
        return train_trial(options, messages).trial


def train_trial(options: TrainOptions, messages: Messages = QUIET) -> Trained:
    """The finished trial of these settings; trains it if needed.

    Raises:
        RunError: The trial failed, and why.
        RaysearchError: It cannot run, and why.
    """
    spec = _spec(options)
    folder = join(str(options.results), spec.sweep)
    store = Store(folder)
    done = {trial.key: trial for trial in store.trials()}
    trial = done.get((spec.sweep, spec.number, spec.cell.task, spec.cell.seed))
    if any(dict(other.config) != spec.config for other in done.values()):
        raise ConfigError(
            f"`--name` {spec.sweep} holds a trial of other settings; choose another name"
        )
    data = str(data_dir(options.data_dir))
    _check_same(done.values(), spec.sweep, data, messages)
    if trial is None:
        trial = train_here(spec, data, messages)
        store.append(trial)
        remove_checkpoint(spec)
    if trial.state is RunState.FAILED:
        raise RunError(f"trial {trial.id} failed: {trial.reason}")
    return Trained(trial=trial, folder=folder, goal=goal_of(folder, options.method))


def _spec(options: TrainOptions) -> RunSpec:
    """The run to execute."""
    configured = read_config_file(options.config, options.method) if options.config else None
    texts = (configured.settings if configured else {}) | options.setting_texts
    task = (configured.task if configured else "") or None
    task = task if options.task is None else options.task
    seed = (configured.seed if configured else None) or 0
    seed = seed if options.seed is None else options.seed
    check_seed(seed)
    loader = get_method(options.method)
    typed = {name: said_value(text) for name, text in texts.items()}
    config = read_config(loader.config_type, absolute_folders(typed), where="--set")
    settings = flatten(config)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    name = checked_name(options.name or f"{options.method}-train-{digest}", "`--name`")
    spec = RunSpec(
        sweep=name,
        number=0,
        cell=Cell(_task(task, loader.tasks(config)), seed),
        method=options.method,
        config=settings,
        folder="",
        keep=True,
    )
    return replace(spec, folder=join(str(options.results), name, "leases", spec.id))


def _check_same(rows: Collection[Run], name: str, data: str, messages: Messages) -> None:
    """Check that a folder's rows have the current data, encoder and method."""
    problems = [
        f"`--name` {name} holds trial {row.id} of other sources, and is no result of what is "
        f"there now: {change}; choose another name, or put it back"
        for row in rows
        for change in changed_sources(row, data, method=True)
    ]
    if problems:
        raise ConfigError(problems)
    for row in rows:
        before, now = versions_of(row.provenance), versions_of(versions(row.method))
        moved = [n for n in before if n in now and before[n] != now[n]]
        if moved:
            listed = ", ".join(f"{n} {short(before[n])}, now {short(now[n])}" for n in moved)
            messages.note(f"trial {row.id} was made with {listed}")


def _task(wanted: str | None, tasks: Sequence[str]) -> str:
    """The task of the one cell."""
    if wanted is None and len(tasks) == 1:
        return tasks[0]
    if wanted is None:
        raise ConfigError(
            f"`--task` must name one of {', '.join(tasks)}, because one trial trains one of them"
        )
    if wanted not in tasks:
        raise ConfigError(f"`--task` must be one of {', '.join(tasks)}, but got {wanted!r}")
    return wanted
