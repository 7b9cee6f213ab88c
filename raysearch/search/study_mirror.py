"""What does a sampler see of the study.

A copy of the study in memory, from which Optuna's samplers suggest. The database stays the
only truth: the copy is made from it when a sweep starts, and follows each write. So a
suggestion reads nothing from the database and writes nothing to it, and a new trial can be
written whole, in one transaction.
"""

from __future__ import annotations

import bisect
import copy
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from raysearch.search.point_samplers import GridSampler
from raysearch.search.reuse import PaidStages, TakeOver
from raysearch.search.samplers import distribution, make_sampler, suggest
from raysearch.search.space import SearchSpace
from raysearch.trial import Scalar

__all__ = ["StudyMirror"]

_BEST = 100
_LATEST = 400
"""Of a larger study a sampler sees its best complete trials, its latest, and those that run.

TPE takes no more than the best 25 for its good model and weighs the others down with age, but
its cost grows with all of them: 7 ms a suggestion with 100 trials of ten parameters, 20 ms
with 500, 63 ms with 3,000.
"""


class StudyMirror:
    """The study as samplers see it.

    Args:
        space: What is searched, and by which sampler.
        seed: Seed of the sweep.
        trials: The trials that it is to hold, in order of number.
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
        self._paid = PaidStages(space) if space.reuse else None
        self._storage = _Window()
        self._sign = 1.0 if space.goal.direction == "minimize" else -1.0
        direction = StudyDirection[space.goal.direction.upper()]
        self._study_id = self._storage.create_new_study([direction], "mirror")
        self._study = optuna.load_study(study_name="mirror", storage=self._storage)
        self._ids: list[int] = []
        self._places: dict[int, int] = {}
        """Number in the study to place in the mirror, which is what a sampler is seeded by."""
        self._hidden: set[int] = set()
        for trial in trials:
            self._add(trial, hidden=trial.number in hidden)

    def best(self, count: int) -> list[Mapping[str, Scalar]]:
        """Parameters of the best complete trials, the best first; the older one where even."""
        ranked = self._storage.ranked[:count]
        return [self._storage.get_trial(self._ids[place]).params for _, place in ranked]

    def holds(self, params: Mapping[str, Scalar]) -> bool:
        """Whether a trial has exactly these parameters."""
        every = self._storage.every_trial(self._study_id)
        return any(trial.params == params for trial in every)

    def propose(self, number: int) -> FrozenTrial | None:
        """Have the sampler choose; the mirror holds the new trial as running.

        Args:
            number: The number that the study will give it.

        Returns:
            The trial, to be written to the database, or None when a grid is used up.
        """
        place = len(self._ids)
        sampler = make_sampler(self._space.sampler, self._searched, self._seed, number=place)
        if isinstance(sampler, GridSampler):
            every = self._storage.every_trial(self._study_id)
            if not sampler.take_point([trial.params for trial in every]):
                return None
        given = self._paid.choose(self._good(), self._seed, place) if self._paid else {}
        self._study.sampler = TakeOver(sampler, given) if given else sampler
        trial = self._study.ask()
        suggest(trial, self._searched)
        self._ids.append(
            self._storage.get_trial_id_from_study_id_trial_number(self._study_id, place)
        )
        self._places[number] = place
        self._storage.running.add(place)
        proposal = copy.copy(self._storage.get_trial(self._ids[place]))
        proposal.number = number
        return proposal

    def propose_given(
        self, number: int, params: Mapping[str, Scalar], *, hidden: bool
    ) -> FrozenTrial:
        """A trial with these parameters; a hidden one is not what they say, so none learns of it.

        Args:
            number: The number that the study will give it.
            params: Searched name to value.
            hidden: Whether no sampler may learn from it.

        Returns:
            The trial, to be written to the database.
        """
        known = {item.name: distribution(item) for item in self._searched}
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=dict(params),
            distributions={name: known[name] for name in params},
        )
        trial.number = number
        trial.datetime_start = datetime.now()
        self._add(trial, hidden=hidden)
        return trial

    def report(self, number: int, rung: int, value: float) -> None:
        """Follow a report."""
        place = self._places[number]
        if place not in self._hidden:
            self._storage.set_trial_intermediate_value(self._ids[place], rung, value)

    def tell(self, number: int, state: TrialState, values: Sequence[float] | None) -> None:
        """Follow the end of a trial."""
        place = self._places[number]
        if place not in self._hidden:
            self._storage.set_trial_state_values(self._ids[place], state, values)
            self._note_end(place, state, values)

    def _good(self) -> list[Mapping[str, Scalar]]:
        """Parameters of the best quarter of what a sampler sees complete, at least one's."""
        complete = len(self._storage.ranked)
        return self.best(min(max(1, complete // 4), _BEST))

    def _add(self, trial: FrozenTrial, *, hidden: bool) -> None:
        place = self._places[trial.number] = len(self._ids)
        seen: dict[str, Any] = {}
        # A failed trial without parameters keeps the number, and no sampler looks at it.
        state, values = TrialState.FAIL, None
        if hidden:
            self._hidden.add(place)
        else:
            state, values = trial.state, trial.values
            seen = {
                "params": trial.params,
                "distributions": trial.distributions,
                "system_attrs": trial.system_attrs,
                "intermediate_values": trial.intermediate_values,
            }
        template = optuna.trial.create_trial(state=state, values=values, **seen)
        self._ids.append(self._storage.create_new_trial(self._study_id, template))
        if state is TrialState.RUNNING:
            self._storage.running.add(place)
        else:
            self._note_end(place, state, values)

    def _note_end(self, place: int, state: TrialState, values: Sequence[float] | None) -> None:
        self._storage.running.discard(place)
        if state is TrialState.COMPLETE and values is not None:
            bisect.insort(self._storage.ranked, (self._sign * values[0], place))


class _Window(InMemoryStorage):
    """A storage in memory whose list of trials is bounded.

    Which trials are listed depends on the study's content only, not on its history, so that
    a driver that was started again suggests the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.running: set[int] = set()
        """Places of the trials that run."""
        self.ranked: list[tuple[float, int]] = []
        """Value, the smallest the best, and place of every complete trial, in order."""

    def every_trial(self, study_id: int) -> list[FrozenTrial]:
        """All trials, without copying them."""
        return super().get_all_trials(study_id, deepcopy=False)

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
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials
