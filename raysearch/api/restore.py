"""Which finished trial is meant, and how is it run, evaluated or exported again.

A row holds every setting, so a lease can be made from it; its weights are those that the
sweep kept, or are trained again, which gives the same numbers.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysearch.api.options import find_space
from raysearch.config import read_config, rules
from raysearch.errors import ConfigError, StoreError, known_names
from raysearch.methods import get_method
from raysearch.run import MetricGoal, Run, RunSpec, RunState, Scalar
from raysearch.sources import short, sources_of
from raysearch.storage.uri import join, redacted

if TYPE_CHECKING:
    import pyarrow as pa

    from raysearch.leaderboard import Store, SweepCard
    from raysearch.methods.base import Method
    from raysearch.training.checkpoint import Weights

__all__ = [
    "card_of",
    "changed_sources",
    "goal_of",
    "lease_of",
    "oracle_role",
    "restored",
    "settings_of",
    "trials_of",
    "with_weights",
]


def settings_of(method: str, row: Mapping[str, Scalar]) -> dict[str, Any]:
    """A row's settings as a lease takes them; a missing value counts only where null may stand.

    Raises:
        ConfigError: The row holds settings that this version's method does not know.
    """
    known = rules(get_method(method).config_type)
    values = {
        name: value
        for name, value in row.items()
        if value is not None or (name in known and known[name].optional)
    }
    read_config(get_method(method).config_type, values, where=f"a row of {method}")
    return values


def lease_of(trial: Run, folder: str | Path) -> RunSpec:
    """The lease that makes the trial again, in the folder of its sweep, keeping its weights."""
    lease = RunSpec(
        sweep=trial.sweep,
        number=trial.number,
        cell=trial.cell,
        method=trial.method,
        config=settings_of(trial.method, trial.config),
        folder="",
        keep=True,
    )
    return replace(lease, folder=join(folder, "leases", lease.id))


def trials_of(
    folder: str | Path, wanted: Sequence[str], *, metric: str | None = None, task: str | None = None
) -> list[Run]:
    """The cells of the wanted configurations of a sweep, in order of number and cell.

    Args:
        folder: The sweep's folder or URI.
        wanted: Trial numbers; ``best``, which is the best of each pair where each was searched
            by itself; ``all`` for every complete one.
        metric: What ``best`` means; None for the sweep's own goal.
        task: Only cells of this task; None for all.

    Raises:
        ConfigError: A number is not one, or is not a complete trial of this sweep, or the
            sweep has no such task.
        StoreError: The folder holds no leaderboard, or no complete configuration yet.
    """
    from raysearch.leaderboard import Store

    trials = [trial for trial in Store(folder).trials() if trial.state is RunState.COMPLETE]
    if not trials:
        raise StoreError(
            f"a sweep must have complete trials, but {redacted(folder)} has none yet; "
            "`raysearch leaderboard` shows the sweeps that there are, and why trials failed"
        )
    tasks = list(dict.fromkeys(trial.cell.task for trial in trials))
    if task is not None and task not in tasks:
        raise ConfigError(
            f"`--task` must be one of {redacted(folder)}, but got {task!r}; {known_names(tasks)}"
        )
    numbers: set[int] = set()
    problems = []
    for name in wanted:
        if name in ("all", "best"):
            numbers |= _numbers(folder, name, metric)
        elif name.isdecimal() and any(trial.number == int(name) for trial in trials):
            numbers.add(int(name))
        else:
            problems.append(
                f"`--trial` must be a complete trial of {redacted(folder)}, but got {name!r}; "
                f"`raysearch leaderboard {redacted(folder)}` shows them"
            )
    if problems:
        raise ConfigError(problems)
    chosen = [
        trial for trial in trials if trial.number in numbers and task in (None, trial.cell.task)
    ]
    if not chosen:
        raise ConfigError(f"`--task` must be a task of trial {', '.join(wanted)}, but got {task!r}")
    return sorted(chosen, key=lambda trial: (trial.number, trial.cell))


def _numbers(folder: str | Path, which: str, metric: str | None) -> set[int]:
    """All complete configurations of a sweep, or the best of it, or of each of its pairs.

    Raises:
        StoreError: No configuration has all its cells yet.
    """
    from raysearch.leaderboard import Store, load_card, rank_tasks
    from raysearch.leaderboard.tasks import rank_all

    store = Store(folder)
    if which == "all":
        card = store.card()
        return _whole(store.trials(), card.cells if card else 0)
    card, table = load_card(folder, metric), store.table()
    if card.mode == "per_task":
        within = rank_tasks(table, card.goal, cells=card.cells_of_task, order=card.tasks)
        found = {item.trial for ranking in within.values() for item in ranking[:1] if item.rank}
    else:
        best = rank_all(table, card)[0]
        found = {best.trial} if best.rank else set()
    if not found:
        raise StoreError(
            f"`--trial {which}` must have a trial with all its cells complete, but "
            f"{redacted(folder)} "
            "has none yet: run the sweep again, or name a trial by its number"
        )
    return found


def _whole(trials: Sequence[Run], cells: int) -> set[int]:
    """Configurations whose cells are all there and complete."""
    count = Counter(trial.number for trial in trials)
    broken = {trial.number for trial in trials if trial.state is not RunState.COMPLETE}
    return {number for number, size in count.items() if size >= cells} - broken


def oracle_role(method: str) -> str:
    """The role that no selection may see and that an oracle reads.

    Raises:
        ConfigError: The method has none.
    """
    role = get_method(method).config_type.ORACLE
    if not role:
        raise ConfigError(
            f"an oracle must be data that selection may not see, but {method} has none beside "
            "test; leave --oracle and --regret out"
        )
    return role


def goal_of(folder: str | Path, method: str) -> MetricGoal | None:
    """What ranks a folder's trials: its sweep's goal, else that of the method's own space.

    None where there is neither.
    """
    from raysearch.leaderboard import Store
    from raysearch.search.space.space import load_space

    card = Store(folder).card()
    if card is not None:
        return card.goal
    try:
        return load_space(find_space(method, None)).goal
    except ConfigError:  # a method may come without a search space; nothing here needs one
        return None


def card_of(store: Store, metric: str | None, table: pa.Table) -> SweepCard:
    """What ranks a sweep's rows: its card; for trials without a search, the method's own goal.

    Raises:
        ConfigError: There is neither, and no metric is named.
    """
    from raysearch.leaderboard import SweepCard, load_card

    methods = set(table.column("method").to_pylist())
    if metric is None and len(methods) == 1 and store.card() is None:
        goal = goal_of(store.folder, str(methods.pop()))
        if goal is not None and f"metric/{goal.name}" in table.column_names:
            return SweepCard(goal=goal)
    return load_card(store.folder, metric)


def with_weights(trial: Run, folder: str | Path, data_dir: str) -> tuple[RunSpec, Weights]:
    """The trial's lease and its final weights: those that the sweep kept, or trained again.

    Weights that are damaged, or those of another trial, are never used.

    Raises:
        StoreError: Training again gave another number: code or data have changed since.
    """
    from raysearch.training.checkpoint import DamagedStateError, load_weights

    lease, why = lease_of(trial, folder), "its weights were not kept"
    try:
        weights = load_weights(lease, **_recorded(trial))
    except DamagedStateError as error:
        weights = None
        why = f"its kept weights in {redacted(lease.folder)} are not used, because {error}"
    if weights is None:
        sys.stderr.write(f"trial {trial.id}: {why}; training it again\n")
        weights = _trained_again(trial, lease, data_dir)
    return lease, weights


def _recorded(trial: Run) -> dict[str, str]:
    """What a record says of the weights; rows of earlier versions have no digest of them."""
    return {
        "key": trial.provenance.get("stage_key", ""),
        "digest": trial.provenance.get("weights_sha256", ""),
    }


def _trained_again(trial: Run, lease: RunSpec, data_dir: str) -> Weights:
    """The trial's weights after training it again, which must give its numbers.

    Raises:
        StoreError: It gave others, or what was written of it cannot be read back.
    """
    from raysearch.cli.train import train_here
    from raysearch.training.checkpoint import DamagedStateError, load_weights, remove_checkpoint

    again = train_here(lease, data_dir)
    shared = [name for name in trial.metrics if name in again.metrics and name.startswith("dev/")]
    moved = [n for n in shared if abs(again.metrics[n] - trial.metrics[n]) > 1e-2]
    if again.state is not RunState.COMPLETE or moved:
        said = again.reason or ", ".join(
            f"{n} {trial.metrics[n]:.4f} → {again.metrics[n]:.4f}" for n in moved[:3]
        )
        raise StoreError(f"trial {trial.id} must give its numbers again, but did not: {said}")
    remove_checkpoint(lease)
    problem = "nothing is there"
    try:
        weights = load_weights(lease, **_recorded(again))
    except DamagedStateError as error:
        weights, problem = None, str(error)
    if weights is None:
        raise StoreError(
            f"`{redacted(lease.folder)}` must keep what is written to it, but the weights "
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
    from raysearch.training.origin import sources_now

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
    trial: Run, folder: str | Path, data_dir: str, role: str, *, before: Callable[[str], None]
) -> Method:
    """The trial's method with its final weights, and train, dev and the role opened.

    Args:
        trial: The trial.
        folder: Its sweep's folder or URI.
        data_dir: Folder of the corpora.
        role: What is opened beside train and dev.
        before: Called with the SHA-256 of the weights before anything is opened.

    Raises:
        StoreError: See `with_weights`; or data or encoder are others now, and nothing was read.
    """
    from raysearch.training.run import restore_method

    changed = changed_sources(trial, data_dir)
    if changed:
        raise StoreError(
            f"trial {trial.id} must be read with the data and the encoder that it was made from, "
            f"but {'; '.join(changed)}: nothing was read; put it back"
        )
    lease, weights = with_weights(trial, folder, data_dir)
    before(weights.digest)
    sys.stderr.write(f"trial {trial.id}: reading the {role.replace('_', ' ')} data\n")
    return restore_method(lease, weights.result, roles=("train", "dev", role), data_dir=data_dir)
