"""Failure signatures, and what is no failure."""

from collections.abc import Callable
from typing import Any

import pytest

from raysearch.errors import UnhealthyError
from raysearch.methods.msmo.health import EARLY, SIGNATURES, find, flags
from raysearch.methods.msmo.method import MsmoMethod

FINE = {"f1": 0.5, "predicted": 1.0, "hallucinated": 0.3}


def reports(*changes: dict[str, float]) -> list[dict[str, float]]:
    return [{"step": 100.0 * (n + 1), **FINE, **each} for n, each in enumerate(changes)]


def critic(gap: float, saturation: float, accuracy: float) -> dict[str, float]:
    return {"gap": gap, "saturation": saturation, "critic_accuracy": accuracy}


def views(consistency: float, supervised: float) -> dict[str, float]:
    return {"consistency": consistency, "supervised": supervised}


def test_healthy_trials_show_nothing() -> None:
    assert find([]) == {}
    assert find(reports({}, {}, {})) == {}
    # A saturated critic that sees a gap, and one whose gap the encoder has closed.
    assert find(reports(critic(0.05, 1.0, 0.9), critic(1e-5, 1.0, 0.55))) == {}
    assert find(reports(critic(-1e-4, 0.3, 0.48))) == {}
    # Consistency grows from nothing while a tagger learns, and late to a usual size.
    assert find(reports(views(0.01, 1.4), views(0.3, 0.5), views(2.5, 0.2))) == {}
    # A tagger that has not begun to speak.
    silent = {"f1": 0.0, "predicted": 0.0, "hallucinated": 0.0}
    assert find(reports(silent, silent, silent)) == {}
    assert find(reports({}, {}, silent)) == {}
    # One that says too much at first.
    assert find(reports({"predicted": 9.0, "hallucinated": 0.95}, {})) == {}


@pytest.mark.parametrize(
    "name, rows, words",
    [
        ("critic", [critic(1e-12, 0.0, 0.5)], "critic collapse.*1e-12"),
        ("critic", [critic(-0.01, 0.99, 0.4)], "critic saturation.*99%.*-0.01.*40%"),
        (
            "consistency",
            [views(3.0, 0.9), views(6.0, 0.5), views(9.0, 0.2)],
            "torn apart.*from 3 to 9.*from 0.9 to 0.2",
        ),
        ("silence", [{}, {"predicted": 0.0}, {"predicted": 0.0}], "all words are O.*0.500"),
        (
            "hallucination",
            [{"predicted": 6.0, "hallucinated": 0.95}, {"predicted": 7.0, "hallucinated": 0.93}],
            "hallucination.*95% and 93% of 7.0",
        ),
    ],
)
def test_signatures(name: str, rows: list[dict[str, float]], words: str) -> None:
    found = find(reports(*rows))
    assert list(found) == [name]
    with pytest.raises(UnhealthyError, match=words):
        raise UnhealthyError(found[name])
    assert flags(found) == {f"health/{each}": float(each == name) for each in SIGNATURES}
    early = [{**row, "step": EARLY - 1} for row in reports(*rows)]
    assert find(early) == {}


@pytest.mark.parametrize("guards", ["stop", "report"])
def test_guards_stop_a_trial_or_report(
    make_method: Callable[..., MsmoMethod], guards: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = make_method(variant="zero_shot", guards=guards)
    method.begin(method.stages()[-1])

    def torn(_: Any) -> dict[str, str]:
        return {"consistency": "views torn apart"}

    monkeypatch.setattr("raysearch.methods.msmo.health.find", torn)
    metrics = method.evaluate("dev")
    assert metrics["health/consistency"] == 1.0 and metrics["health/critic"] == 0.0
    if guards == "stop":
        with pytest.raises(UnhealthyError, match="views torn apart"):
            method.check_health({}, metrics)
    else:
        method.check_health({}, metrics)
