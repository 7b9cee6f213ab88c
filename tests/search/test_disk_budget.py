"""What of the runs' files stays, what goes for a quota, and what is freed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from noop_sweep import GOAL, noop_plan, noop_space
from storage.s3_server import ENVIRONMENT, S3Server, s3_server

from raysearch.errors import ConfigError, StoreError
from raysearch.run import Cell, MetricGoal, Run, RunState
from raysearch.scalars import size_text
from raysearch.search.incumbent import Incumbents
from raysearch.storage import open_storage

KB = 1000
CHECKPOINT, WEIGHTS = 100 * KB, 10 * KB


def trial(number: int, value: float, *, task: str = "noop", state: str = "complete") -> Run:
    return Run(
        sweep="noop",
        number=number,
        cell=Cell(task, 0),
        method="noop",
        state=RunState(state),
        config={},
        metrics={GOAL: value},
    )


def fill(runs: str | Path, run_id: str, *, weights: bool = True) -> None:
    """The files of a run that ran to its end, of `CHECKPOINT` and `WEIGHTS` bytes."""
    store = open_storage(runs)
    store.write(f"{run_id}/checkpoint.safetensors", [bytes(CHECKPOINT)])
    if weights:
        store.write(f"{run_id}/final.safetensors", [bytes(WEIGHTS)])


def run(incumbents: Incumbents, runs: str | Path, *done: Run, cells: int = 1) -> None:
    for each in done:
        fill(runs, each.id, weights=each.state is RunState.COMPLETE)
        incumbents.add(each, cells=cells)


def files(runs: str | Path) -> list[str]:
    return sorted(file.name for file in open_storage(runs).tree())


PAIRS = ("en-es", "en-fr")


def pairs(number: int, *values: float) -> list[Run]:
    return [trial(number, value, task=task) for task, value in zip(PAIRS, values, strict=True)]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture(params=["folder", "s3"])
def runs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where runs lie: a folder, or objects."""
    if request.param == "folder":
        return str(tmp_path / "leases")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    server: S3Server = request.getfixturevalue("server")
    bucket = tmp_path.name.replace("_", "-").lower().strip("-")
    return server.uri(f"{bucket}/noop/leases")


def test_the_best_of_all_and_of_each_task_stays(runs: str) -> None:
    incumbents = Incumbents(MetricGoal(GOAL), runs, "best")
    run(incumbents, runs, *pairs(0, 0.9, 0.1), *pairs(1, 0.6, 0.6), *pairs(2, 0.2, 0.8), cells=2)
    assert incumbents.best == {"": (1, 0.6)}
    assert incumbents.best_of_task == {"en-es": (0, 0.9), "en-fr": (2, 0.8)}
    assert files(runs) == [
        "00000-en-es-s0/final.safetensors",
        "00001-en-es-s0/final.safetensors",
        "00001-en-fr-s0/final.safetensors",
        "00002-en-fr-s0/final.safetensors",
    ]
    assert incumbents.freed == 6 * CHECKPOINT + 2 * WEIGHTS
    run(incumbents, runs, *pairs(3, 0.95, 0.7), cells=2)
    assert files(runs) == [
        "00002-en-fr-s0/final.safetensors",
        "00003-en-es-s0/final.safetensors",
        "00003-en-fr-s0/final.safetensors",
    ]
    assert incumbents.freed == 8 * CHECKPOINT + 5 * WEIGHTS


def test_a_task_may_be_best_where_another_of_its_configuration_failed(tmp_path: Path) -> None:
    incumbents = Incumbents(MetricGoal(GOAL), tmp_path, "best")
    broken = [trial(0, 0.9, task="en-es"), trial(0, math.nan, task="en-fr", state="failed")]
    run(incumbents, tmp_path, *broken, *pairs(1, 0.5, 0.5), cells=2)
    assert incumbents.best == {"": (1, 0.5)}
    assert [name.split("/")[0] for name in files(tmp_path)] == [
        "00000-en-es-s0",
        "00001-en-es-s0",
        "00001-en-fr-s0",
    ]


def test_a_tie_goes_to_the_lower_number_as_in_the_leaderboard(tmp_path: Path) -> None:
    incumbents = Incumbents(MetricGoal(GOAL), tmp_path, "best")
    run(incumbents, tmp_path, trial(4, 0.5), trial(2, 0.5), trial(3, 0.5))
    assert incumbents.best[""].number == 2
    assert files(tmp_path) == ["00002-noop-s0/final.safetensors"]


def test_what_others_left_in_ended_runs_is_tidied(runs: str) -> None:
    store = open_storage(runs)
    for run_id in ("00000-noop-s0", "00001-noop-s0", "00007-noop-s0"):
        fill(runs, run_id)
        store.write(f"{run_id}/.checkpoint.safetensors.77.tmp", [bytes(KB)])
    store.write("00000-noop-s0/error.txt", [b"Traceback"])
    incumbents = Incumbents(MetricGoal(GOAL), runs, "best")
    for each in (trial(0, 0.4), trial(1, 0.5)):
        incumbents.count(each, cells=1)
    incumbents.tidy()
    assert files(runs) == [
        "00000-noop-s0/error.txt",
        "00001-noop-s0/final.safetensors",
        "00007-noop-s0/.checkpoint.safetensors.77.tmp",  # its trial goes on
        "00007-noop-s0/checkpoint.safetensors",
        "00007-noop-s0/final.safetensors",
    ]
    assert incumbents.freed == 2 * (CHECKPOINT + KB) + WEIGHTS


@pytest.mark.parametrize("keep", ["best", "none"])
def test_what_somebody_put_into_an_ended_run_stays(runs: str, keep: str) -> None:
    """Such as ``raysearch export SWEEP:0 results/carl/leases/00000-noop-s0/encoder``."""
    store, mine = open_storage(runs), "00000-noop-s0/encoder/model.safetensors"
    fill(runs, "00000-noop-s0")
    store.write(mine, [b"weights"])
    incumbents = Incumbents(MetricGoal(GOAL), runs, keep)
    incumbents.count(trial(0, 0.4), cells=1)
    incumbents.tidy()
    incumbents.add(trial(1, 0.5), cells=1)
    incumbents.tidy()
    assert files(runs) == [mine]


def test_what_cannot_be_removed_is_told_and_the_sweep_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    incumbents = Incumbents(MetricGoal(GOAL), tmp_path, "best")

    def denied(*arguments: Any) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr("raysearch.storage.local.LocalStorage.remove", denied)
    run(incumbents, tmp_path, trial(0, 0.5))
    assert "files of trial 00000-noop-s0 are removed later: not yours" in caplog.text
    monkeypatch.undo()
    incumbents.tidy()
    assert files(tmp_path) == ["00000-noop-s0/final.safetensors"]


def test_with_a_full_quota_the_worst_weights_go_and_never_the_best(runs: str) -> None:
    incumbents = Incumbents(MetricGoal(GOAL), runs, "all", quota=35 * KB)
    broken = [trial(4, 0.9, task="en-es"), trial(4, math.nan, task="en-fr", state="failed")]
    run(incumbents, runs, trial(0, 0.2), trial(1, 0.9), trial(2, 0.1), trial(3, 0.5))
    run(incumbents, runs, *broken, cells=2)
    assert len(files(runs)) == 5 and incumbents.make_room(()).startswith("`--quota` is full")
    # en-es of the broken one is the best of its task; 0.1 and 0.2 are the worst.
    left = [
        "00001-noop-s0/final.safetensors",
        "00003-noop-s0/final.safetensors",
        "00004-en-es-s0/final.safetensors",
    ]
    assert files(runs) == left
    assert incumbents.freed == 6 * CHECKPOINT + 2 * WEIGHTS
    assert incumbents.make_room(()) == "" and files(runs) == left


def test_room_is_made_for_what_runs_before_it_is_written(tmp_path: Path) -> None:
    """A trial may come to hold two checkpoints: 200 kB here."""
    incumbents = Incumbents(MetricGoal(GOAL, "minimize"), tmp_path, "all", quota=225 * KB)
    run(incumbents, tmp_path, *(trial(number, 0.1 * number) for number in range(4)))
    assert incumbents.make_room(["00004-noop-s0"]).startswith("`--quota` is full")
    assert files(tmp_path) == ["00000-noop-s0/final.safetensors", "00001-noop-s0/final.safetensors"]
    fill(tmp_path, "00004-noop-s0", weights=False)  # 100 of the 200 kB are there
    assert incumbents.make_room(["00004-noop-s0"]) == ""
    assert len(files(tmp_path)) == 3
    said = incumbents.make_room(["00004-noop-s0", "00005-noop-s0"])
    assert said == (
        "`--quota` must be 410 kB for the best weights and 2 trials at once, but is 225 kB: the "
        "sweep continues and may take more than that (fewer --slots need less)"
    )
    assert files(tmp_path) == [
        "00000-noop-s0/final.safetensors",
        "00004-noop-s0/checkpoint.safetensors",
    ]
    assert incumbents.make_room(["00004-noop-s0", "00005-noop-s0"]) == ""  # said once


def test_a_quota_that_is_passed_already_is_refused(tmp_path: Path) -> None:
    run(Incumbents(MetricGoal(GOAL), tmp_path, "all"), tmp_path, trial(0, 0.5), trial(1, 0.6))
    fill(tmp_path, "00002-noop-s0", weights=False)
    for quota, refused in ((110 * KB, False), (109 * KB, True)):
        incumbents = Incumbents(MetricGoal(GOAL), tmp_path, "all", quota=quota)
        for each in (trial(0, 0.5), trial(1, 0.6)):
            incumbents.count(each, cells=1)
        if not refused:
            incumbents.check_quota()
            continue
        with pytest.raises(StoreError, match="must be at least 110 kB, .* but got 109 kB"):
            incumbents.check_quota()


def test_stages_go_first_but_none_in_use(tmp_path: Path) -> None:
    from raysearch.training.stages.cache import StageCache

    root, place = tmp_path / "leases", tmp_path / "stages"
    cache = StageCache(place)
    for index, key in enumerate("abcd"):
        cache.put(key, {"x": list(range(1000))})
        os.utime(place / f"{key}.stage", (1000 + index, 1000 + index))
    size = cache.summary().bytes // 4
    quota = 2 * WEIGHTS + 2 * size + size // 2
    incumbents = Incumbents(MetricGoal(GOAL), root, "all", quota=quota, stages=str(place))
    run(incumbents, root, trial(0, 0.5), trial(1, 0.6))
    with cache.pin(["a"]):  # its holder's file counts for a few bytes
        assert incumbents.make_room(()) == ""
        assert [cache.has(key) for key in "abcd"] == [True, False, False, True]
        assert incumbents.freed == 2 * CHECKPOINT + 2 * size
    assert len(files(root)) == 2
    assert cache.shrink(0) == 2 * size and cache.summary().bytes == 0


def test_a_plan_leaves_its_own_stages_half_of_the_quota(tmp_path: Path) -> None:
    def limit(**more: Any) -> int | None:
        return noop_plan(tmp_path, noop_space(), None, **more).shape.runner.limit  # type: ignore

    assert limit() is None and limit(stages_limit=7) == 7
    assert limit(quota=10) == 5 and limit(quota=10, stages_limit=3) == 3
    assert limit(quota=10, stages=str(tmp_path)) is None
    with pytest.raises(ConfigError, match="`quota` must be > 0, but got 0"):
        noop_plan(tmp_path, noop_space(), quota=0)


def test_sizes_as_they_are_read() -> None:
    sizes = (12_345, 999_999, 1_500_000, 2_000_000_000)
    assert [size_text(size) for size in sizes] == ["12 kB", "1000 kB", "1.5 MB", "2.0 GB"]
    assert size_text(8_612_205) == "8.6 MB" and size_text(8_612_205, enough=True) == "8.7 MB"
