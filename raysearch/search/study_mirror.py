"""What does a sampler see of the study.

A copy of the study in memory, from which Optuna's samplers suggest. The database stays the
only truth: the copy is made from it when a sweep starts, and follows each write. So a
suggestion reads nothing from the database and writes nothing to it, and a new trial can be
written whole, in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from raysearch.search.samplers import GridSampler, distribution, make_sampler, suggest
from raysearch.search.space import SearchSpace
from raysearch.trial import Scalar

__all__ = ["StudyMirror"]


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
        self._storage = InMemoryStorage()
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
        if isinstance(sampler, GridSampler) and sampler.next_point(self._study) is None:
            return None
        self._study.sampler = sampler
        trial = self._study.ask()
        suggest(trial, self._searched)
        number = trial.number
        self._ids.append(
            self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        )
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
        copy = optuna.trial.create_trial(state=state, values=values, **seen)
        self._ids.append(self._storage.create_new_trial(self._study_id, copy))
