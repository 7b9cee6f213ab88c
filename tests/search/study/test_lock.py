"""A sweep's lock: never through a link, and never of a folder that is not there any more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from noop_sweep import NoopRunner, noop_plan, noop_space
from storage.s3_server import ENVIRONMENT, S3Server, s3_server

from raysearch.cluster.node_watch import write_spent
from raysearch.errors import StoreError
from raysearch.leaderboard import Store
from raysearch.run import Cell, MetricGoal, Run, RunSpec, RunState
from raysearch.search.driver import RunQueue
from raysearch.search.incumbent import Incumbents
from raysearch.search.study.journal import RunJournal
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.study.lock import RootMark, sweep_lock


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_a_lock_that_is_a_link_is_refused_and_the_users_file_is_whole(
    tmp_path: Path, kind: str
) -> None:
    thesis, folder = tmp_path / "thesis.tex", tmp_path / "results"
    thesis.write_text("years of work")
    folder.mkdir()
    lock = folder / "sweep.lock"
    lock.symlink_to(thesis) if kind == "symlink" else lock.hardlink_to(thesis)
    with pytest.raises(StoreError, match="must be a file of its own"), sweep_lock(folder):
        pass
    assert thesis.read_text() == "years of work"


@pytest.mark.parametrize("name", ["study.db", "study.db-wal", "study.db-shm", "study.db-journal"])
def test_a_study_that_is_a_link_is_refused(tmp_path: Path, name: str) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    (tmp_path / name).symlink_to(thesis)
    plan = noop_plan(tmp_path, noop_space())
    with pytest.raises(StoreError, match=f"{name}` must be a file of its own"):
        StudyLedger.open(plan.url, plan.name, plan.space, cells=plan.cells)
    assert thesis.read_text() == "years of work"


def test_what_a_sweep_costs_is_not_written_through_a_link(tmp_path: Path) -> None:
    thesis, folder = tmp_path / "thesis.tex", tmp_path / "results"
    thesis.write_text("years of work")
    folder.mkdir()
    for name in ("cost.json", f".cost.json.{os.getpid()}.tmp"):
        (folder / name).symlink_to(thesis)
    write_spent(folder, 1.5, "USD")
    assert thesis.read_text() == "years of work"
    assert not (folder / "cost.json").is_symlink()


def test_a_lock_holds_as_long_as_its_names_lead_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    with sweep_lock(folder) as lock:
        lock.check()
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(StoreError, match="was removed or replaced: nothing more is written"):
            lock.check()
        (tmp_path / "elsewhere").rename(folder)
        lock.check()
        (folder / "sweep.lock").unlink()
        assert not lock._held.holds()
        with sweep_lock(folder) as other:  # a new file, so a new lock: both "hold" it
            other.check()
            assert not lock._held.holds()


def test_a_folder_made_anew_is_another_even_with_the_same_number(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    with sweep_lock(folder) as lock:
        shutil.rmtree(folder)
        assert not lock._held.holds()
        for _ in range(50):  # a file system gives freed numbers again
            with sweep_lock(folder) as other:
                assert other._held.holds() and not lock._held.holds()
            shutil.rmtree(folder)


def test_a_lock_in_a_folder_behind_a_link_is_taken(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "scratch")
    with sweep_lock(tmp_path / "results" / "carl") as lock:
        lock.check()


def test_nothing_is_written_or_removed_once_the_lock_is_lost(tmp_path: Path) -> None:
    """Study, intents, files of runs and the book: each asks before it writes."""
    plan = noop_plan(tmp_path / "sweep", noop_space(), NoopRunner())
    with sweep_lock(plan.folder) as lock:
        ledger = StudyLedger.open(
            plan.url, plan.name, plan.space, cells=plan.cells, guard=lock.check
        )
        incumbents = Incumbents(MetricGoal("dev/score"), plan.runs, "best", guard=lock.check)
        book = RunQueue(
            plan,
            ledger,
            incumbents,
            on_trial=lambda trial: None,
            on_event=lambda event: None,
            guard=lock.check,
        )
        shutil.rmtree(plan.folder)
        with sweep_lock(plan.folder):
            weights = Path(plan.runs, _spec().id, "final.safetensors")
            weights.parent.mkdir(parents=True)
            weights.touch()
            before = sorted(plan.folder.rglob("*"))
            for write in (
                ledger.ask,
                book.next,
                lambda: book.handle_events("x", []),
                lambda: RunJournal(plan.root, guard=lock.check).write(_spec()),
                lambda: RunJournal(plan.root, guard=lock.check).remove(_spec().id),
                lambda: incumbents.add(_trial(), cells=1),
            ):
                with pytest.raises(StoreError, match="was removed or replaced"):
                    write()
            assert sorted(plan.folder.rglob("*")) == before
        ledger.close()


@pytest.fixture
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


def test_the_latest_driver_of_a_root_elsewhere_counts(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for root in (server.uri("bucket/sweeps/far"), str(tmp_path / "far")):
        first = RootMark(root)
        first.check()
        second = RootMark(root)
        second.check()
        with pytest.raises(StoreError, match=f"is driven by process {os.getpid()} on"):
            first.check()
        second._storage.remove("driver.json")
        with pytest.raises(StoreError, match="was removed or is driven by another"):
            second.check()
    assert not Store(root).exists()  # a mark is no sweep


def _spec() -> RunSpec:
    return RunSpec(
        sweep="noop", number=0, cell=Cell("noop", 0), method="noop", config={}, folder=""
    )


def _trial() -> Run:
    return Run(
        sweep="noop",
        number=0,
        cell=Cell("noop", 0),
        method="noop",
        state=RunState.FAILED,
        config={},
        metrics={},
    )
