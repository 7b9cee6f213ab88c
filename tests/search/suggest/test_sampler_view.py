from __future__ import annotations

import math
import random

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from raysearch.search.space.space import SearchSpace
from raysearch.search.suggest.sampler_view import SamplerView, losses, teaches


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


NAN = math.nan


def trial(number: int, *reports: float, ended: float | None = None) -> FrozenTrial:
    """Complete with what it ended at, or stopped at its last report."""
    made = create_trial(
        state=TrialState.PRUNED if ended is None else TrialState.COMPLETE,
        value=ended,
        intermediate_values=dict(enumerate(reports, 1)),
    )
    made.number = number
    return made


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_stopped_trial_stays_behind_those_that_led_it_and_went_on(sign: float) -> None:
    trials = [
        trial(0, 0.3, 0.55, ended=0.6),
        trial(1, 0.5, 0.5),  # 0.05 behind trial 0 at rung 2
        trial(2, 0.4),  # 0.1 behind trial 1 at rung 1, and before trial 0
        trial(3, 0.2),  # 0.1 behind trial 0: 0.5 of 0.6; 0.3 behind trial 1: 0.25 of 0.55
    ]
    wanted = {0: 0.6, 1: 0.55, 2: 0.45, 3: 0.25}
    if sign > 0:  # what is minimised is the same upside down
        for item in trials:
            item.intermediate_values = {r: -v for r, v in item.intermediate_values.items()}
            if item.state is TrialState.COMPLETE:
                item.value = -item.value if item.value else None

    assert losses(trials, sign) == pytest.approx({n: -value for n, value in wanted.items()})


def test_none_can_be_the_best() -> None:
    # At its rung the second was far ahead of the only one that is complete; who led it failed.
    assert losses([trial(0, 0.1, ended=0.6), trial(1, 0.4)], -1.0) == {0: -0.6, 1: -0.6}


def test_while_none_went_on_the_last_rung_is_the_scale() -> None:
    found = losses([trial(0, 0.4), trial(1, 0.5, 0.3), trial(2, 0.1, 0.25)], -1.0)
    # Trial 0 is 0.1 behind trial 1 at rung 1, which stands at 0.3.
    assert found == pytest.approx({0: -0.2, 1: -0.3, 2: -0.25})


def test_what_has_no_number_teaches_nothing() -> None:
    running = create_trial(state=TrialState.RUNNING, intermediate_values={1: 0.5})
    failed = create_trial(state=TrialState.FAIL)
    for item in (trial(0, NAN), trial(0), running, failed):
        assert not teaches(item) and losses([item], 1.0) == {}
    assert teaches(trial(0, NAN, 0.5)) and teaches(trial(0, ended=0.5))
