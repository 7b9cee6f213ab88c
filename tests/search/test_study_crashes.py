"""A crash at any write of the study loses nothing and repeats nothing."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from postgres import PostgresServer

from raysearch.search.space.space import SearchSpace

WRITES = ("INSERT", "UPDATE", "DELETE")


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code under test may catch it."""


class Crashes:
    """Ends the driver before a transaction that writes is committed."""

    def __init__(self) -> None:
        self.at: set[int] = set()
        self.writes = 0
        self._dirty: set[int] = set()

    def statement(self, connection: Any, cursor: Any, text: str, *rest: Any) -> None:
        if text.lstrip().upper().startswith(WRITES):
            self._dirty.add(id(connection))

    def commit(self, connection: Any) -> None:
        if id(connection) in self._dirty:
            self._dirty.discard(id(connection))
            self.writes += 1
            if self.writes in self.at:
                raise Killed


@pytest.fixture
def crashes() -> Iterator[Crashes]:
    plan = Crashes()
    events = [("before_cursor_execute", plan.statement), ("commit", plan.commit)]
    for name, hook in events:
        sqlalchemy.event.listen(sqlalchemy.Engine, name, hook)
    yield plan
    for name, hook in events:
        sqlalchemy.event.remove(sqlalchemy.Engine, name, hook)


def folder_in(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def run_to_the_end(sweep: Any) -> tuple[list[dict[str, Any]], int]:
    """Run a sweep, opening it again after each crash; returns its content and the crashes."""
    killed = 0
    while True:
        ledger = None
        try:
            ledger = sweep.open()
            sweep.run(ledger)
            content = sweep.content(ledger)
            ledger.close()
            return content, killed
        except Killed:
            killed += 1
            if ledger is not None:
                ledger.close()
        if ledger is None:
            gc.collect()  # the connection of a database that was being opened


def check_survival(
    parent: Path,
    space: SearchSpace,
    toy_sweep: Callable[..., Any],
    crashes: Crashes,
    *,
    order: int,
    share: float,
    tasks: tuple[str, ...] = (),
    **place: Any,
) -> None:
    """Kill one run again and again, at this share of its writes, and compare it with a calm one."""
    options = {"order": order, "seeds": 2, "tasks": tasks, **place}
    undisturbed = toy_sweep(folder_in(parent, "calm"), space, **options)
    expected, _ = run_to_the_end(undisturbed)
    writes = crashes.writes
    states = {trial["state"] for trial in expected}
    assert states == {"COMPLETE", "PRUNED", "FAIL"}
    assert len(expected) == space.trials * max(1, len(tasks))

    generator = random.Random(order)
    crashes.writes = 0
    crashes.at = {at for at in range(1, 100 * writes) if generator.random() < share}
    disturbed = toy_sweep(folder_in(parent, "shaken"), space, **options)
    content, killed = run_to_the_end(disturbed)

    assert content == expected
    assert killed >= 5
    assert set(disturbed.told) <= set(undisturbed.told)
    recorded = [key for trial in content for key in trial["attributes"] if key.startswith("cell/")]
    assert len(recorded) == len(undisturbed.told)


@pytest.mark.parametrize("order", range(2))
def test_crashes_now_and_then(
    tmp_path: Path,
    toy_space: SearchSpace,
    toy_sweep: Callable[..., Any],
    crashes: Crashes,
    order: int,
) -> None:
    check_survival(tmp_path, toy_space, toy_sweep, crashes, order=order, share=0.3)


@pytest.mark.slow
def test_crashes_on_a_server(
    tmp_path: Path,
    toy_space: SearchSpace,
    toy_sweep: Callable[..., Any],
    crashes: Crashes,
    postgres: PostgresServer,
) -> None:
    check_survival(
        tmp_path, toy_space, toy_sweep, crashes, order=0, share=0.3, url_in=postgres.url_in
    )


@pytest.mark.slow
def test_crashes_of_a_sweep_over_tasks(
    tmp_path: Path, toy_space: SearchSpace, toy_sweep: Callable[..., Any], crashes: Crashes
) -> None:
    space = toy_space.with_overrides({}, mode="per_task", warm_start=1, trials=4)
    check_survival(
        tmp_path, space, toy_sweep, crashes, order=4, share=0.3, tasks=("en-es", "en-fr")
    )


@pytest.mark.slow
def test_every_other_write_is_killed(
    tmp_path: Path, toy_space: SearchSpace, toy_sweep: Callable[..., Any], crashes: Crashes
) -> None:
    check_survival(tmp_path, toy_space, toy_sweep, crashes, order=2, share=0.5)


def test_one_crash_at_each_write(
    tmp_path: Path, toy_space: SearchSpace, toy_sweep: Callable[..., Any], crashes: Crashes
) -> None:
    space = toy_space.with_overrides({}, trials=4)
    calm = folder_in(tmp_path, "calm")
    expected, _ = run_to_the_end(toy_sweep(calm, space, order=3, seeds=2))
    writes = crashes.writes
    for at in range(1, writes + 1):
        crashes.writes, crashes.at = 0, {at}
        folder = folder_in(tmp_path, f"at-{at}")
        content, killed = run_to_the_end(toy_sweep(folder, space, order=3, seeds=2))
        assert killed == 1
        assert content == expected, f"killed at write {at} of {writes}"
