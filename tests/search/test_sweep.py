"""Whole sweeps through Ray, Tune and slots, with trials that train nothing."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
from noop_sweep import GOAL, NoopRunner, noop_plan, noop_report, noop_space, outcome
from postgres import PostgresServer

from raysearch.errors import ConfigError, DataError, RaysearchError, StoreError
from raysearch.events import Event, EventKind
from raysearch.run import Run, RunState
from raysearch.search import hang_detection
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.sweep import run_sweep
from raysearch.summary import Ending

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("one_ray"),
    # Ray and Tune warn of their own future, and leave sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore"),
]


def steps_done(log: Path) -> Counter[str]:
    return Counter(log.read_text().splitlines())


def test_a_relative_folder_is_the_drivers_though_ray_was_started_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # Ray runs already
    plan = noop_plan(tmp_path / "sweep", noop_space(trials=1), NoopRunner(log="log"))
    run_sweep(plan, on_trial=lambda trial: None)
    assert set(steps_done(tmp_path / "log").values()) == {1}


def test_sweep_runs_to_its_end_goes_on_and_is_not_redone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    runner = NoopRunner(log=str(log))
    space = noop_space(trials=6, seeds=2, pruner="halving")
    trials: list[Run] = []
    events: list[Event] = []
    plan = noop_plan(tmp_path, space, runner)
    summary = run_sweep(plan, on_trial=trials.append, on_event=events.append)

    assert summary.ending is Ending.DONE
    assert (summary.asked, summary.unfinished) == (6, 0)
    assert summary.trials == Counter(trial.state for trial in trials)
    assert summary.trials[RunState.PRUNED] > 0
    complete = [trial for trial in trials if trial.state is RunState.COMPLETE]
    assert {trial.cell.seed for trial in complete} == {0, 1}
    means = {
        number: sum(t.metrics[GOAL] for t in complete if t.number == number) / 2
        for number in {trial.number for trial in complete}
    }
    assert summary.best_number == max(means, key=lambda number: means[number])
    assert summary.best_value == pytest.approx(means[summary.best_number])
    assert set(steps_done(log).values()) == {1}
    for trial in trials:  # a verdict takes effect at the report that caused it
        assert steps_done(log)[f"{trial.id} {len(trial.curve) + 1}"] == 0
        expected = noop_report(trial.config, trial.cell, len(trial.curve), len(trial.curve))
        assert trial.metrics == expected.metrics
    finished = [event.record for event in events if event.kind is EventKind.FINISHED]
    assert finished == trials

    again: list[Run] = []
    have = {trial.key for trial in trials[1:]}
    longer = noop_plan(tmp_path, noop_space(trials=8, seeds=2, pruner="halving"), runner)
    more = run_sweep(longer, on_trial=again.append, have=have.__contains__)
    assert more.asked == 8
    assert again[0] == trials[0]
    assert {trial.number for trial in again[1:]} == {6, 7}
    assert set(steps_done(log).values()) == {1}
    kept = {path.parent.name for path in tmp_path.rglob("final.safetensors")}
    assert kept == {f"{more.best_number:05d}-noop-s{seed}" for seed in (0, 1)}
    with StudyLedger.open(plan.url, plan.name, space, cells=plan.cells) as ledger:
        assert outcome(list(ledger.finished_trials())) == outcome([*trials, *again[1:]])


def test_bugs_and_deaths_of_a_trial_do_not_take_the_slot_down(tmp_path: Path) -> None:
    log = tmp_path / "log"
    runner = NoopRunner(log=str(log), deaths={1: 1, 2: 99}, raises={3: ValueError("no such thing")})
    trials: list[Run] = []
    run_sweep(noop_plan(tmp_path, noop_space(trials=5), runner), on_trial=trials.append)

    rows = {trial.number: trial for trial in trials}
    assert sorted(rows) == [0, 1, 2, 3, 4] and len(trials) == 5
    assert [rows[number].state for number in (0, 1, 4)] == [RunState.COMPLETE] * 3
    assert [point.rung for point in rows[1].curve] == [1, 2, 3]
    assert steps_done(log)["00001-noop-s0 1"] == 1  # it went on from its checkpoint
    assert rows[2].state is RunState.FAILED
    assert "died 3 times" in rows[2].reason
    assert rows[3].state is RunState.FAILED
    assert rows[3].reason.startswith("ValueError: no such thing (see ")
    trace = (tmp_path / "leases" / rows[3].id / "error.txt").read_text()
    assert "Traceback" in trace and "_misbehave" in trace


def test_a_worker_that_hangs_is_said_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        hang_detection, "TELL_SECONDS", 4.0
    )  # a busy machine's workers are no faster
    monkeypatch.setattr(hang_detection, "FACTOR", 1.0)
    log = tmp_path / "log"
    runner = NoopRunner(log=str(log), hangs=[1])
    trials: list[Run] = []
    said: list[str] = []

    def handle_events(event: Event) -> None:
        said.extend([event.text] if event.kind is EventKind.MESSAGE else [])

    plan = noop_plan(tmp_path, noop_space(trials=3), runner, hang_seconds=8.0)
    run_sweep(plan, on_trial=trials.append, on_event=handle_events)

    assert [trial.state for trial in trials] == [RunState.COMPLETE] * 3
    assert set(steps_done(log).values()) == {1}  # it went on from its checkpoint
    of_trial = [text for text in said if text.startswith("trial 00001-noop-s0: ")]
    assert any("no report for" in text for text in of_trial)
    assert any("its worker hangs and is replaced" in text for text in of_trial)


def test_a_failed_cell_ends_its_configuration_while_another_runs(tmp_path: Path) -> None:
    """Each cell of trial 1 raises: the first that does is its only row."""
    runner = NoopRunner(raises={1: ValueError("no such thing")})
    trials: list[Run] = []
    plan = noop_plan(tmp_path, noop_space(trials=3, seeds=3), runner, slots=2)
    summary = run_sweep(plan, on_trial=trials.append)

    rows = {number: [t for t in trials if t.number == number] for number in range(3)}
    assert [len(rows[number]) for number in (0, 2)] == [3, 3]
    assert [trial.state for trial in rows[1]] == [RunState.FAILED]
    assert (summary.asked, summary.unfinished) == (3, 0)
    assert not list((tmp_path / "leases").glob("00001-*/checkpoint*"))
    assert summary.best_number in (0, 2)


def test_two_workers_share_a_trial(tmp_path: Path) -> None:
    trials: list[Run] = []
    plan = noop_plan(
        tmp_path,
        noop_space(trials=3),
        NoopRunner(deaths={1: 1}),
        workers_per_trial=2,
    )
    summary = run_sweep(plan, on_trial=trials.append)
    assert [trial.state for trial in trials] == [RunState.COMPLETE] * 3
    assert summary.ending is Ending.DONE


def test_two_slots_run_at_once_and_give_the_numbers_of_one(tmp_path: Path) -> None:
    space = noop_space(trials=6, seeds=2)
    results = {}
    for slots in (1, 2):
        trials: list[Run] = []
        plan = noop_plan(tmp_path / str(slots), space, NoopRunner(), slots=slots)
        run_sweep(plan, on_trial=trials.append)
        results[slots] = outcome(trials)
    assert results[1] == results[2]


def test_time_and_interrupt_leave_what_runs_to_the_next_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    runner = NoopRunner(log=str(log), step_seconds=0.2)
    trials: list[Run] = []

    def interrupt(event: Event) -> None:
        if event.kind is EventKind.REPORT and event.run_id.startswith("00001"):
            os.kill(os.getpid(), signal.SIGINT)

    plan = noop_plan(tmp_path, noop_space(trials=3, reports=5), runner)
    first = run_sweep(plan, on_trial=trials.append, on_event=interrupt)
    assert first.ending is Ending.INTERRUPTED
    assert (first.asked, first.unfinished, len(trials)) == (2, 1, 1)

    timed = noop_plan(tmp_path, noop_space(trials=3, reports=5, time_seconds=0.01), runner)
    second = run_sweep(timed, on_trial=trials.append)
    assert second.ending is Ending.TIME
    assert (second.asked, second.unfinished) == (2, 1)

    last = run_sweep(plan, on_trial=trials.append)
    assert last.ending is Ending.DONE and last.asked == 3
    assert {trial.number for trial in trials} == {0, 1, 2}
    assert set(steps_done(log).values()) == {1}  # a checkpoint at every report: nothing redone


def test_what_stops_every_trial_is_raised_as_it_is(tmp_path: Path) -> None:
    refused = NoopRunner(raises={0: DataError("`mr` must be in /data, but is not there")})
    with pytest.raises(RaysearchError, match="^`mr` must be in /data, but is not there$"):
        run_sweep(noop_plan(tmp_path / "a", noop_space(), refused), on_trial=lambda trial: None)

    class Broken(Exception):
        pass

    def broken(trial: Run) -> None:
        raise Broken

    with pytest.raises(Broken):
        run_sweep(noop_plan(tmp_path / "b", noop_space(), NoopRunner()), on_trial=broken)
    with pytest.raises(RuntimeError, match="No module named 'no_such_module'"):
        run_sweep(
            noop_plan(tmp_path / "c", noop_space(), "no_such_module:run"),
            on_trial=lambda trial: None,
        )


def test_a_study_that_is_gone_is_not_begun_anew(tmp_path: Path) -> None:
    plan = noop_plan(tmp_path, noop_space())
    with pytest.raises(StoreError, match=r"there are 3 rows and 0 begun trials in .*recover"):
        run_sweep(plan, on_trial=lambda trial: None, rows=3)


def test_the_studys_server_is_started_again_in_mid_sweep(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    log = tmp_path / "log"
    plan = noop_plan(
        tmp_path,
        noop_space(trials=3, reports=3),
        NoopRunner(log=str(log), step_seconds=0.2),
        study_url=postgres.url_in(tmp_path),
    )
    trials: list[Run] = []
    heard: list[str] = []
    restarts: list[threading.Timer] = []

    def restart(event: Event) -> None:
        heard.extend([event.text] if event.kind is EventKind.MESSAGE else [])
        if event.kind is EventKind.REPORT and not restarts:
            postgres.stop()
            restarts.append(threading.Timer(2, postgres.start))
            restarts[0].start()

    summary = run_sweep(plan, on_trial=trials.append, on_event=restart)
    restarts[0].join()
    assert (summary.ending, summary.asked, summary.unfinished) == (Ending.DONE, 3, 0)
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert set(steps_done(log).values()) == {1}  # the trial ran on meanwhile
    assert len(heard) == 2, heard
    gone, back = heard
    assert "has gone (" in gone and "trials run on" in gone and "is back after" in back


def test_slots_that_never_fit_are_refused(tmp_path: Path) -> None:
    plan = noop_plan(tmp_path, noop_space(), slots=3, gpus_per_worker=0.5)
    with pytest.raises(ConfigError) as caught:
        run_sweep(plan, on_trial=lambda trial: None)
    assert len(caught.value.problems) == 2
    assert "must be at most the 2 CPUs that this process may use, but got 3 x 1 x 1" in str(
        caught.value
    )
