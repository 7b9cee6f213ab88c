"""When the process that owns a slot dies again and again: only where the lease stands still."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from raysearch.events import Event, EventKind
from raysearch.search.tune import EVENTS, StudyScheduler


class Book:
    """A book that lets every lease go on."""

    over = False
    plan = SimpleNamespace(slots=2)

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self.renewed: list[str] = []

    def hear(self, lease_id: str, events: Any) -> bool:
        return False

    def hangs(self, lease_id: str) -> bool:
        return False

    def renew(self, lease_id: str) -> None:
        self.renewed.append(lease_id)

    def fail(self, error: BaseException) -> None:
        self.failure = error


class TuneTrial:
    """What the scheduler sees of Tune's trial, which recovers from two failures."""

    trial_id = "trial"
    error_file = __file__

    def __init__(self) -> None:
        self.run_metadata = SimpleNamespace(num_failures=0)

    def should_recover(self) -> bool:
        return bool(self.run_metadata.num_failures <= 2)


def story(steps: list[int]) -> Book:
    """The news of a lease, each the last of a slot whose process then dies."""
    book, trial = Book(), TuneTrial()
    searcher: Any = SimpleNamespace(leases={"trial": "lease"})
    scheduler = StudyScheduler(book, searcher, room=None)  # type: ignore[arg-type]
    for step in steps:
        news = Event(kind=EventKind.PROGRESS, run_id="lease", step=step, total=100)
        scheduler.on_trial_result(None, trial, {EVENTS: (news,)})
        trial.run_metadata.num_failures += 1  # as Tune counts
        scheduler.on_trial_error(None, trial)
    return book


def test_a_lease_that_gets_further_survives_any_number_of_deaths() -> None:
    book = story([10, 20, 30, 40, 50, 60])
    assert book.failure is None
    assert book.renewed == ["lease"] * 6


def test_a_lease_that_stands_still_ends_the_run() -> None:
    assert story([10, 10]).failure is None
    book = story([10, 10, 5])  # what a later slot repeats is no progress
    assert "a slot broke" in str(book.failure)


def test_workers_are_told_when_the_run_is_over() -> None:
    """They write their checkpoints, and the lease goes on until the book has heard of them."""
    book = Book()
    told: list[str] = []
    room = SimpleNamespace(wind_up=SimpleNamespace(remote=lambda: told.append("wind up")))
    searcher: Any = SimpleNamespace(leases={"trial": "lease"})
    scheduler = StudyScheduler(book, searcher, room)  # type: ignore[arg-type]
    assert scheduler.on_trial_result(None, TuneTrial(), {EVENTS: ()}) == "CONTINUE"
    assert not told
    book.over = True
    assert scheduler.on_trial_result(None, TuneTrial(), {EVENTS: ()}) == "CONTINUE"
    assert told == ["wind up"]


def test_a_worker_that_hangs_is_given_up_and_its_lease_goes_on() -> None:
    book, given_up = Book(), list[str]()
    book.hangs = lambda lease_id: True  # type: ignore[method-assign]
    room: Any = SimpleNamespace(give_up=SimpleNamespace(remote=given_up.append))
    searcher: Any = SimpleNamespace(leases={"trial": "lease"})
    scheduler = StudyScheduler(book, searcher, room)  # type: ignore[arg-type]
    assert scheduler.on_trial_result(None, TuneTrial(), {EVENTS: ()}) == "CONTINUE"
    assert given_up == ["lease"]
