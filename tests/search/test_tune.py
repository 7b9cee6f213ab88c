"""When the process that owns a slot dies again and again: only where the run stands still."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from noop_sweep import noop_plan, noop_space

from raysearch.cluster.slot_trainable import EVENTS
from raysearch.events import Event, EventKind
from raysearch.search import tune
from raysearch.search.tune import StudyScheduler


class Book:
    """A book that lets every run go on."""

    over = False
    plan = SimpleNamespace(slots=2)

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self.renewed: list[str] = []

    def handle_events(self, run_id: str, events: Any) -> bool:
        return False

    def hangs(self, run_id: str) -> bool:
        return False

    def reset(self, run_id: str) -> None:
        self.renewed.append(run_id)

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
    """The news of a run, each the last of a slot whose process then dies."""
    queue, trial = Book(), TuneTrial()
    searcher: Any = SimpleNamespace(runs={"trial": "run"})
    scheduler = StudyScheduler(queue, searcher, dispatcher=None)  # type: ignore[arg-type]
    for step in steps:
        news = Event(kind=EventKind.PROGRESS, run_id="run", step=step, total=100)
        scheduler.on_trial_result(None, trial, {EVENTS: (news,)})
        trial.run_metadata.num_failures += 1  # as Tune counts
        scheduler.on_trial_error(None, trial)
    return queue


def test_a_run_that_gets_further_survives_any_number_of_deaths() -> None:
    queue = story([10, 20, 30, 40, 50, 60])
    assert queue.failure is None
    assert queue.renewed == ["run"] * 6


def test_a_run_that_stands_still_ends_the_run() -> None:
    assert story([10, 10]).failure is None
    queue = story([10, 10, 5])  # what a later slot repeats is no progress
    assert "a slot broke" in str(queue.failure)


def test_workers_are_told_when_the_run_is_over() -> None:
    """They write their checkpoints, and the run goes on until the book has heard of them."""
    queue = Book()
    told: list[str] = []
    dispatcher = SimpleNamespace(wind_up=SimpleNamespace(remote=lambda: told.append("wind up")))
    searcher: Any = SimpleNamespace(runs={"trial": "run"})
    scheduler = StudyScheduler(queue, searcher, dispatcher)  # type: ignore[arg-type]
    assert scheduler.on_trial_result(None, TuneTrial(), {EVENTS: ()}) == "CONTINUE"
    assert not told
    queue.over = True
    assert scheduler.on_trial_result(None, TuneTrial(), {EVENTS: ()}) == "CONTINUE"
    assert told == ["wind up"]


def test_a_worker_that_hangs_is_given_up_and_its_run_goes_on() -> None:
    queue, given_up = Book(), list[str]()
    queue.hangs = lambda run_id: True  # type: ignore[method-assign]
    dispatcher: Any = SimpleNamespace(give_up=SimpleNamespace(remote=given_up.append))
    searcher: Any = SimpleNamespace(runs={"trial": "run"})
    scheduler = StudyScheduler(queue, searcher, dispatcher)  # type: ignore[arg-type]
    assert scheduler.on_trial_result(None, TuneTrial(), {EVENTS: ()}) == "CONTINUE"
    assert given_up == ["run"]


@pytest.mark.parametrize(
    ("address", "gpus", "there", "said"),
    [
        ("auto", 0.0, 2, "the cluster has 2 GPUs, and the trials train on CPUs: "),
        ("auto", 1.0, 2, ""),
        ("auto", 0.0, 0, ""),
        (None, 0.0, 2, ""),
    ],
)
def test_gpus_of_a_cluster_that_nothing_asks_for_are_told(
    address: str | None, gpus: float, there: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune.ray, "cluster_resources", lambda: {"GPU": float(there)})
    plan = noop_plan(Path("x"), noop_space(), address=address, gpus_per_worker=gpus)
    note = tune.idle_gpus_note(plan)
    assert note.startswith(said) and bool(note) is bool(said)
