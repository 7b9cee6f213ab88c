"""When is a worker's silence said, and when is it replaced; by a clock that a test turns."""

from __future__ import annotations

import pytest

from raysearch.events import EventKind
from raysearch.search.hang_detection import HangDetector


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def told(detector: HangDetector, clock: Clock, seconds: float) -> list[str]:
    """What is said while so many seconds pass without news of run a."""
    said = []
    for _ in range(int(seconds)):
        clock.now += 1
        said.append(detector.silence("a"))
    return [text for text in said if text]


def after(detector: HangDetector, clock: Clock, seconds: float, *kinds: EventKind) -> None:
    """News of run a, each so many seconds after the one before."""
    for kind in kinds:
        clock.now += seconds
        detector.note_event("a", kind)


def test_a_silence_is_said_once_and_its_limit_replaces_the_worker(clock: Clock) -> None:
    detector = HangDetector(600.0, clock)
    after(detector, clock, 1, EventKind.TAKEN, EventKind.STARTED, *[EventKind.PROGRESS] * 5)
    assert told(detector, clock, 59) == [] and not detector.expired("a")
    assert told(detector, clock, 500) == [
        "trial a: no report for 60 s, and no pause was longer than 1 s so far; its worker is "
        "replaced after 600 s (--hang-limit)"
    ]
    assert told(detector, clock, 40) == [] and not detector.expired("a")
    assert told(detector, clock, 1) == [] and detector.expired("a") and not detector.expired("a")


def test_pauses_that_a_sweep_knows_are_no_silence(clock: Clock) -> None:
    """An evaluation of 20 s makes 200 s unlikely, and a limit of 60 s too short."""
    detector = HangDetector(60.0, clock)
    after(detector, clock, 1, EventKind.TAKEN, EventKind.STARTED)
    after(detector, clock, 20, EventKind.REPORT)
    assert told(detector, clock, 199) == [] and not detector.expired("a")
    assert told(detector, clock, 1) == [
        "trial a: no report for 200 s, and no pause was longer than 20 s so far; its worker is "
        "replaced after 200 s, as --hang-limit 60s is too short here"
    ]
    assert detector.expired("a")


def test_a_silence_that_was_said_is_no_pause_to_go_by(clock: Clock) -> None:
    detector = HangDetector(600.0, clock)
    after(detector, clock, 1, EventKind.TAKEN, EventKind.PROGRESS)
    assert told(detector, clock, 300)
    after(detector, clock, 1, EventKind.PROGRESS)
    assert "no report for 60 s" in told(detector, clock, 61)[0]


def test_two_silences_that_ended_by_themselves_are_pauses_to_go_by(clock: Clock) -> None:
    """As evaluations of 90 s between steps of 1 s: the third is no news."""
    detector = HangDetector(60.0, clock)
    after(detector, clock, 1, EventKind.TAKEN, EventKind.PROGRESS)
    for said in (1, 1, 0):
        assert len(told(detector, clock, 89)) == said
        after(detector, clock, 1, EventKind.REPORT, EventKind.PROGRESS)
    assert told(detector, clock, 899) == [] and not detector.expired("a")
    assert told(detector, clock, 1) and detector.expired("a")


def test_who_was_stopped_itself_blames_nobody(clock: Clock) -> None:
    detector = HangDetector(600.0, clock)
    after(detector, clock, 1, EventKind.TAKEN, EventKind.PROGRESS)
    clock.now += 10_000
    assert detector.silence("a") == "" and not detector.expired("a")
    clock.now += 10_000
    after(detector, clock, 1, EventKind.PROGRESS)
    assert "no pause was longer than 1 s" in told(detector, clock, 61)[0]


def test_nobody_is_silent_without_a_run(clock: Clock) -> None:
    detector = HangDetector(600.0, clock)
    assert told(detector, clock, 1000) == []  # it waits for a worker, which is said elsewhere
    after(detector, clock, 1, EventKind.TAKEN, EventKind.PREEMPTED)
    assert told(detector, clock, 1000) == [] and not detector.expired("a")
    after(detector, clock, 1, EventKind.TAKEN)
    assert told(detector, clock, 61)
    detector.forget("a")
    assert told(detector, clock, 1000) == [] and not detector.expired("a")
