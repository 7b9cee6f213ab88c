"""When is a worker's silence said, and when is it replaced; by a clock that a test turns."""

from __future__ import annotations

import pytest

from raysearch.events import EventKind
from raysearch.search.hang_detection import Silence


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def told(silence: Silence, clock: Clock, seconds: float) -> list[str]:
    """What is said while so many seconds pass without news of lease a."""
    said = []
    for _ in range(int(seconds)):
        clock.now += 1
        said.append(silence.told("a"))
    return [text for text in said if text]


def after(silence: Silence, clock: Clock, seconds: float, *kinds: EventKind) -> None:
    """News of lease a, each so many seconds after the one before."""
    for kind in kinds:
        clock.now += seconds
        silence.hear("a", kind)


def test_a_silence_is_said_once_and_its_limit_replaces_the_worker(clock: Clock) -> None:
    silence = Silence(600.0, clock)
    after(silence, clock, 1, EventKind.TAKEN, EventKind.STARTED, *[EventKind.PROGRESS] * 5)
    assert told(silence, clock, 59) == [] and not silence.over("a")
    assert told(silence, clock, 500) == [
        "trial a: no news for 60 s, and no pause was longer than 1 s so far; its worker is "
        "replaced after 600 s (--hang-limit)"
    ]
    assert told(silence, clock, 40) == [] and not silence.over("a")
    assert told(silence, clock, 1) == [] and silence.over("a") and not silence.over("a")


def test_pauses_that_a_sweep_knows_are_no_silence(clock: Clock) -> None:
    """An evaluation of 20 s makes 200 s unlikely, and a limit of 60 s too short."""
    silence = Silence(60.0, clock)
    after(silence, clock, 1, EventKind.TAKEN, EventKind.STARTED)
    after(silence, clock, 20, EventKind.REPORT)
    assert told(silence, clock, 199) == [] and not silence.over("a")
    assert told(silence, clock, 1) and silence.over("a")


def test_a_silence_that_was_said_is_no_pause_to_go_by(clock: Clock) -> None:
    silence = Silence(600.0, clock)
    after(silence, clock, 1, EventKind.TAKEN, EventKind.PROGRESS)
    assert told(silence, clock, 300)
    after(silence, clock, 1, EventKind.PROGRESS)
    assert "no news for 60 s" in told(silence, clock, 61)[0]


def test_two_silences_that_ended_by_themselves_are_pauses_to_go_by(clock: Clock) -> None:
    """As evaluations of 90 s between steps of 1 s: the third is no news."""
    silence = Silence(60.0, clock)
    after(silence, clock, 1, EventKind.TAKEN, EventKind.PROGRESS)
    for said in (1, 1, 0):
        assert len(told(silence, clock, 89)) == said
        after(silence, clock, 1, EventKind.REPORT, EventKind.PROGRESS)
    assert told(silence, clock, 899) == [] and not silence.over("a")
    assert told(silence, clock, 1) and silence.over("a")


def test_who_was_stopped_itself_blames_nobody(clock: Clock) -> None:
    silence = Silence(600.0, clock)
    after(silence, clock, 1, EventKind.TAKEN, EventKind.PROGRESS)
    clock.now += 10_000
    assert silence.told("a") == "" and not silence.over("a")
    clock.now += 10_000
    after(silence, clock, 1, EventKind.PROGRESS)
    assert "no pause was longer than 1 s" in told(silence, clock, 61)[0]


def test_nobody_is_silent_without_a_lease(clock: Clock) -> None:
    silence = Silence(600.0, clock)
    assert told(silence, clock, 1000) == []  # it waits for a worker, which is said elsewhere
    after(silence, clock, 1, EventKind.TAKEN, EventKind.PREEMPTED)
    assert told(silence, clock, 1000) == [] and not silence.over("a")
    after(silence, clock, 1, EventKind.TAKEN)
    assert told(silence, clock, 61)
    silence.forget("a")
    assert told(silence, clock, 1000) == [] and not silence.over("a")
