"""One trial without a search, in this process and without Ray.

The same call again goes on from its checkpoint, or returns the finished row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from raysearch.api.config_file import read_config_file
from raysearch.api.messages import QUIET, Messages, shown
from raysearch.api.options import TrainOptions, absolute_folders, check_seed, with_keywords
from raysearch.api.restore import changed_sources, train_here
from raysearch.api.trials import goal_of
from raysearch.config import flatten, read_config, said_value
from raysearch.corpora import data_dir
from raysearch.errors import ConfigError, RunError
from raysearch.leaderboard import Store
from raysearch.methods import get_method
from raysearch.names import checked_name
from raysearch.run import Cell, MetricGoal, Run, RunSpec, RunState
from raysearch.sources import short, versions_of
from raysearch.storage.uri import join
from raysearch.training.checkpoint import remove_checkpoint
from raysearch.training.origin import versions

__all__ = ["Trained", "train", "train_trial"]


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
    """One trial without a search, in this process; the finished row when it has run before.

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
    """The finished trial of these settings, trained now where it was not before.

    Args:
        options: What to train.
        messages: Where to say how it goes.

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
    """What is trained, and where.

    Raises:
        ConfigError: Everything wrong with the options.
    """
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
    """See that a folder's rows are of the data, encoder and method that there are now.

    Raises:
        ConfigError: Something is another one now, so that the rows are no answer.
    """
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
    """The task of the one cell.

    Raises:
        ConfigError: The method has several and none is named, or another one is.
    """
    if wanted is None and len(tasks) == 1:
        return tasks[0]
    if wanted is None:
        raise ConfigError(
            f"`--task` must name one of {', '.join(tasks)}, because one trial trains one of them"
        )
    if wanted not in tasks:
        raise ConfigError(f"`--task` must be one of {', '.join(tasks)}, but got {wanted!r}")
    return wanted
