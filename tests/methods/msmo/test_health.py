"""Failure signatures, what is no failure, and what could not be judged."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import pytest
import torch

from raysearch.errors import UnhealthyError
from raysearch.methods.msmo.health import (
    EARLY,
    FEWEST,
    MOST,
    WINDOW,
    StepWatch,
    flags,
    of_reports,
)
from raysearch.methods.msmo.method import MsmoMethod

Make = Callable[..., MsmoMethod]

FINE = {"f1": 0.5, "predicted": 1.0, "hallucinated": 0.3}


def reports(*changes: dict[str, float]) -> list[dict[str, float]]:
    return [{"step": 100.0 * (n + 1), **FINE, **each} for n, each in enumerate(changes)]


def critic(gap: float, saturation: float, accuracy: float) -> dict[str, float]:
    return {"gap": gap, "saturation": saturation, "critic_accuracy": accuracy}


def views(consistency: float, supervised: float) -> dict[str, float]:
    return {"consistency": consistency, "supervised": supervised}


def watched(steps: Sequence[Mapping[str, Any]]) -> StepWatch:
    watch = StepWatch()
    for step in steps:
        watch.add(step)
    return watch


def noisy(**of_critic: float) -> list[dict[str, float]]:
    """Steps of a critic whose gap goes up and down by a tenth of itself."""
    step = critic(**of_critic)
    return [{**step, "gap": step["gap"] * (0.9 + 0.2 * (n % 2))} for n in range(FEWEST)]


def test_steps_of_healthy_trials_show_nothing() -> None:
    # A saturated critic that sees a gap, one whose gap is closed, one that is a little wrong.
    for step in (critic(0.05, 1.0, 0.9), critic(1e-5, 1.0, 0.55), critic(-1e-4, 0.3, 0.48)):
        assert watched([step] * FEWEST).judge() == {}
    # Consistency grows from nothing while a tagger learns, and late to a usual size.
    rising = [(0.01, 1.4), (0.3, 0.5), (2.5, 0.2)]
    watch = watched([views(*pair) for pair in rising for _ in range(WINDOW)])
    assert watch.judge() == {} and watch.verdicts == {"consistency": ""}


def test_two_sides_of_one_distribution_are_no_failure() -> None:
    chance = torch.Generator().manual_seed(0)
    for _ in range(500):
        steps = []
        for _ in range(MOST):
            source, target = torch.randn(2, 8, generator=chance)
            right = (source.unsqueeze(1) > target).double().mean()
            steps.append(critic(float(source.mean() - target.mean()), 0.5, float(right)))
        assert watched(steps).judge() == {}


@pytest.mark.parametrize(
    "name, steps, words",
    [
        ("critic", [critic(1e-12, 0.0, 0.5)] * FEWEST, "critic collapse.*1e-12"),
        ("critic", noisy(gap=-4.3, saturation=0.2, accuracy=0.03), "turned over.*-4.3.* 3% of"),
        ("critic", noisy(gap=-0.01, saturation=0.99, accuracy=0.3), "turned.*30%.*99%.*at ±c"),
        (
            "consistency",
            [views(*pair) for pair in ((3.0, 0.9), (6.0, 0.5), (9.0, 0.2)) for _ in range(WINDOW)],
            "torn apart.*from 3 to 9 within 60 steps.*from 0.9 to 0.2",
        ),
    ],
)
def test_signatures_of_steps(name: str, steps: list[dict[str, float]], words: str) -> None:
    watch = watched(steps)
    found = watch.judge()
    assert list(found) == [name]
    with pytest.raises(UnhealthyError, match=words):
        raise UnhealthyError(found[name])
    assert flags(watch.verdicts) == {f"health/{name}": 1.0}
    assert watch.judge() == {} and watch.verdicts == found  # it is told once and stays
    assert watched(steps[1:]).judge() == {} and watched(steps[1:]).verdicts == {}  # too few steps
    other = StepWatch()
    other.load_state_dict(watch.state_dict())
    assert other.state_dict() == watch.state_dict()


@pytest.mark.parametrize(
    "name, rows, words",
    [
        ("silence", [{}, {"predicted": 0.0}, {"predicted": 0.0}], "all words are O.*0.500"),
        (
            "hallucination",
            [{"predicted": 6.0, "hallucinated": 0.95}, {"predicted": 7.0, "hallucinated": 0.93}],
            "hallucination.*95% and 93% of 7.0",
        ),
    ],
)
def test_signatures_of_reports(name: str, rows: list[dict[str, float]], words: str) -> None:
    verdicts = of_reports(reports(*rows), done=False)
    assert {one for one, sentence in verdicts.items() if sentence} == {name}
    with pytest.raises(UnhealthyError, match=words):
        raise UnhealthyError(verdicts[name])
    early = [{**row, "step": EARLY - 1} for row in reports(*rows)]
    assert of_reports(early, done=False) == {}


def test_reports_of_healthy_trials_show_nothing() -> None:
    both = {"silence": "", "hallucination": ""}
    assert of_reports(reports({}, {}, {}), done=False) == both
    # A tagger that has not begun to speak.
    silent = {"f1": 0.0, "predicted": 0.0, "hallucinated": 0.0}
    assert of_reports(reports(silent, silent, silent), done=True) == both
    assert of_reports(reports({}, {}, silent), done=False) == both
    # One that says too much at first.
    talkative = {"predicted": 9.0, "hallucinated": 0.95}
    assert of_reports(reports(talkative, {}), done=False) == {"hallucination": ""}


def test_what_was_not_judged_is_absent_and_the_last_report_is_judged() -> None:
    assert of_reports([], done=True) == {} == of_reports(reports({}), done=False)
    assert of_reports(reports({}), done=True) == {"hallucination": ""}
    assert of_reports(reports({}, {}), done=True) == {"silence": "", "hallucination": ""}
    assert of_reports(reports({}, {}), done=False) == {"hallucination": ""}
    (silent,) = (v for v in of_reports(reports({}, {"predicted": 0.0}), done=True).values() if v)
    assert "after an F1 of 0.500 it predicted none at the last report" in silent
    assert flags({}) == {}
    assert flags({"silence": "", "critic": "yes"}) == {"health/critic": 1.0, "health/silence": 0.0}


def test_a_trial_reports_no_verdict_on_what_it_lacks(make_method: Make) -> None:
    method = make_method(variant="zero_shot")
    method.begin(method.stages()[-1])
    assert not [name for name in method.evaluate("dev") if name.startswith("health/")]


UNEQUAL = {
    "schedule": "interleaved",
    "critic_training": "fixed",
    "critic_steps": 1,
    "critic_first_steps": 0,
    "critic_clip": 0.3,
    "critic_learning_rate": 1e-9,
    "adversarial_weight": 3.0,
}
"""A critic that stays what it was."""


def play(method: MsmoMethod, perform: Callable[..., Any], steps: int, *, against: bool) -> None:
    """Steps of the last stage, with a critic that is always wrong."""
    stage = method.stages()[-1]
    method.begin(stage)
    critic = method.network.critic
    assert critic is not None
    for step, batch in enumerate(islice(method.batches(stage, 0), steps)):
        if against:
            with torch.no_grad():
                features = method.network(batch.main).features
                sides = batch.sides
                difference = features[sides.source].mean(0) - features[sides.target].mean(0)
                critic.layers[1].weight.copy_(-0.3 * difference.sign())
        perform(method, batch, step)


@pytest.mark.parametrize("guards", ["stop", "report"])
def test_a_game_that_turns_over_ends_a_trial_at_its_tenth_step(
    make_method: Make, perform: Callable[..., Any], guards: str
) -> None:
    method = make_method(**UNEQUAL, guards=guards)
    if guards == "stop":
        with pytest.raises(UnhealthyError, match="the critic's game turned over"):
            play(method, perform, 11, against=True)
        assert method._selection is not None and method._selection.step == FEWEST
    else:
        play(method, perform, 11, against=True)
        assert method.evaluate("dev")["health/critic"] == 1.0


def test_a_trained_critic_is_judged_and_found_in_order(
    make_method: Make, perform: Callable[..., Any]
) -> None:
    method = make_method(schedule="interleaved")
    play(method, perform, 9, against=False)
    assert "health/critic" not in method.evaluate("dev")
    play(method, perform, 10, against=False)
    assert method.evaluate("dev")["health/critic"] == 0.0


def test_a_verdict_on_an_alignment_reaches_the_trials_that_share_it(make_method: Make) -> None:
    sentence = {"critic": "the game turned over"}
    for guards in ("stop", "report"):
        method = make_method(guards=guards)
        align, train = method.stages()
        method.begin(align)
        result = {**method.finish(align), "verdicts": sentence}
        if guards == "stop":
            with pytest.raises(UnhealthyError, match="the game turned over"):
                method.accept(align, result)
        else:
            method.accept(align, result)
            method.begin(train)
            assert method.evaluate("dev")["health/critic"] == 1.0


@pytest.mark.parametrize("guards", ["stop", "report"])
def test_guards_stop_a_trial_or_report(
    make_method: Make, guards: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = make_method(variant="zero_shot", guards=guards)
    method.begin(method.stages()[-1])

    def silent(*_: Any, **__: Any) -> dict[str, str]:
        return {"silence": "all words are O", "hallucination": ""}

    monkeypatch.setattr("raysearch.methods.msmo.health.of_reports", silent)
    metrics = method.evaluate("dev")
    assert metrics["health/silence"] == 1.0 and metrics["health/hallucination"] == 0.0
    if guards == "stop":
        with pytest.raises(UnhealthyError, match="all words are O"):
            method.check_health({}, metrics)
    else:
        method.check_health({}, metrics)
