"""Which finished trials are meant, by which goal, and the run that makes one again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysearch.api.options import find_space
from raysearch.config import read_config, rules
from raysearch.errors import ConfigError, StoreError, known_names
from raysearch.leaderboard import Store, SweepCard, load_card, rank_tasks
from raysearch.leaderboard.tasks import rank_all
from raysearch.methods import get_method
from raysearch.run import MetricGoal, Run, RunSpec, RunState, Scalar
from raysearch.storage.uri import join, redacted

__all__ = ["card_of", "goal_of", "oracle_role", "settings_of", "spec_of", "trials_of"]


def settings_of(method: str, row: Mapping[str, Scalar]) -> dict[str, Any]:
    """A row's settings as a run takes them; a missing value counts only where null may stand.

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


def spec_of(trial: Run, folder: str | Path) -> RunSpec:
    """The run that makes the trial again, in the folder of its sweep, keeping its weights."""
    spec = RunSpec(
        sweep=trial.sweep,
        number=trial.number,
        cell=trial.cell,
        method=trial.method,
        config=settings_of(trial.method, trial.config),
        folder="",
        keep=True,
    )
    return replace(spec, folder=join(folder, "leases", spec.id))


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
    card = Store(folder).card()
    if card is not None:
        return card.goal
    from raysearch.search.space.space import load_space  # Optuna's import takes 0.2 s

    try:
        return load_space(find_space(method, None)).goal
    except ConfigError:  # a method may come without a search space; nothing here needs one
        return None


def card_of(store: Store, metric: str | None, table: pa.Table) -> SweepCard:
    """What ranks a sweep's rows: its card; for trials without a search, the method's own goal.

    Raises:
        ConfigError: There is neither, and no metric is named.
    """
    methods = set(table.column("method").to_pylist())
    if metric is None and len(methods) == 1 and store.card() is None:
        goal = goal_of(store.folder, str(methods.pop()))
        if goal is not None and f"metric/{goal.name}" in table.column_names:
            return SweepCard(goal=goal)
    return load_card(store.folder, metric)
