from __future__ import annotations

import random

import optuna
from optuna.trial import FrozenTrial, TrialState

from raysearch.search.space.space import SearchSpace
from raysearch.search.suggest.sampler_view import SamplerView


def seen_by_samplers(view: SamplerView, *states: TrialState) -> list[FrozenTrial]:
    study = optuna.load_study(study_name="mirror", storage=view._storage)
    return study.get_trials(deepcopy=False, states=states or None)


def test_a_long_study_is_read_in_part(toy_space: SearchSpace) -> None:
    space = toy_space.with_overrides({}, sampler="random")
    view = SamplerView(space, 0, (), ())
    generator = random.Random(0)
    values = {}
    for number in range(700):
        proposal = view.propose(number)
        assert proposal is not None and proposal.trial.number == number
        if number in (3, 690):
            continue  # these two run on
        if number % 2:
            view.tell(number, TrialState.PRUNED, None)
        else:
            values[number] = generator.random()
            view.tell(number, TrialState.COMPLETE, [values[number]])

    seen = [trial.number for trial in seen_by_samplers(view)]

    best = sorted(values, key=lambda number: values[number], reverse=True)[:100]
    assert seen == sorted({3, *best, *range(300, 700)})
    running = seen_by_samplers(view, TrialState.RUNNING)
    assert [trial.number for trial in running] == [3, 690]


def test_hidden_trials_teach_nothing(toy_space: SearchSpace) -> None:
    view = SamplerView(toy_space, 0, (), ())
    hidden = view.propose_given(0, {"depth": 2}, hidden=True)
    shown = view.propose_given(1, {"depth": 2, "shape": "round", "width": 1.0}, hidden=False)
    for trial in (hidden, shown):
        view.report(trial.number, 1, 0.5)
        view.tell(trial.number, TrialState.COMPLETE, [0.5])

    assert (hidden.number, shown.number) == (0, 1)
    learnt = seen_by_samplers(view, TrialState.COMPLETE)
    assert [trial.number for trial in learnt] == [1]
    assert learnt[0].intermediate_values == {1: 0.5}
