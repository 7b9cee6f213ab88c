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
        trials: The trials of the database in order of number, without gaps.
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
        self._storage = _Window()
        self._sign = 1.0 if space.goal.direction == "minimize" else -1.0
        direction = StudyDirection[space.goal.direction.upper()]
        self._study_id = self._storage.create_new_study([direction], "mirror")
        self._study = optuna.load_study(study_name="mirror", storage=self._storage)
        self._ids: list[int] = []
        self._hidden: set[int] = set()
        for trial in trials:
            self._add(trial, hidden=trial.number in hidden)

    @property
    def next_number(self) -> int:
        """Number of the next trial."""
        return len(self._ids)

    def propose(self) -> FrozenTrial | None:
        """Have the sampler choose; the mirror holds the new trial as running.

        Returns:
            The trial, to be written to the database, or None when a grid is used up.
        """
        sampler = make_sampler(
            self._space.sampler, self._searched, self._seed, number=self.next_number
        )
        if isinstance(sampler, GridSampler):
            every = self._storage.every_trial(self._study_id)
            if not sampler.take_point([trial.params for trial in every]):
                return None
        self._study.sampler = sampler
        trial = self._study.ask()
        suggest(trial, self._searched)
        number = trial.number
        self._ids.append(
            self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        )
        self._storage.running.add(number)
        return self._storage.get_trial(self._ids[number])

    def propose_given(self, params: Mapping[str, Scalar], *, hidden: bool) -> FrozenTrial:
        """A trial with these parameters; a hidden one is not what they say, so none learns of it.

        Returns:
            The trial, to be written to the database.
        """
        known = {item.name: distribution(item) for item in self._searched}
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=dict(params),
            distributions={name: known[name] for name in params},
        )
        trial.number = self.next_number
        trial.datetime_start = datetime.now()
        self._add(trial, hidden=hidden)
        return trial

    def report(self, number: int, rung: int, value: float) -> None:
        """Follow a report."""
        if number not in self._hidden:
            self._storage.set_trial_intermediate_value(self._ids[number], rung, value)

    def tell(self, number: int, state: TrialState, values: Sequence[float] | None) -> None:
        """Follow the end of a trial."""
        if number not in self._hidden:
            self._storage.set_trial_state_values(self._ids[number], state, values)
            self._note_end(number, state, values)

    def _add(self, trial: FrozenTrial, *, hidden: bool) -> None:
        seen: dict[str, Any] = {}
        # A failed trial without parameters keeps the number, and no sampler looks at it.
        state, values = TrialState.FAIL, None
        if hidden:
            self._hidden.add(trial.number)
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
            self._storage.running.add(trial.number)
        else:
            self._note_end(trial.number, state, values)

    def _note_end(self, number: int, state: TrialState, values: Sequence[float] | None) -> None:
        self._storage.running.discard(number)
        if state is TrialState.COMPLETE and values is not None:
            bisect.insort(self._storage.ranked, (self._sign * values[0], number))


class _Window(InMemoryStorage):
    """A storage in memory whose list of trials is bounded.

    Which trials are listed depends on the study's content only, not on its history, so that
    a driver that was started again suggests the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.running: set[int] = set()
        """Numbers of the trials that run."""
        self.ranked: list[tuple[float, int]] = []
        """Value, the smallest the best, and number of every complete trial, in order."""

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
