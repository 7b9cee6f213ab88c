"""Chooses the next task to ask for a configuration, and the configuration.

A `TaskSearch` is the search of one task: its sampler's view of the study, its share of the budget,
and the values that early stopping compares. In ``mode: joint`` there is one for all tasks
together; in ``per_task`` each task has its own, independent of the others. Everything follows from
the study's trials, so a restarted driver continues as the old one would have.
"""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from raysearch.config import as_scalar, read_config
from raysearch.errors import ConfigError
from raysearch.events import GPU_FAILED, NODE_WENT
from raysearch.run import Cell, Origin, Scalar, tasks_of
from raysearch.search.space.parameters import Parameter
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.entries import INTENT, cells_of, intent_in, origin_in, records, verdicts
from raysearch.search.suggest.own_samplers import share_of
from raysearch.search.suggest.sampler_view import SamplerView

__all__ = [
    "CellsOf",
    "Draft",
    "TaskSearch",
    "TaskSearches",
    "cells_within",
    "checked_config",
    "trial_key",
]

_DIGITS = 6


def trial_key(space: SearchSpace, config: Mapping[str, Any]) -> str:
    """A key that two configs share exactly if running both teaches nothing new.

    It has every setting after validation, except those without effect beside the others
    (`raysearch.config.TrainingConfig.inert`); searched floats are rounded to a millionth of their
    range, because a model at the end of a range returns to it with other last digits. Tasks
    and seeds are not part of it.

    Args:
        space: What is searched.
        config: Every setting, or the known part of a config that cannot run.
    """
    try:
        inert = read_config(space.config_type, config, where=space.source).inert
    except ConfigError:
        inert = frozenset()
    counts = {name: value for name, value in config.items() if name not in inert}
    for item in space.parameters:
        if item.kind == "float" and isinstance(counts.get(item.name), float):
            counts[item.name] = _place(item, counts[item.name])
    return json.dumps(counts, sort_keys=True)


def _place(item: Parameter, value: float) -> float | str:
    """Position of a value in its range, rounded to a millionth, on the searched scale."""
    if item.log and value <= 0:  # the paper's own value may lie outside
        return value
    share = round(share_of(item, value), _DIGITS) + 0.0 if item.high > item.low else 0.0  # no -0.0
    return f"{share:.{_DIGITS}f}"


CellsOf = Callable[[Mapping[str, Any]], Sequence[Cell]]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A configuration that is chosen but not yet recorded.

    Attributes:
        search: The task search that it belongs to.
        trial: The trial for the database, without its intent.
        config: Every setting.
        origin: Who chose it.
        problem: Why the config cannot run, or empty.
        literal: Whether the config is not a point of the space; then no sampler learns from it.
    """

    search: TaskSearch
    trial: FrozenTrial
    config: Mapping[str, Any]
    origin: Origin
    problem: str = ""
    literal: bool = False


class TaskSearch:
    """The search of one task, or of all together.

    Args:
        task: The task; empty for all together.
        space: What is searched.
        seed: Seed of the sweep.
        trials: The task search's trials in order of number. Those without an intent, which no
            sweep asked for, only occupy their numbers.
    """

    def __init__(
        self, task: str, space: SearchSpace, seed: int, trials: Sequence[FrozenTrial]
    ) -> None:
        self.task = task
        self.first: int | None = None
        """Number of its first configuration, the paper's own setting."""
        self.asked = 0
        """Configurations that count against the budget."""
        self.origins: Counter[str] = Counter()
        """Origin to the number of configurations; "" for those of older studies."""
        self.used_up = False
        """Whether the space has no new configuration left."""
        self.open: set[int] = set()
        """Numbers of the open configurations; maintained by the ledger."""
        self.rung_values: dict[int, list[float]] = {}
        """Rung to the finite objectives that early stopping compared there."""
        self._space = space
        self._known: set[str] = set()
        """`trial_key` of every configuration that is not to be tried again."""
        self._keys: dict[frozenset[tuple[str, Scalar]], str] = {}
        hidden = set()
        for trial in trials:
            if INTENT not in trial.user_attrs:
                hidden.add(trial.number)
                continue
            self.count(trial.number, origin_in(trial))
            if not _failed_with_its_machine(trial):
                self._known.add(trial_key(space, intent_in(trial)["config"]))
            if not trial.state.is_finished():
                self.open.add(trial.number)
            if intent_in(trial)["literal"]:
                hidden.add(trial.number)
            for rung, verdict in verdicts(trial).items():
                self.note_judged(rung, verdict.value)
        self.view = SamplerView(space, _seed_of(task, seed), trials, hidden)

    def draft(self, number: int, earlier: Sequence[TaskSearch]) -> Draft | None:
        """Choose the next configuration; None when the space is used up.

        The first is the paper's own setting, then come the best of the earlier task searches if
        the space says so, then the sampler's. None repeats one of this task search: with the
        same cells its numbers would be the same. A failed trial is not repeated either, unless
        its node failed.

        Args:
            number: The number that the trial will have in the study.
            earlier: The task searches before this one.

        Raises:
            ConfigError: The sampler needs a package that is not installed.
        """
        if self.asked == 0:
            return self._papers_own(number)
        for params in self._proven(earlier):
            if self._is_new(params):
                trial = self.view.propose_given(number, params, hidden=False)
                return self._drafted(trial, Origin.WARM_START)
        proposal = self.view.propose(number, self._is_new)
        if proposal is None:
            self.used_up = True
            return None
        return self._drafted(proposal.trial, proposal.origin)

    def note(self, number: int, draft: Draft) -> None:
        """Count a draft of this task search that is recorded now."""
        self.count(number, draft.origin)
        self._known.add(trial_key(self._space, draft.config))
        self.open.add(number)

    def count(self, number: int, origin: str) -> None:
        """Count a recorded configuration."""
        self.first = number if self.first is None else self.first
        self.asked += 1
        self.origins[origin] += 1

    def note_judged(self, rung: int, value: float) -> None:
        """Add a value that later configurations are compared with at the rung."""
        if math.isfinite(value):
            self.rung_values.setdefault(rung, []).append(value)

    def _papers_own(self, number: int) -> Draft:
        config, params = self._space.paper_first(self.task)
        literal = checked_config(self._space, params)[0] != config
        trial = self.view.propose_given(number, params, hidden=literal)
        return Draft(search=self, trial=trial, config=config, origin=Origin.PAPER, literal=literal)

    def _is_new(self, params: Mapping[str, Scalar]) -> bool:
        """Whether these parameters make a configuration that was not tried here."""
        point = frozenset(params.items())
        if point not in self._keys:
            self._keys[point] = trial_key(self._space, checked_config(self._space, params)[0])
        return self._keys[point] not in self._known

    def _proven(self, earlier: Sequence[TaskSearch]) -> Iterator[Mapping[str, Scalar]]:
        """The best of every earlier search: first each one's best, then each one's second, ..."""
        best = [search.view.best(self._space.warm_start) for search in earlier]
        for rank in range(self._space.warm_start):
            for ranked in best:
                yield from ranked[rank : rank + 1]

    def _drafted(self, trial: FrozenTrial, origin: Origin) -> Draft:
        config, problem = checked_config(self._space, trial.params)
        return Draft(search=self, trial=trial, config=config, origin=origin, problem=problem)


class TaskSearches:
    """All task searches of a study.

    Args:
        space: What is searched.
        seed: Seed of the sweep.
        tasks: The tasks in order; at least one.
        trials: Every trial of the database in order of number.
    """

    def __init__(
        self, space: SearchSpace, seed: int, tasks: Sequence[str], trials: Sequence[FrozenTrial]
    ) -> None:
        self._space = space
        parts: dict[str, list[FrozenTrial]] = {"": list(trials)}
        if space.mode == "per_task":
            parts = {task: [] for task in tasks}
            for trial in trials:
                if INTENT in trial.user_attrs:
                    parts[cells_of(trial)[0].task].append(trial)
        self.all = {task: TaskSearch(task, space, seed, part) for task, part in parts.items()}

    def of(self, cells: Sequence[Cell]) -> TaskSearch:
        """The task search of a configuration with these cells."""
        return self.all[""] if "" in self.all else self.all[cells[0].task]

    def draft(self, number: int) -> Draft | None:
        """Choose the next configuration, from the task search whose turn it is.

        Returns:
            None when the budget or space of every task is used up, or when the next one
            depends on open configurations.

        Raises:
            ConfigError: The sampler needs a package that is not installed.
        """
        order = list(self.all.values())
        for search in self._in_turn():
            draft = search.draft(number, order[: order.index(search)])
            if draft is not None:
                return draft
        return None

    @property
    def all_asked(self) -> bool:
        """Whether no configuration will follow."""
        return not any(map(self._has_more, self.all.values()))

    def _has_more(self, search: TaskSearch) -> bool:
        return search.asked < self._space.trials and not search.used_up

    def _in_turn(self) -> Iterator[TaskSearch]:
        """Searches with work left: in turn, or sequentially where one starts from another.

        In the latter case a task search waits for those before it to end, except for its paper's
        own setting, which does not depend on them.
        """
        order = list(self.all.values())
        if not self._space.warm_start:
            left = (search for search in order if self._has_more(search))
            yield from sorted(left, key=lambda search: search.asked)
            return
        settled = True
        for search in order:
            if self._has_more(search) and (settled or search.asked == 0):
                yield search
            settled = settled and not search.open


def cells_within(
    cells_of: CellsOf, space: SearchSpace, task: str, config: Mapping[str, Any], problem: str
) -> tuple[tuple[Cell, ...], str]:
    """The cells of a configuration, those of its task, and why it cannot run.

    Args:
        cells_of: A config's cells over all tasks.
        space: What is searched.
        task: The task of its task search; empty for all together.
        config: Every setting.
        problem: Why the config cannot run, or empty.
    """
    cells = () if problem else cells_of(config)
    own = tuple(cell for cell in cells if task in ("", cell.task))
    if own:
        return own, problem
    # A config that cannot run has no known tasks: one cell records its failure.
    others = cells_of(space.paper_first(task)[0])
    first = next(cell for cell in others if task in ("", cell.task))
    return (first,), problem or (
        f"a config must have the task {task} where `mode` is per_task, but has "
        f"{', '.join(tasks_of(cells))}"
    )


def checked_config(space: SearchSpace, params: Mapping[str, Scalar]) -> tuple[dict[str, Any], str]:
    """The config of these parameters, or the known part of it and why it cannot run."""
    try:
        return space.config_for(params), ""
    except ConfigError as error:
        setting = {name: as_scalar(value) for name, value in space.setting.items()}
        return {**setting, **params}, str(error)


def _failed_with_its_machine(trial: FrozenTrial) -> bool:
    """Whether a trial failed for a reason that may not recur."""
    return trial.state is OptunaState.FAIL and any(
        record.reason.startswith((NODE_WENT, GPU_FAILED)) for record in records(trial)
    )


def _seed_of(task: str, seed: int) -> int:
    """The sweep's own seed for all tasks together; a different one for each task."""
    if not task:
        return seed
    mixed = np.random.SeedSequence((seed, zlib.crc32(task.encode())))
    return int(mixed.generate_state(1)[0])
