"""Select finished trials by number or rank, and build the run that reproduces one.

The sides of a comparison are given as SWEEP, SWEEP:N, SWEEP:best or SWEEP:default (`select`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysearch.api.options import find_space
from raysearch.config import read_config, rules
from raysearch.errors import ConfigError, StoreError, known_names, quoted, shortened
from raysearch.findings.comparison import Side
from raysearch.leaderboard import RankStatus, Store, SweepCard, load_card, rows_with
from raysearch.leaderboard.card import Mode
from raysearch.leaderboard.openings import readings_of
from raysearch.leaderboard.tasks import first_trials, rankings
from raysearch.methods import get_method
from raysearch.run import MetricGoal, Run, RunSpec, RunState, Scalar
from raysearch.storage.uri import join, redacted

__all__ = [
    "WHICH",
    "Selection",
    "card_of",
    "goal_of",
    "oracle_role",
    "rows_of",
    "select",
    "settings_of",
    "shared_goal",
    "spec_of",
    "split_row",
    "trials_of",
]


def settings_of(method: str, row: Mapping[str, Scalar]) -> dict[str, Any]:
    """A row's settings for a run; a missing value is kept only if the setting may be null.

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
    """The run that reproduces a trial, in the folder of its sweep, keeping its weights."""
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
        elif (number := _number(name)) in {trial.number for trial in trials}:
            numbers.add(number)
        else:
            problems.append(
                f"`--trial` must be a complete trial of {redacted(folder)}, but got "
                f"{quoted(name)}; "
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
    """All complete configurations of a sweep, or its best, or the best of each pair."""
    store = Store(folder)
    if which == "all":
        card = store.card()
        return _whole(store.trials(), card.cells if card else 0)
    table = store.table()
    card = card_of(store, metric, table)
    ranked = rankings(table, card, within=card.mode == "per_task").values()
    found = {item.trial for ranking in ranked for item in ranking[:1] if item.rank}
    if not found:
        raise StoreError(
            f"`--trial {which}` must have a trial with all its cells complete, but "
            f"{redacted(folder)} "
            "has none yet: run the sweep again, or name a trial by its number"
        )
    return found


def _whole(trials: Sequence[Run], cells: int) -> set[int]:
    """Configurations whose cells are all complete."""
    count = Counter(trial.number for trial in trials)
    broken = {trial.number for trial in trials if trial.state is not RunState.COMPLETE}
    return {number for number, size in count.items() if size >= cells} - broken


def oracle_role(method: str) -> str:
    """The role that no selection may see and on which an oracle selects.

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
    """The goal of a folder's trials: its sweep's, else that of the method's own space.

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
    """The card of a sweep; for trials without a search, one with the method's own goal.

    Raises:
        ConfigError: There is neither, and no metric is named.
    """
    methods = set(table.column("method").to_pylist())
    if metric is None and len(methods) == 1 and store.card() is None:
        goal = goal_of(store.folder, str(methods.pop()))
        if goal is not None and f"metric/{goal.name}" in table.column_names:
            return SweepCard(goal=goal)
    return load_card(store.folder, metric)


WHICH = ("best", "default")
"""Names in place of a trial's number; the default is the paper's own setting, trial 0."""
_MOST_DIGITS = 9
"""Of a trial's number."""


def split_row(text: str, *, among: Sequence[str] = WHICH) -> tuple[str, str]:
    """The sweep's folder or URI, and the number or name after the last colon; "" for none.

    Args:
        text: For example ``results/carl:2`` or ``s3://bucket/carl:best``.
        among: Names that may stand in place of a number.
    """
    folder, colon, which = text.rpartition(":")
    if colon and folder and (which.isdecimal() or which in among):
        return folder, which
    return text, ""


def _number(text: str) -> int:
    """The trial number that a word names; -1, which no trial has, for any other word.

    Python would parse no more than 4,300 digits.
    """
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else -1


def rows_of(
    text: str, *, task: str | None = None, seed: int | None = None
) -> tuple[str, list[Run]]:
    """The finished rows of one trial number, in any state, by cell.

    Args:
        text: ``SWEEP:N``.
        task: Only cells of this task.
        seed: Only cells of this seed.

    Returns:
        The sweep's folder and the rows.

    Raises:
        ConfigError: It is not SWEEP:N, or there is no such row.
    """
    folder, number = split_row(text, among=())
    if not number:
        raise ConfigError(
            f"`ROW` must be SWEEP:N, a sweep's folder and a trial's number, but got {text!r}; "
            f"python -m raysearch leaderboard {text or 'results'} lists them"
        )
    trials = Store(folder).trials()
    own = [trial for trial in trials if trial.number == _number(number)]
    if not own:
        numbers = sorted({trial.number for trial in trials})
        known = f"it has {numbers[0]} to {numbers[-1]}" if numbers else "it has none yet"
        raise ConfigError(
            f"`ROW` must be a trial of {redacted(folder)}, but got {shortened(number)}; {known}"
        )
    found = [
        trial
        for trial in own
        if task in (None, trial.cell.task) and seed in (None, trial.cell.seed)
    ]
    if not found:
        cells = known_names([f"{trial.cell.task} seed {trial.cell.seed}" for trial in own])
        raise ConfigError(f"`--task` and `--seed` must name a cell of trial {number}; {cells}")
    return folder, sorted(found, key=lambda trial: trial.cell)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """One side of a comparison, with its sweep.

    Attributes:
        folder: The sweep's folder or URI.
        side: The chosen configuration's complete rows.
        read: The same with the metrics of its readings of test, as far as there are any.
        card: What the sweep's trials are ranked by.
        table: The sweep's rows, of the wanted task.
        searched: Whether the side is what the sweep selected.
        sampler: What proposed the sweep's trials; "" where it does not say.
    """

    folder: str
    side: Side
    read: Side
    card: SweepCard
    table: pa.Table
    searched: bool
    sampler: str

    def of(self, goal: MetricGoal) -> Side:
        """The rows that have the metric: test evaluations for a metric of test."""
        return self.read if goal.name.startswith("test/") else self.side


def shared_goal(texts: Sequence[str], metric: str | None) -> MetricGoal:
    """The goal of a comparison: the named metric, else the first sweep's own.

    Raises:
        ConfigError: No metric is named, and no side is of a sweep that has one.
        StoreError: A side's folder is no sweep's.
    """
    folders = []
    for text in texts:
        folder, _ = split_row(text)
        if not Store(folder).exists():
            raise StoreError(
                f"`{text}` must be of a sweep's folder, but {redacted(folder)} is none; "
                "python -m raysearch leaderboard shows those in results"
            )
        folders.append(folder)
    # A trial of `raysearch train` has no goal of its own.
    own = [folder for folder in folders if Store(folder).card() is not None]
    store = Store((own or folders)[0])
    return card_of(store, metric, store.table()).goal


def select(text: str, *, goal: MetricGoal, task: str | None = None) -> Selection:
    """Read one side of a comparison.

    Args:
        text: SWEEP, SWEEP:N, SWEEP:best or SWEEP:default.
        goal: What is best where the sweep itself does not say.
        task: Only cells of this task.

    Raises:
        ConfigError: No such trial or task.
        StoreError: The folder holds no complete trial.
    """
    folder, which = split_row(text)
    store = Store(folder)
    # What was selected was selected by the sweep's own metric, whatever it is compared by.
    own = store.card()
    card = own or SweepCard(goal=goal)
    table = store.table()
    if task is not None and table.num_rows:
        table = rows_with(table, "task", task)
        cells = card.cells_of_task if card.tasks else 0
        card = replace(card, cells=cells, tasks=(task,) if card.tasks else ())
    if which == "default":
        trials = _defaults(store.trials(), folder, task, card.mode)
    else:
        metric = None if own else f"{goal.name}:{goal.direction[:3]}"
        trials = trials_of(folder, [which or "best"], task=task, metric=metric)
    name = which or "best"
    label = f"{redacted(folder)}:{name}"
    among = _competed(table, card) if name == "best" else 0
    side = Side(label=label, cells={trial.cell: trial for trial in trials}, among=among)
    readings = {trial.key: trial for trial in readings_of(folder).trials()}
    read = {t.cell: readings[t.key] for t in trials if t.key in readings}
    return Selection(
        folder=folder,
        side=side,
        read=replace(side, cells=read),
        card=card,
        table=table,
        searched=name == "best" and among > 1,
        sampler=card.sampler,
    )


def _defaults(trials: Sequence[Run], folder: str, task: str | None, mode: Mode) -> list[Run]:
    """The complete cells of the paper's own setting, or of each task's."""
    first = first_trials(((trial.cell.task, trial.number) for trial in trials), mode)
    found = [
        trial
        for trial in trials
        if task in (None, trial.cell.task)
        and trial.number == first[trial.cell.task]
        and trial.state is RunState.COMPLETE
    ]
    if not found:
        raise StoreError(
            f"`{redacted(folder)}:default` must be complete, but the sweep's first trial "
            f"has not run "
            "to its end; name another by its number"
        )
    return found


def _competed(table: pa.Table, card: SweepCard) -> int:
    """Number of configurations among which the best was chosen, including pruned ones.

    Where every task was searched by itself, the most of any task.
    """
    kinds = (RankStatus.COMPLETE, RankStatus.PRUNED)
    counts = [ranking.counts() for ranking in rankings(table, card).values()]
    return max(sum(count.get(kind, 0) for kind in kinds) for count in counts)
