"""The study as a sampler sees it: an in-memory copy, from which Optuna's samplers suggest.

The database stays the only source of truth: the copy is made from it when a sweep starts, and
follows each write. So a suggestion neither reads nor writes the database, and a new trial is
written in a single transaction.

Only states, values, reports and parameters are copied. Anybody may have written the attributes in
the database, and Optuna's samplers would read their own state from them, one as a pickle. What
they would store there is dropped too, so that a suggestion follows from the trials alone.

A Gaussian process and CMA-ES learn from one number per trial, and a stopped trial has none: its
last objective is that of a rung, which differs from a final value because it is early, not because
of its settings. So it is compared with others at its rung (`losses`). Its loss is the largest of

    the loss of each trial that was better at its rung and continued, plus its lead there,

so that it stays behind every trial that beat it by at least that trial's lead. Trials that
continued are complete ones and those that were stopped at a later rung, whose losses are computed
first. A trial that is behind another can never be the best. If no trial that was better is known
(it failed, or still runs), the loss is the worst of those that continued. While no trial has
continued, the objectives at the highest rung are the scale.
"""

from __future__ import annotations

import bisect
import copy
import math
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from raysearch.run import Origin, Scalar
from raysearch.search.space.space import SearchSpace
from raysearch.search.suggest.own_samplers import GridSampler, grid_size
from raysearch.search.suggest.samplers import LARGEST_GRID, distribution, make_sampler, origin_of

__all__ = ["IsNew", "Proposal", "SamplerView", "losses", "teaches"]


def teaches(trial: FrozenTrial) -> bool:
    """Whether a model can learn from the trial."""
    if trial.state is TrialState.COMPLETE:
        return trial.values is not None and math.isfinite(trial.values[0])
    return trial.state is TrialState.PRUNED and _stop(trial) is not None


def losses(trials: Sequence[FrozenTrial], sign: float) -> dict[int, float]:
    """Trial number to the loss that a model learns from; smaller is better.

    Args:
        trials: Complete and stopped trials; others are left out.
        sign: 1 if the objective is minimised, -1 if it is maximised.
    """
    taught = [trial for trial in trials if teaches(trial)]
    found: dict[int, float] = {}
    went_on: list[FrozenTrial] = []
    stopped: dict[int, list[FrozenTrial]] = {}
    for trial in taught:
        if trial.state is TrialState.COMPLETE and trial.values is not None:
            found[trial.number] = sign * trial.values[0]
            went_on.append(trial)
        else:
            stopped.setdefault(max(trial.intermediate_values), []).append(trial)
    for rung in sorted(stopped, reverse=True):
        of_rung = {
            trial.number: _loss(trial, rung, sign, went_on, found) for trial in stopped[rung]
        }
        found |= of_rung
        went_on += stopped[rung]
    return found


def _loss(
    trial: FrozenTrial,
    rung: int,
    sign: float,
    went_on: Iterable[FrozenTrial],
    found: dict[int, float],
) -> float:
    own = sign * trial.intermediate_values[rung]
    behind = [
        found[other.number] + lead
        for other in went_on
        if (lead := own - sign * other.intermediate_values.get(rung, math.nan)) > 0
    ]
    return max(behind) if behind else max(found.values(), default=own)


def _stop(trial: FrozenTrial) -> float | None:
    """The last objective of a stopped trial; None if it is missing or not finite."""
    if not trial.intermediate_values:
        return None
    value = trial.intermediate_values[max(trial.intermediate_values)]
    return value if math.isfinite(value) else None


IsNew = Callable[[Mapping[str, Scalar]], bool]
"""Whether parameters make a configuration that was not tried before."""

_ATTEMPTS = 4
"""Proposals of the sampler, each with its own seed, before giving up on a new one."""
_DRAWS = 1000
"""Random draws after that, in a space that cannot be enumerated."""

_BEST = 100
_LATEST = 400
"""In a larger study a sampler sees the best complete trials, the latest, and the running ones.

TPE uses at most the best 25 for its good model and weights the others down with age, but its cost
grows with all of them: 7 ms per suggestion with 100 trials of ten parameters, 20 ms with 500,
63 ms with 3,000.
"""


@dataclass(frozen=True)
class Proposal:
    """A configuration that a sampler chose.

    Attributes:
        trial: The trial to write to the database.
        origin: How it was chosen.
    """

    trial: FrozenTrial
    origin: Origin


class SamplerView:
    """The study as samplers see it.

    Args:
        space: What is searched, and by which sampler.
        seed: Seed of the sweep.
        trials: The initial trials, in order of number.
        hidden: Numbers of trials that no sampler may learn from.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        trials: Iterable[FrozenTrial],
        hidden: Collection[int],
    ) -> None:
        self._space = space
        self._seed = seed
        self._searched = space.searched
        self._distributions = {item.name: distribution(item) for item in self._searched}
        self._sign = 1.0 if space.goal.direction == "minimize" else -1.0
        # TPE ranks stopped trials itself, by their last rung and what they had there.
        self._storage = _Window(self._sign if space.sampler in ("gp", "cmaes") else None)
        direction = StudyDirection[space.goal.direction.upper()]
        self._study_id = self._storage.create_new_study([direction], "mirror")
        self._ids: list[int] = []
        self._indices: dict[int, int] = {}
        """Number in the study to index in the view, which seeds the sampler."""
        self._hidden: set[int] = set()
        for trial in trials:
            self._add(trial, hidden=trial.number in hidden)

    def best(self, count: int) -> list[Mapping[str, Scalar]]:
        """Parameters of the best complete trials, the best first; ties in order of age."""
        ranked = self._storage.ranked[:count]
        return [self._storage.get_trial(self._ids[index]).params for _, index in ranked]

    def holds(self, params: Mapping[str, Scalar]) -> bool:
        """Whether a trial has exactly these parameters."""
        every = self._storage.every_trial(self._study_id)
        return any(trial.params == params for trial in every)

    @property
    def learned(self) -> int:
        """Finished trials that a model can learn from."""
        return sum(map(teaches, self._storage.every_trial(self._study_id)))

    def propose(self, number: int, is_new: IsNew | None = None) -> Proposal | None:
        """Have the sampler choose a new configuration, which the view holds as running.

        A sampler that proposes a known configuration is asked again with other seeds. After that
        one of the remaining combinations is taken or, in a continuous space, a random one.

        Args:
            number: The number that the trial will have in the study.
            is_new: By default whether no trial has exactly these parameters.

        Returns:
            The choice, to be written to the database, or None when the space is used up.
        """
        is_new = is_new or (lambda params: not self.holds(params))
        index = len(self._ids)
        origin = origin_of(self._space.sampler, self.learned, self._space.trials)
        name = "random" if origin is Origin.DRAWN else self._space.sampler
        for attempt in range(0 if name == "grid" else _ATTEMPTS):
            sampler = make_sampler(name, self._searched, self._seed, index, attempt)
            params = self._choose(sampler, index)
            if is_new(params):
                trial = self.propose_given(number, params, hidden=False)
                return Proposal(trial, origin)
        left = self._left(index, is_new)
        if left is None:
            return None
        trial = self.propose_given(number, left, hidden=False)
        return Proposal(trial, origin if name == "grid" else Origin.DRAWN)

    def _choose(self, sampler: BaseSampler, index: int) -> dict[str, Scalar]:
        """The sampler's choice for the active parameters."""
        study = optuna.load_study(study_name="mirror", storage=self._storage, sampler=sampler)
        trial = optuna.trial.create_trial(state=TrialState.RUNNING)
        trial.number = index
        sampler.before_trial(study, trial)
        space = sampler.infer_relative_search_space(study, trial)
        together = sampler.sample_relative(study, trial, space)
        params: dict[str, Scalar] = {}
        for item in self._searched:
            if not item.matters(params):
                continue
            known = self._distributions[item.name]
            if item.name in together:
                value = together[item.name]
            else:
                value = sampler.sample_independent(study, trial, item.name, known)
            params[item.name] = known.to_external_repr(known.to_internal_repr(value))
        return params

    def _left(self, index: int, is_new: IsNew) -> Mapping[str, Scalar] | None:
        """A new configuration, chosen by no model; None if none is found."""
        size = grid_size(self._searched)
        if size is not None and size <= LARGEST_GRID:
            grid = GridSampler(self._searched, self._seed)
            return self._choose(grid, index) if grid.take_point(is_new) else None
        for attempt in range(_ATTEMPTS, _ATTEMPTS + _DRAWS):
            sampler = make_sampler("random", self._searched, self._seed, index, attempt)
            params = self._choose(sampler, index)
            if is_new(params):
                return params
        return None

    def propose_given(
        self, number: int, params: Mapping[str, Scalar], *, hidden: bool
    ) -> FrozenTrial:
        """A trial with these parameters, which the view holds as running.

        Args:
            number: The number that the trial will have in the study.
            params: Searched name to value.
            hidden: Whether no sampler may learn from it, since the parameters do not describe it.

        Returns:
            The trial, to be written to the database.
        """
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=dict(params),
            distributions={name: self._distributions[name] for name in params},
        )
        trial.number = number
        trial.datetime_start = datetime.now()
        self._add(trial, hidden=hidden)
        return trial

    def report(self, number: int, rung: int, value: float) -> None:
        """Apply a report."""
        index = self._indices[number]
        if index not in self._hidden:
            self._storage.set_trial_intermediate_value(self._ids[index], rung, value)

    def tell(self, number: int, state: TrialState, values: Sequence[float] | None) -> None:
        """Apply the end of a trial."""
        index = self._indices[number]
        if index not in self._hidden:
            self._storage.set_trial_state_values(self._ids[index], state, values)
            self._note_end(index, state, values)

    def _add(self, trial: FrozenTrial, *, hidden: bool) -> None:
        index = self._indices[trial.number] = len(self._ids)
        seen: dict[str, Any] = {}
        # A failed trial without parameters keeps the number, and samplers ignore it.
        state, values = TrialState.FAIL, None
        if hidden:
            self._hidden.add(index)
        else:
            state, values = trial.state, trial.values
            seen = {
                "params": trial.params,
                "distributions": trial.distributions,
                "intermediate_values": trial.intermediate_values,
            }
        template = optuna.trial.create_trial(state=state, values=values, **seen)
        self._ids.append(self._storage.create_new_trial(self._study_id, template))
        if state is TrialState.RUNNING:
            self._storage.running.add(index)
        else:
            self._note_end(index, state, values)

    def _note_end(self, index: int, state: TrialState, values: Sequence[float] | None) -> None:
        self._storage.running.discard(index)
        if state is TrialState.COMPLETE and values is not None:
            bisect.insort(self._storage.ranked, (self._sign * values[0], index))


class _Window(InMemoryStorage):
    """An in-memory storage that lists a bounded number of trials.

    The list depends only on the study's content, not on its history, so that a restarted driver
    makes the same suggestions.

    Args:
        sign: 1 if the objective is minimised, -1 if it is maximised: stopped trials are listed as
            complete ones with their `losses`. None lists them as they are.
    """

    def __init__(self, sign: float | None) -> None:
        super().__init__()
        self._sign = sign
        self.running: set[int] = set()
        """Indexes of the running trials."""
        self.ranked: list[tuple[float, int]] = []
        """Value (smallest first) and index of every complete trial, sorted."""

    def every_trial(self, study_id: int) -> list[FrozenTrial]:
        """All trials, without copying them."""
        return super().get_all_trials(study_id, deepcopy=False)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Drop a sampler's state; see the module's docstring."""

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials that a sampler sees, in order of number."""
        trials = self.every_trial(study_id)
        first = len(trials) - _LATEST
        if first > _BEST:
            older = {number for number in self.running if number < first}
            older.update(number for _, number in self.ranked[:_BEST] if number < first)
            trials = [trials[number] for number in sorted(older)] + trials[first:]
        if self._sign is not None:
            trials = _as_complete(trials, self._sign)
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials


def _as_complete(trials: Sequence[FrozenTrial], sign: float) -> list[FrozenTrial]:
    """The trials, with stopped ones that a model can learn from as complete ones."""
    taken_for = losses(trials, sign)
    found = []
    for trial in trials:
        if trial.state is TrialState.PRUNED and trial.number in taken_for:
            trial = copy.copy(trial)
            trial.state = TrialState.COMPLETE
            trial.values = [sign * taken_for[trial.number]]
        found.append(trial)
    return found
