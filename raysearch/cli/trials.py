"""Which finished trial is meant, and how is it run, evaluated or exported again.

A row holds every setting, so a lease can be made from it; its weights are those that the
sweep kept, or are trained again, which gives the same numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from raysearch.config import read_config, rules
from raysearch.errors import ConfigError, StoreError
from raysearch.methods import get_method
from raysearch.trial import Lease, Scalar, Trial, TrialState

__all__ = ["lease_of", "settings_of", "trials_of", "with_weights"]


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


def lease_of(trial: Trial, folder: Path) -> Lease:
    """The lease that makes the trial again, in the folder of its sweep, keeping its weights."""
    lease = Lease(
        sweep=trial.sweep,
        number=trial.number,
        cell=trial.cell,
        method=trial.method,
        config=settings_of(trial.method, trial.config),
        folder="",
        keep=True,
    )
    return replace(lease, folder=str(folder / "leases" / lease.id))


def trials_of(folder: Path, wanted: Sequence[str], *, metric: str | None = None) -> list[Trial]:
    """The cells of the wanted configurations of a sweep, in order of number and cell.

    Args:
        folder: The sweep's folder.
        wanted: Trial numbers, or ``best``, or ``all`` for every complete one.
        metric: What ``best`` means; None for the sweep's own goal.

    Raises:
        ConfigError: A number is not one, or is not a complete trial of this sweep.
        StoreError: The folder holds no leaderboard.
    """
    from raysearch.leaderboard import Store, load_goal, rank

    store = Store(folder)
    trials = [trial for trial in store.trials() if trial.state is TrialState.COMPLETE]
    if not trials:
        raise StoreError(f"a sweep must have complete trials, but {folder} has none yet")
    numbers: set[int] = set()
    problems = []
    for name in wanted:
        if name == "all":
            numbers |= {trial.number for trial in trials}
        elif name == "best":
            numbers.add(rank(store.table(), load_goal(folder, metric))[0].trial)
        elif name.isdecimal() and any(trial.number == int(name) for trial in trials):
            numbers.add(int(name))
        else:
            problems.append(f"`--trial` must be a complete trial of {folder}, but got {name!r}")
    if problems:
        raise ConfigError(problems)
    chosen = [trial for trial in trials if trial.number in numbers]
    return sorted(chosen, key=lambda trial: (trial.number, trial.cell))


def with_weights(trial: Trial, folder: Path, data_dir: str) -> Lease:
    """The trial's lease, with its final weights on disk: kept by the sweep, or trained again.

    Raises:
        StoreError: Training again gave another number: code or data have changed since.
    """
    from raysearch.cli.train import train_here
    from raysearch.training.run import KEPT

    lease = lease_of(trial, folder)
    if (Path(lease.folder) / KEPT).exists():
        return lease
    sys.stderr.write(f"trial {trial.id}: its weights were not kept; training it again\n")
    again = train_here(lease, data_dir)
    shared = [name for name in trial.metrics if name in again.metrics and name.startswith("dev/")]
    moved = [n for n in shared if abs(again.metrics[n] - trial.metrics[n]) > 1e-2]
    if again.state is not TrialState.COMPLETE or moved:
        said = again.reason or ", ".join(
            f"{n} {trial.metrics[n]:.4f} → {again.metrics[n]:.4f}" for n in moved[:3]
        )
        raise StoreError(f"trial {trial.id} must give its numbers again, but did not: {said}")
    return lease
