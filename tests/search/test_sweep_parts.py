"""The parts of a sweep that need no Ray: plan, lock, incumbents, run book."""

from __future__ import annotations

import itertools
import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from noop_sweep import GOAL, noop_plan, noop_report, noop_space
from ray.exceptions import OutOfMemoryError

from raysearch.cluster.breakdown import ShortOfMemoryError, slot_breakdown
from raysearch.cluster.node_watch import LiveNode, NodeWatch
from raysearch.cluster.prices import PriceTable
from raysearch.devices import cpu_device
from raysearch.errors import ConfigError, RaysearchError, StoreError
from raysearch.events import Event, EventKind
from raysearch.run import Cell, MetricGoal, Report, Run, RunState
from raysearch.search import sweep as sweep_module
from raysearch.search.driver import MAX_FRUITLESS, QueuedRun, RunQueue
from raysearch.search.incumbent import Incumbents, paper_result
from raysearch.search.plan import SweepPlan
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.study.lock import sweep_lock
from raysearch.search.sweep import _reconcile
from raysearch.sources import SOURCES, to_text


def test_plan_names_every_bad_number(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        noop_plan(tmp_path, noop_space(), slots=0, cpus_per_worker=0)
    assert caught.value.problems == (
        "`slots` must be in [1, 10000], but got 0",
        "`cpus_per_worker` must be in [0.0001, 10000], but got 0",
    )


def test_shape_asks_for_gpus_only_when_there_are_some(tmp_path: Path) -> None:
    plan = noop_plan(tmp_path, noop_space(), cpus_per_worker=1.5)
    assert plan.shape.resources_per_worker == {"CPU": 1.5}
    assert plan.shape.threads == 1
    shared = noop_plan(tmp_path, noop_space(), gpus_per_worker=0.25, cpus_per_worker=0.5)
    assert shared.shape.resources_per_worker == {"CPU": 0.5, "GPU": 0.25}
    assert shared.shape.threads == 1


def test_second_driver_is_told_who_runs_the_sweep(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from raysearch.search.study.lock import sweep_lock\n"
        "with sweep_lock(Path(sys.argv[1])):\n print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        with (
            pytest.raises(StoreError, match=rf"process {holder.pid} on .* runs the one in"),
            sweep_lock(tmp_path),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with sweep_lock(tmp_path):  # the lock is gone with its holder
        pass


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="must be writable"), sweep_lock(tmp_path / "file" / "x"):
        pass


def trial(number: int, value: float, *, seed: int = 0, state: str = "complete") -> Run:
    return Run(
        sweep="noop",
        number=number,
        cell=Cell("noop", seed),
        method="noop",
        state=RunState(state),
        config={},
        metrics={GOAL: value},
    )


def run_folder(specs: Path, of: Run) -> Path:
    folder = specs / of.id
    folder.mkdir(parents=True)
    (folder / "final.safetensors").write_text("")
    (folder / "checkpoint.safetensors").write_text("")
    return folder


def test_best_is_the_mean_over_cells_and_only_its_weights_stay(tmp_path: Path) -> None:
    incumbents = Incumbents(MetricGoal(GOAL), tmp_path, "best")
    first = [trial(0, 0.5), trial(0, 0.7, seed=1)]
    second = [trial(1, 0.9), trial(1, 0.1, seed=1)]
    third = [trial(2, 0.6), trial(2, 0.8, seed=1)]
    folders = {each.id: run_folder(tmp_path, each) for each in first + second + third}
    for each in first:
        incumbents.add(each, cells=2)
    assert incumbents.best[""].value == pytest.approx(0.6)
    incumbents.add(second[0], cells=2)
    assert (folders[second[0].id] / "final.safetensors").exists()  # it may yet become the best
    incumbents.add(second[1], cells=2)
    assert incumbents.best[""].number == 0
    for each in third:
        incumbents.add(each, cells=2)
    assert incumbents.best[""] == (2, pytest.approx(0.7))
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.safetensors"))
    assert left == ["00002-noop-s0/final.safetensors", "00002-noop-s1/final.safetensors"]
    assert not folders[first[0].id].exists()


def test_each_task_has_its_best_and_its_weights(tmp_path: Path) -> None:
    incumbents = Incumbents(MetricGoal(GOAL), tmp_path, "best", per_task=True)
    values = {0: ("en-es", 0.5), 1: ("en-fr", 0.9), 2: ("en-es", 0.7), 3: ("en-fr", 0.8)}
    for number, (task, value) in values.items():
        each = replace(trial(number, value), cell=Cell(task, 0))
        run_folder(tmp_path, each)
        incumbents.add(each, cells=1)
    assert incumbents.best == {"en-es": (2, 0.7), "en-fr": (1, 0.9)}
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.safetensors"))
    assert left == ["00001-en-fr-s0/final.safetensors", "00002-en-es-s0/final.safetensors"]


def test_the_best_may_be_that_of_the_worst_task(tmp_path: Path) -> None:
    incumbents = Incumbents(MetricGoal(GOAL), tmp_path, "best", aggregate="worst")
    for number, (first, second) in enumerate([(0.9, 0.3), (0.5, 0.4)]):
        for task, value in (("en-es", first), ("en-fr", second)):
            incumbents.add(replace(trial(number, value), cell=Cell(task, 0)), cells=2)
    assert incumbents.best == {"": (1, 0.4)}


def test_how_the_papers_own_setting_ended() -> None:
    space = noop_space(seeds=2)
    done = [trial(0, 0.5), trial(0, 0.75, seed=1)]
    assert paper_result(0, done, space, cells=2, unfinished=False) == (0, 0.625, "")
    for records, note in ((done[:1], "not finished yet"), ([], "not run yet")):
        number, value, said = paper_result(3, records, space, cells=2, unfinished=True)
        assert (number, math.isnan(value), said) == (3, True, note)
    stopped = trial(0, 0.25, state="pruned")
    assert paper_result(0, [stopped], space, cells=1, unfinished=False) == (
        0,
        0.25,
        "stopped early",
    )
    part = paper_result(0, [stopped], space, cells=2, unfinished=False)
    assert math.isnan(part.value), "the value of one cell is no mean over two"
    assert part.note == "stopped early, at 0.2500 on its first cell"
    broken = replace(trial(0, math.nan, state="failed"), reason="no memory")
    ended = paper_result(0, [done[0], broken], space, cells=3, unfinished=False)
    assert ended.note == "no memory"


def test_a_paper_setting_that_moves_no_weight_is_no_result_of_the_method() -> None:
    space = replace(noop_space(seeds=1), method="carl")
    for share, note in ((0.002, "its embeddings moved by 0.2 % of their spread"), (0.05, "")):
        moved = replace(trial(0, 0.5), metrics={GOAL: 0.5, "dev/encoder_moved": share})
        found = paper_result(0, [moved], space, cells=1, unfinished=False)
        assert found.value == 0.5 and found.note.startswith(note) and bool(found.note) == bool(note)


def test_a_plan_counts_by_task(tmp_path: Path) -> None:
    space = noop_space(trials=5, seeds=2)
    cells = [Cell(task, seed) for seed in range(2) for task in ("en-es", "en-fr", "en-nl")]
    joint = noop_plan(tmp_path, space, cells=lambda config: cells)
    assert joint.tasks == ("en-es", "en-fr", "en-nl")
    assert (joint.cells_each, joint.configurations) == (6, 5)
    each = replace(joint, space=replace(space, mode="per_task"))
    assert (each.tasks, each.cells_each, each.configurations) == (joint.tasks, 2, 15)


@pytest.mark.parametrize(("keep", "left"), [("all", 2), ("best", 1), ("none", 0)])
def test_keep_says_whose_weights_stay(tmp_path: Path, keep: str, left: int) -> None:
    incumbents = Incumbents(MetricGoal(GOAL, "minimize"), tmp_path, keep)  # type: ignore[arg-type]
    for each in (trial(0, 0.5), trial(1, 0.4), trial(2, math.nan, state="failed")):
        run_folder(tmp_path, each)
        incumbents.add(each, cells=1)
    assert incumbents.best[""].number == 1
    assert len(list(tmp_path.rglob("final.safetensors"))) == left
    assert not list(tmp_path.rglob("checkpoint.safetensors"))


def test_traceback_of_a_broken_run_stays(tmp_path: Path) -> None:
    incumbents = Incumbents(MetricGoal(GOAL), tmp_path, "best")
    broken = trial(0, math.nan, state="failed")
    folder = run_folder(tmp_path, broken)
    (folder / "error.txt").write_text("Traceback")
    incumbents.add(broken, cells=1)
    assert [path.name for path in folder.iterdir()] == ["error.txt"]


class Desk:
    """A run book over a real study, with everything that it said."""

    def __init__(self, plan: SweepPlan) -> None:
        self.trials: list[Run] = []
        self.events: list[Event] = []
        self.ledger = StudyLedger.open(plan.url, plan.name, plan.space, cells=plan.cells)
        incumbents = Incumbents(plan.space.goal, plan.runs, plan.keep)
        self.queue = RunQueue(
            plan,
            self.ledger,
            incumbents,
            on_trial=self.trials.append,
            on_event=self.events.append,
        )

    def run(self, queued: QueuedRun, rungs: int) -> bool:
        """Report up to a rung; whether the run was stopped."""
        spec = queued.spec
        for rung in range(1, rungs + 1):
            event = Event(
                kind=EventKind.REPORT,
                run_id=spec.id,
                sequence=rung,
                report=noop_report(spec.config, spec.cell, rung, rung),
            )
            if self.queue.handle_events(spec.id, [event]):
                return True
        return False

    def finish(self, queued: QueuedRun, sequence: int = 99) -> Event:
        record = replace(
            trial(queued.spec.number, 0.5, seed=queued.spec.cell.seed),
            config=dict(queued.spec.config),
        )
        event = Event(
            kind=EventKind.FINISHED, run_id=queued.spec.id, sequence=sequence, record=record
        )
        assert self.queue.handle_events(queued.spec.id, [event])
        self.queue.release(queued.spec.id)
        return event


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(noop_plan(tmp_path, noop_space(trials=3, seeds=2, pruner="halving")))
    yield made
    made.ledger.close()


def test_first_cell_runs_alone_then_the_others_then_new_configurations(desk: Desk) -> None:
    first = desk.queue.next()
    second = desk.queue.next()
    assert first is not None and second is not None
    assert (first.spec.id, first.prunable) == ("00000-noop-s0", True)
    assert second.spec.id == "00001-noop-s0"
    desk.finish(first)
    further = desk.queue.next()
    assert further is not None
    assert (further.spec.id, further.prunable) == ("00000-noop-s1", False)
    third = desk.queue.next()
    assert third is not None and third.spec.id == "00002-noop-s0"
    assert desk.queue.next() is None
    assert not desk.queue.exhausted  # those that run may open further cells


def test_without_a_pruner_all_cells_run_at_once(tmp_path: Path) -> None:
    desk = Desk(noop_plan(tmp_path, noop_space(trials=2, seeds=3)))
    offers = [desk.queue.next() for _ in range(4)]
    assert [queued.spec.id for queued in offers if queued] == [
        "00000-noop-s0", "00000-noop-s1", "00000-noop-s2", "00001-noop-s0",
    ]  # fmt: skip
    for queued in reversed(offers[:3]):
        assert queued is not None
        assert desk.queue.unfinished == 2
        desk.finish(queued)
    assert desk.queue.unfinished == 1
    desk.ledger.close()


def test_pruned_configuration_has_its_record_and_no_further_cells(desk: Desk) -> None:
    offers = [desk.queue.next() for _ in range(3)]
    stopped = [desk.run(queued, 2) for queued in offers if queued]
    assert any(stopped)
    (record, *_) = desk.trials
    assert record.state is RunState.PRUNED
    assert [point.rung for point in record.curve] == [1]
    assert record.metrics == record.curve[-1].metrics
    assert "stopped early at report 1" in record.reason
    desk.queue.release(record.id)
    again = desk.queue.next()
    assert again is None  # neither a further cell nor the same one


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_an_objective_that_is_not_finite_is_a_failed_row_with_its_reason(
    desk: Desk, value: float
) -> None:
    queued = desk.queue.next()
    assert queued is not None
    report = Report(rung=1, step=1, seconds=1.0, metrics={GOAL: value})
    event = Event(kind=EventKind.REPORT, run_id=queued.spec.id, sequence=1, report=report)
    assert desk.queue.handle_events(queued.spec.id, [event])
    (record,) = desk.trials
    assert record.state is RunState.FAILED
    assert record.reason == (
        f"the objective `dev/score` must be a finite number, but got {value} at report 1"
    )
    (stored,) = desk.ledger._database.trials()
    assert stored.state.name == "FAIL" and stored.user_attrs["reason"] == record.reason
    assert desk.queue.unfinished == 0


def test_record_is_in_the_study_before_anybody_hears(tmp_path: Path) -> None:
    plan = noop_plan(tmp_path, noop_space(trials=1))
    desk = Desk(plan)
    seen: list[bool] = []
    desk.queue._on_trial = lambda trial: seen.append(
        trial.id in [stored.id for stored in desk.ledger.finished_trials()]
    )
    queued = desk.queue.next()
    assert queued is not None
    desk.finish(queued)
    assert seen == [True]
    desk.ledger.close()


def test_a_worker_with_other_data_ends_the_run_and_its_trial_stays_open(desk: Desk) -> None:
    offers = [desk.queue.next(), desk.queue.next()]
    heard = []
    for queued, digest in zip(offers, ("a" * 64, "b" * 64), strict=True):
        assert queued is not None
        event = Event(
            kind=EventKind.STARTED,
            run_id=queued.spec.id,
            sequence=1,
            device=cpu_device(1),
            provenance={"host": "node-7", SOURCES: to_text({"data dev.txt": digest})},
        )
        heard.append(desk.queue.handle_events(queued.spec.id, [event]))
    assert heard == [False, True]
    assert isinstance(desk.queue.failure, ConfigError)
    assert "`dev.txt` has SHA-256 bbbbbbbbbbbb on node-7" in str(desk.queue.failure)
    assert desk.queue.unfinished == 2 and desk.trials == []


def test_repeated_news_count_once(desk: Desk) -> None:
    queued = desk.queue.next()
    assert queued is not None
    event = desk.finish(queued)
    assert desk.queue.handle_events(queued.spec.id, [event])
    assert len(desk.trials) == 1


def test_lease_of_a_new_slot_reports_again_and_its_curve_has_no_repeats(desk: Desk) -> None:
    queued = desk.queue.next()
    assert queued is not None
    assert not desk.run(queued, 2)
    desk.queue.reset(queued.spec.id)
    assert not desk.run(queued, 3)
    shown = [event.report.rung for event in desk.events if event.report]
    assert shown == [1, 2, 3]


def test_open_configurations_come_first_after_a_restart(tmp_path: Path) -> None:
    plan = noop_plan(tmp_path, noop_space(trials=3, seeds=2, pruner="halving"))
    desk = Desk(plan)
    first, second = desk.queue.next(), desk.queue.next()
    assert first is not None and second is not None
    desk.finish(second)
    desk.ledger.close()
    again = Desk(plan)
    ids = [queued.spec.id for _ in range(3) if (queued := again.queue.next())]
    assert ids == ["00000-noop-s0", "00001-noop-s1", "00002-noop-s0"]
    again.ledger.close()


def test_time_ends_what_runs_at_its_next_news(tmp_path: Path) -> None:
    desk = Desk(noop_plan(tmp_path, noop_space(trials=3, time_seconds=60)))
    queued = desk.queue.next()
    assert queued is not None
    assert not desk.queue.handle_events(queued.spec.id, [])
    desk.queue._started -= 60
    assert desk.queue.handle_events(queued.spec.id, [])
    desk.queue.release(queued.spec.id)
    assert desk.queue.next() is None
    assert desk.queue.exhausted and desk.queue.unfinished == 1 and not desk.trials
    desk.ledger.close()


@pytest.mark.parametrize("saves", [True, False])
def test_a_run_that_is_over_waits_for_checkpoints_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: bool
) -> None:
    desk = Desk(noop_plan(tmp_path, noop_space(trials=3)))
    queued = desk.queue.next()
    assert queued is not None
    spec = queued.spec.id

    def news(sequence: int, kind: EventKind, text: str = "") -> list[Event]:
        return [Event(kind=kind, run_id=spec, sequence=sequence, device="cpu", text=text)]

    assert not desk.queue.handle_events(spec, news(1, EventKind.STARTED))
    desk.queue.interrupted = True
    assert not desk.queue.handle_events(spec, [])
    assert not desk.queue.handle_events(spec, news(2, EventKind.MESSAGE, "waits for the storage"))
    if saves:
        assert desk.queue.handle_events(spec, news(3, EventKind.PREEMPTED, "checkpoint at step 7"))
        assert desk.events[-1].text == f"trial {spec}: checkpoint at step 7"
    else:
        monkeypatch.setattr("raysearch.search.driver.SAVE_SECONDS", 0)
        assert desk.queue.handle_events(spec, [])
    desk.queue.release(spec)
    assert desk.queue.exhausted and desk.queue.unfinished == 1 and not desk.trials
    desk.ledger.close()


def test_refusal_ends_the_run_with_its_sentence(desk: Desk) -> None:
    queued = desk.queue.next()
    assert queued is not None
    event = Event(
        kind=EventKind.REFUSED, run_id=queued.spec.id, sequence=1, text="`mr` must be there"
    )
    assert desk.queue.handle_events(queued.spec.id, [event])
    assert isinstance(desk.queue.failure, RaysearchError)
    assert str(desk.queue.failure) == "`mr` must be there"
    assert desk.queue.next() is None


def test_an_objective_that_the_first_report_lacks_ends_the_run(tmp_path: Path) -> None:
    space = replace(noop_space(trials=2), goal=MetricGoal("dev/scor"))
    desk = Desk(noop_plan(tmp_path, space))
    try:
        queued = desk.queue.next()
        assert queued is not None
        assert desk.run(queued, 1)
        assert isinstance(desk.queue.failure, ConfigError)
        assert str(desk.queue.failure) == (
            "`metric` must be a metric that trials report, but is an unknown metric `dev/scor`; "
            "did you mean `dev/score`? (it goes with another --name)"
        )
        assert desk.queue.over and desk.trials == []
    finally:
        desk.ledger.close()


def test_an_objective_that_comes_later_is_waited_for_where_the_method_names_it(
    tmp_path: Path,
) -> None:
    space = replace(noop_space(trials=2), goal=MetricGoal("dev/late"))
    desk = Desk(noop_plan(tmp_path, space, metrics={"dev/late"}))
    try:
        queued = desk.queue.next()
        assert queued is not None
        assert not desk.run(queued, 1) and desk.queue.failure is None
    finally:
        desk.ledger.close()


def test_runner_that_lets_go_unasked_is_a_failed_row(desk: Desk) -> None:
    queued = desk.queue.next()
    assert queued is not None
    event = Event(kind=EventKind.STOPPED, run_id=queued.spec.id, sequence=1)
    assert desk.queue.handle_events(queued.spec.id, [event])
    assert desk.trials[0].state is RunState.FAILED


class Waiting:
    """What stands in for the watch of a cluster: a word on the nodes that runs wait for."""

    out_of_money = False
    known = ""

    def explain(self) -> str:
        return self.known

    def look(self) -> None:
        pass


def test_lease_that_waits_long_is_told_of_once_a_while_and_with_every_news(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, clock = Waiting(), time.monotonic()
    desk.queue.watch = cast(Any, cloud)
    queued = desk.queue.next()
    assert queued is not None

    def said_at(seconds: float) -> list[str]:
        desk.events.clear()
        monkeypatch.setattr(time, "monotonic", lambda: clock + seconds)
        desk.queue.handle_events(queued.spec.id, [])
        return [event.text for event in desk.events]

    waits = "trial 00000-noop-s0 waits for 1 x (1 CPU)"
    assert said_at(8) == []
    assert said_at(12) == [waits]
    assert said_at(13) == said_at(60) == []
    cloud.known = "launching 2 × g5.xlarge (spot)"
    assert said_at(63) == [f"{waits}: launching 2 × g5.xlarge (spot)"]
    assert said_at(66) == said_at(120) == []
    assert said_at(124) == [f"{waits}: launching 2 × g5.xlarge (spot)"]


def test_a_silent_worker_is_said_and_then_given_up_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = desk.queue.next()
    assert queued is not None
    run_id = queued.spec.id
    taken = Event(kind=EventKind.TAKEN, run_id=run_id, sequence=1)
    assert not desk.queue.handle_events(run_id, [taken]) and not desk.queue.hangs(run_id)
    seconds = itertools.count(time.monotonic(), 20.0)
    monkeypatch.setattr(desk.queue._hang_detector, "_clock", lambda: next(seconds))
    for _ in range(3600 // 20 - 3):
        assert not desk.queue.handle_events(run_id, []) and len(desk.events) <= 1
    for _ in range(3):
        desk.queue.handle_events(run_id, [])
    assert desk.queue.hangs(run_id) and not desk.queue.hangs(run_id)
    said = [event.text for event in desk.events if event.text.startswith(f"trial {run_id}: ")]
    assert "no report for 60 s" in said[0] and "replaced after 3600 s (--hang-limit)" in said[0]
    assert said[1].endswith("its worker hangs and is replaced, to continue from its checkpoint")


def test_workers_are_spare_once_every_cell_that_is_left_runs(tmp_path: Path) -> None:
    """Two configurations of two cells; the second cells may follow until the end of the first."""
    desk = Desk(noop_plan(tmp_path, noop_space(trials=2, seeds=2, pruner="halving")))
    first, second = desk.queue.next(), desk.queue.next()
    assert first is not None and second is not None and desk.queue.next() is None
    assert not desk.queue.spare, "two cells may come yet"
    desk.finish(first)
    last = desk.queue.next()
    assert last is not None and not desk.queue.spare
    failed = Event(kind=EventKind.STOPPED, run_id=second.spec.id, sequence=1)
    assert desk.queue.handle_events(second.spec.id, [failed])
    assert desk.queue.spare, "a failed first cell is followed by none, and the other runs"
    desk.finish(last)
    assert desk.queue.spare and desk.queue.exhausted
    desk.ledger.close()


def test_money_ends_what_runs_and_runs_are_counted_on_their_nodes(tmp_path: Path) -> None:
    now = [0.0]
    desk = Desk(noop_plan(tmp_path, noop_space(trials=3)))
    desk.queue.watch = NodeWatch(
        lambda: [LiveNode(id="a", type="gpu")],
        prices=PriceTable(per_hour={"gpu": 3600.0}, idle_seconds=10),
        cap=70,
        folder=tmp_path,
        now=lambda: now[0],
    )
    queued = desk.queue.next()
    assert queued is not None
    now[0] = 5
    taken = Event(kind=EventKind.TAKEN, run_id=queued.spec.id, sequence=1, nodes=("a",))
    assert not desk.queue.handle_events(queued.spec.id, [taken])
    now[0] = 40
    desk.finish(queued)
    following = desk.queue.next()
    assert following is not None and not desk.queue.over
    now[0] = 60
    assert desk.queue.handle_events(following.spec.id, []), (
        "60 are spent, 10 are the node's until its end"
    )
    desk.queue.release(following.spec.id)
    assert desk.queue.out_of_money and desk.queue.next() is None
    assert desk.queue.unfinished == 1 and len(desk.trials) == 1
    workers = desk.queue.watch.usage().workers
    assert (workers.before, workers.leased, workers.after) == (5, 35, 20)
    desk.ledger.close()


def failed_news(queued: QueuedRun) -> Event:
    record = replace(trial(queued.spec.number, 0.0, seed=queued.spec.cell.seed, state="failed"))
    record = replace(record, reason="out of memory")
    return Event(kind=EventKind.FINISHED, run_id=queued.spec.id, sequence=9, record=record)


def test_a_failed_cell_ends_its_configuration_and_lets_go_of_the_others(tmp_path: Path) -> None:
    """Of four cells one is in, one fails, one runs, one waits: neither of these two is of use."""
    plan = noop_plan(tmp_path, noop_space(trials=2, seeds=4))
    desk = Desk(plan)
    done, broken, running = (desk.queue.next() for _ in range(3))
    assert done is not None and broken is not None and running is not None
    desk.finish(done)
    for queued in (done, broken, running):
        folder = Path(queued.spec.folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint.safetensors").write_text("")
    assert desk.queue.handle_events(broken.spec.id, [failed_news(broken)])
    assert (desk.queue.unfinished, [each.state.value for each in desk.trials]) == (
        0,
        ["complete", "failed"],
    )
    assert not Path(running.spec.folder).exists()
    assert desk.queue.handle_events(running.spec.id, []), "it is stopped at its next news"
    late = replace(trial(0, 0.5, seed=2), config={})
    news = Event(kind=EventKind.FINISHED, run_id=running.spec.id, sequence=9, record=late)
    assert desk.queue.handle_events(running.spec.id, [news]) and len(desk.trials) == 2
    following = desk.queue.next()
    assert following is not None and following.spec.id == "00001-noop-s0", "not 00000-noop-s3"
    assert desk.queue._journal.ids() == ["00001-noop-s0"]
    desk.ledger.close()


def test_a_run_that_no_gpu_here_can_hold_stays_open_and_is_not_offered_again(
    tmp_path: Path,
) -> None:
    """Nor does it keep idle workers from leaving; another session, on a larger GPU, goes on."""
    plan = noop_plan(tmp_path, noop_space(trials=2))
    desk = Desk(plan)
    large = desk.queue.next()
    assert large is not None
    said = Event(kind=EventKind.TOO_LARGE, run_id=large.spec.id, sequence=2, text="it must fit")
    assert desk.queue.handle_events(large.spec.id, [said])
    assert "it must fit; the trial stays open: the same command" in desk.events[-1].text
    small = desk.queue.next()
    assert small is not None and small.spec.number == 1 and desk.queue.spare
    desk.finish(small)
    assert desk.queue.next() is None and desk.queue.exhausted and not desk.queue.over
    assert desk.queue.unfinished == 1 and [row.number for row in desk.trials] == [1]
    desk.ledger.close()
    again = Desk(plan)
    offered = again.queue.next()
    assert offered is not None and offered.spec == large.spec
    again.ledger.close()


def test_a_sweep_whose_trials_all_fail_ends(tmp_path: Path) -> None:
    plan = noop_plan(tmp_path, noop_space(trials=20))
    desk = Desk(plan)
    for _ in range(MAX_FRUITLESS):
        assert desk.queue.failure is None
        queued = desk.queue.next()
        assert queued is not None
        assert desk.queue.handle_events(queued.spec.id, [failed_news(queued)])
    assert (
        f"first {MAX_FRUITLESS} configurations of this session all failed, the last one with: "
        in (str(desk.queue.failure))
    )
    assert desk.queue.next() is None and len(desk.trials) == MAX_FRUITLESS
    desk.ledger.close()


def test_one_that_succeeds_makes_up_for_those_that_fail(tmp_path: Path) -> None:
    plan = noop_plan(tmp_path, noop_space(trials=20))
    desk = Desk(plan)
    for number in range(2 * MAX_FRUITLESS):
        queued = desk.queue.next()
        assert queued is not None
        if number == 1:
            desk.finish(queued)
        else:
            assert desk.queue.handle_events(queued.spec.id, [failed_news(queued)])
    assert desk.queue.failure is None
    desk.ledger.close()


def test_a_configuration_with_a_failed_cell_is_over_after_a_restart(tmp_path: Path) -> None:
    """The driver was killed after the record of the failed cell, while another cell ran."""
    plan = noop_plan(tmp_path, noop_space(trials=2, seeds=3))
    desk = Desk(plan)
    offers = [queued for _ in range(3) if (queued := desk.queue.next())]
    desk.finish(offers[2])
    record = failed_news(offers[1]).record
    assert record is not None
    entry = desk.ledger._open[0]
    desk.ledger._database.set_trial_attribute(
        entry.trial_id, f"cell/{record.cell.slug}", record.to_json()
    )
    left = Path(offers[0].spec.folder)
    left.mkdir(parents=True)
    (left / "checkpoint.safetensors").write_text("")
    desk.ledger.close()
    with StudyLedger.open(plan.url, plan.name, plan.space, cells=plan.cells) as ledger:
        assert ledger.open_configurations() == ()
        incumbents = _reconcile(plan, ledger, lambda trial: None, lambda key: True)
        assert incumbents.best == {} and not left.exists()
        asked = ledger.ask()
        assert asked is not None and asked.number == 1


def test_a_failed_configuration_may_be_the_best_of_a_task_only_with_all_its_cells() -> None:
    """Trial 0 fails on en-fr: it has both seeds of en-es; trial 1 failed after one seed of it."""
    incumbents = Incumbents(MetricGoal(GOAL), "unused", "best", seeds=2)
    rows = [(0, "en-es", 0, 0.5), (0, "en-es", 1, 0.7), (0, "en-fr", 0, None)]
    rows += [(1, "en-es", 0, 0.9), (1, "en-fr", 0, None)]
    for number, task, seed, value in rows:
        state = "complete" if value else "failed"
        each = trial(number, value or 0.0, seed=seed, state=state)
        incumbents.count(replace(each, cell=Cell(task, seed)), cells=4)
    assert incumbents.best == {}
    assert incumbents.best_of_task == {"en-es": (0, pytest.approx(0.6))}


@pytest.mark.parametrize(("lacks", "used"), [(1, [3, 2]), (9, [3, 2, 1])])
def test_a_lack_of_memory_goes_on_with_a_slot_less_while_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: int, used: list[int]
) -> None:
    ran: list[int] = []
    told: list[str] = []

    def run_tune(plan: SweepPlan, queue: SimpleNamespace) -> None:
        ran.append(plan.slots)
        if len(ran) <= lacks:
            queue.failure = slot_breakdown("the node running low on memory", plan.slots)

    monkeypatch.setattr("raysearch.search.tune.run_tune", run_tune)
    monkeypatch.setattr(sweep_module, "PAUSE_SECONDS", 0)
    plan = replace(noop_plan(tmp_path, noop_space()), slots=3)
    made: Any = partial(SimpleNamespace, failure=None, interrupted=False)
    queue = sweep_module._run(plan, lambda plan: made(plan=plan), told.append)
    assert ran == used and queue.plan.slots == used[-1]
    assert len(told) == len(used) - 1 and "continuing in 0 s with `--slots` 2" in told[0]
    assert isinstance(queue.failure, ShortOfMemoryError) is (lacks > 1)


def test_what_tune_raises_for_a_lack_of_memory_is_one_and_another_error_is_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tune knows two errors of an actor, and raises a RuntimeError from any other."""
    ran: list[int] = []

    def run_tune(plan: SweepPlan, queue: SimpleNamespace) -> None:
        ran.append(plan.slots)
        if len(ran) == 1:
            said = OutOfMemoryError("killed due to the node running low on memory")
            raise RuntimeError(f"Caught unexpected exception: {said}") from said
        raise RuntimeError("a bug")

    def made(plan: SweepPlan) -> SimpleNamespace:
        queue = SimpleNamespace(plan=plan, failure=None, interrupted=False)
        queue.fail = partial(setattr, queue, "failure")
        return queue

    monkeypatch.setattr("raysearch.search.tune.run_tune", run_tune)
    monkeypatch.setattr(sweep_module, "PAUSE_SECONDS", 0)
    plan = replace(noop_plan(tmp_path, noop_space()), slots=2)
    with pytest.raises(RuntimeError, match="^a bug$"):
        sweep_module._run(plan, made, lambda text: None)
    assert ran == [2, 1]


def test_who_is_interrupted_while_memory_is_short_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_tune(plan: SweepPlan, queue: SimpleNamespace) -> None:
        queue.failure = slot_breakdown("the node running low on memory", plan.slots)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("raysearch.search.tune.run_tune", run_tune)
    plan = replace(noop_plan(tmp_path, noop_space()), slots=3)
    queue: Any = SimpleNamespace(failure=None, interrupted=False)
    assert sweep_module._run(plan, lambda plan: queue, pytest.fail) is queue
    assert queue.interrupted and queue.failure is None


def test_a_sweep_that_goes_on_with_a_slot_less_has_the_time_that_is_left(tmp_path: Path) -> None:
    desk = Desk(noop_plan(tmp_path, noop_space(time_seconds=60)))
    queue = partial(
        RunQueue, desk.queue.plan, desk.ledger, desk.queue.incumbents, on_trial=id, on_event=id
    )
    assert not queue(began=time.monotonic()).out_of_time
    assert queue(began=time.monotonic() - 60).out_of_time
    desk.ledger.close()
