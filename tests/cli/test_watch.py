"""A sweep's events as JSON and back: a watcher far away shows and keeps what the sweep wrote."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from raysearch.api.messages import PROGRESS
from raysearch.api.watch import refuse_copy, refuse_others
from raysearch.cli.remote import watch
from raysearch.cli.sweep import JsonView
from raysearch.cluster.remote import jobs
from raysearch.devices import cpu_device
from raysearch.errors import ConfigError, StoreError
from raysearch.events import Event, EventKind, SweepHeader
from raysearch.leaderboard import Store
from raysearch.objective import Best
from raysearch.run import Cell, Report, Run, RunSpec, RunState
from raysearch.storage import write_files
from raysearch.summary import Cost, Ending, NodeTimes, NodeUsage, PaperResult, SweepSummary

CARD = {
    "name": "noop", "method": "noop", "metric": "dev/score", "direction": "maximize",
    "mode": "joint", "aggregate": "mean", "tasks": ["sample"], "cells": 1, "trials": 3,
}  # fmt: skip
OPENING = SweepHeader(card=CARD, headline="sweep noop", root="/storage/noop", seconds=None)
LEASE = RunSpec(
    sweep="noop", number=1, cell=Cell("sample", 0), method="noop", config={"x": 0.1}, folder="f"
)
REPORT = Report(rung=1, step=5, seconds=0.1, metrics={"dev/score": 1 / 3, "train/loss": math.nan})
TRIAL = Run(
    sweep="noop", number=1, cell=Cell("sample", 0), method="noop", state=RunState.COMPLETE,
    config={"x": 0.1, "name": "é\n"}, metrics=REPORT.metrics, curve=(REPORT,), steps=10,
    seconds=0.2, device=cpu_device(1), finished="2026-01-01T00:00:00+00:00",
    provenance={"host": "h"},
)  # fmt: skip
EARLIER = replace(TRIAL, number=0)
SUMMARY = SweepSummary(
    ending=Ending.DONE,
    asked=3,
    trials={RunState.COMPLETE: 2},
    best={"": Best(1, 1 / 3)},
    papers={"": PaperResult(0, math.nan, "stopped early")},
    nodes=NodeUsage(
        types=(NodeTimes(type="gpu", nodes=1, up=3.0),),
        cost=Cost(spent=1.5, run=0.5, tail=0.0, cap=None, rate=0.5, unpriced=("cpu",)),
    ),
)


def row(record: Run, *, earlier: bool) -> Event:
    return Event(kind=EventKind.TRIAL, run_id=record.id, record=record, earlier=earlier)


STARTED = Event(kind=EventKind.STARTED, run_id=LEASE.id, run=LEASE, device=cpu_device(1))
BEFORE = [
    Event(kind=EventKind.SWEEP, header=OPENING),
    row(EARLIER, earlier=True),
    Event(kind=EventKind.MESSAGE, text="starting"),
    Event(kind=EventKind.WARNING, text="full"),
    STARTED,
]
AFTER = [
    Event(kind=EventKind.REPORT, run_id=LEASE.id, report=REPORT),
    row(TRIAL, earlier=False),
    Event(kind=EventKind.FINISHED, run_id=LEASE.id),
    Event(kind=EventKind.ENDING, summary=SUMMARY),
]


def told() -> list[str]:
    """The lines of a sweep with one row of an earlier run."""
    lines: list[str] = []
    with JsonView(lines.append) as view:
        for event in BEFORE:
            view.event(event)
        for step in range(1, 1001):
            view.event(
                Event(
                    kind=EventKind.PROGRESS, run_id=LEASE.id, step=step, total=1000, sequence=step
                )
            )
        for event in AFTER:
            view.event(event)
    return [line.removesuffix("\n") for line in lines]


def test_events_come_back_as_they_were_written() -> None:
    found = [Event.from_json(line) for line in told()]
    assert all(event is not None and event.at > 1.7e9 for event in found)
    events = [replace(event, at=0.0) for event in found if event is not None]
    steps = [event.step for event in events if event.kind is EventKind.PROGRESS]
    assert steps[:2] == [20, 40] and 45 <= len(steps) <= 50
    rest = [event for event in events if event.kind is not EventKind.PROGRESS]
    assert repr(rest) == repr([*BEFORE, *AFTER])  # by their texts, since NaN is not itself


def test_any_program_can_read_the_lines() -> None:
    """JSON has no NaN; jq, JavaScript and Go refuse it."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    lines = [json.loads(line, parse_constant=refuse) for line in told()]
    by = {line["news"]: line for line in lines}
    assert by["report"]["report"]["metrics"] == {"dev/score": 1 / 3, "train/loss": None}
    assert by["trial"]["trial"]["metrics"]["train/loss"] is None
    assert by["ending"]["summary"]["papers"] == {"": [0, None, "stopped early"]}


def test_the_lines_of_earlier_versions_have_nan() -> None:
    line = json.dumps({"news": "trial", "at": 1.0, "trial": asdict(TRIAL), "earlier": False})
    assert "NaN" in line
    assert repr(Event.from_json(line)) == repr(replace(row(TRIAL, earlier=False), at=1.0))


def test_the_format_of_a_line_is_what_earlier_versions_wrote() -> None:
    lines = [json.loads(line) for line in told()]
    assert [list(line)[:2] for line in lines] == [["news", "at"]] * len(lines)
    fields = {line["news"]: list(line)[2:] for line in lines}
    assert fields == {
        "sweep": ["card", "headline", "root", "seconds"],
        "trial": ["trial", "earlier"],
        "message": ["text", "warning"],
        "started": ["lease", "device"],
        "progress": ["id", "step", "total"],
        "report": ["id", "report"],
        "finished": ["id"],
        "ending": ["summary"],
    }


def test_an_event_that_no_view_is_told_has_no_line() -> None:
    with pytest.raises(ValueError, match="a stream has no event"):
        Event(kind=EventKind.TAKEN, run_id=LEASE.id).to_json()


def test_what_is_no_event_is_none() -> None:
    for line in ("", "a warning", '{"other": 1}', '{"news": "mess'):
        assert Event.from_json(line) is None
    later = Event.from_json('{"news": "of a later version", "at": 1.5}')
    assert later == Event(kind=EventKind.OTHER, at=1.5)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> list[str | BaseException]:
    """What the job says; an exception is raised where it stands."""
    lines: list[str | BaseException] = []

    def follow(cluster: str, name: str, write: object) -> str:
        for line in lines:
            if isinstance(line, BaseException):
                raise line
            write(line)  # type: ignore[operator]
        return "SUCCEEDED" if "ending" in str(lines[-1]) else "FAILED"

    monkeypatch.setattr(jobs, "follow", follow)
    return lines


def test_rows_are_kept_and_the_ending_names_what_works_here(
    tmp_path: Path, job: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job += ["a warning", *told()[:3], "Traceback", *told()[3:]]
    assert watch("cluster.yaml", "noop-1", tmp_path, PROGRESS) == 0
    folder = tmp_path / "noop"
    assert repr(Store(folder).trials()) == repr([EARLIER, TRIAL])
    assert json.loads((folder / "sweep.json").read_text()) == CARD
    said = capsys.readouterr().out.splitlines()
    assert said[:5] == ["a warning", "sweep noop", "starting", "Traceback", "full"]
    assert said[5].startswith("2/3 trials · trial 1 sample seed 0 complete · dev/score 0.3333")
    assert any(line.startswith("best: dev/score 0.3333, trial 1") for line in said[6:])
    assert f"  all trials    python -m raysearch leaderboard {folder}" in said
    fetch = f"ray rsync-down cluster.yaml /storage/noop/leases/ {folder}/leases/"
    assert f"  its weights   {fetch}" in said
    # A second watching finds the same, and writes nothing that is there.
    parts = {path: path.stat().st_mtime_ns for path in (folder / "trials").iterdir()}
    assert watch("cluster.yaml", "noop-1", tmp_path, PROGRESS) == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "trials").iterdir()} == parts


def test_weights_in_an_object_store_are_read_there(
    tmp_path: Path, job: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job += [line.replace("/storage/noop", "s3://b/noop") for line in told()]
    assert watch("cluster.yaml", "noop-1", tmp_path, PROGRESS) == 0
    said = capsys.readouterr().out
    assert "raysearch evaluate s3://b/noop --trial best" in said
    assert "rsync" not in said


def test_ctrl_c_ends_the_watching_and_says_how_to_go_on(
    tmp_path: Path, job: list[str | BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    job += [*told()[:3], KeyboardInterrupt()]
    assert watch("cluster.yaml", "noop-1", tmp_path, PROGRESS) == 130
    said = capsys.readouterr().err
    assert "noop-1 continues" in said
    assert "raysearch attach cluster.yaml --job noop-1" in said
    assert "raysearch stop cluster.yaml --job noop-1" in said
    assert len(Store(tmp_path / "noop").trials()) == 1


def test_a_job_that_fails_before_it_is_a_sweep(
    tmp_path: Path, job: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job += ["raysearch: `--study` must be ..."]
    assert watch("cluster.yaml", "noop-1", tmp_path, PROGRESS) == 2
    assert capsys.readouterr().out == "raysearch: `--study` must be ...\n"
    assert not list(tmp_path.iterdir())


def test_a_second_watcher_looks_on(
    tmp_path: Path, job: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from raysearch.search.study.lock import sweep_lock

    job += told()
    folder = tmp_path / "noop"
    folder.mkdir()
    write_files(folder, {"copy.json": b'{"root": "/storage/noop"}'})
    with sweep_lock(folder):
        assert watch("cluster.yaml", "noop-1", tmp_path, PROGRESS) == 0
    assert "another process keeps" in capsys.readouterr().err
    assert not (folder / "trials").exists()


def test_a_copy_and_a_sweep_of_this_machine_stay_apart(tmp_path: Path, job: list[str]) -> None:
    folder = tmp_path / "noop"
    refuse_others(folder, "/storage/noop")
    refuse_copy(folder)
    Store(folder).append(TRIAL)
    job += told()
    with pytest.raises(ConfigError, match="must hold the rows of /storage/noop, but holds those"):
        watch("cluster.yaml", "noop-1", tmp_path, PROGRESS)
    write_files(folder, {"copy.json": b'{"root": "/storage/noop"}'})
    refuse_others(folder, "/storage/noop")
    with pytest.raises(ConfigError, match="of another sweep, /storage/noop"):
        refuse_others(folder, "s3://b/noop")
    with pytest.raises(ConfigError, match="is a copy of /storage/noop, on a cluster; add"):
        refuse_copy(folder)


def line(news: str, **fields: object) -> str:
    return json.dumps({"news": news, "at": 1.0, **fields})


STRANGE = {
    "nested": '{"news": ' + "[" * 100_000,
    "no time": '{"news": "message", "text": "x"}',
    "another time": '{"news": "message", "at": "now", "text": "x"}',
    "an endless time": '{"news": "message", "at": NaN, "text": "x"}',
    "no trial": line("trial", earlier=False),
    "a trial without cell": line("trial", earlier=False, trial={"number": 1}),
    "other metrics": line("trial", earlier=False, trial={**asdict(TRIAL), "metrics": 5}),
    "a message that is no text": line("message", text=[]),
    "a run that is none": line("started", spec=5, device=""),
    "an id that is none": line("report", id=[], report={}),
    "a report that is none": line("report", id="00001-sample-s0", report={"metrics": 5}),
    "a share of no number": line("progress", id="00001-sample-s0", step=math.nan, total=3),
    "a summary that is none": line("ending", summary=5),
    "a summary of other types": line("ending", summary={**asdict(SUMMARY), "best": {"": [1, "x"]}}),
}


@pytest.mark.parametrize("what", STRANGE)
def test_strange_events_are_one_sentence_that_names_the_line(
    tmp_path: Path, job: list[str], capsys: pytest.CaptureFixture[str], what: str
) -> None:
    job += [*told()[:3], STRANGE[what]]
    with pytest.raises(ConfigError, match="line 4 of the job's output must be an event") as error:
        watch("cluster.yaml", "noop-1", tmp_path, PROGRESS)
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)
    assert "best:" not in capsys.readouterr().out
    assert repr(Store(tmp_path / "noop").trials()) == repr([EARLIER])


@pytest.mark.parametrize(
    "first",
    [
        line("sweep"),
        line("sweep", **{**asdict(OPENING), "headline": 5}),
        line("sweep", **{**asdict(OPENING), "seconds": "x"}),
        line("sweep", **{**asdict(OPENING), "card": {**CARD, "trials": "x"}}),
        line("sweep", **{**asdict(OPENING), "card": {**CARD, "name": 5}}),
        line("sweep", **{**asdict(OPENING), "card": 5}),
    ],
)
def test_a_strange_opening_writes_nothing(tmp_path: Path, job: list[str], first: str) -> None:
    job.append(first)
    with pytest.raises(ConfigError, match="first event must say what sweep it is"):
        watch("cluster.yaml", "noop-1", tmp_path, PROGRESS)
    assert not list(tmp_path.iterdir())


def test_a_row_that_no_reader_takes_does_not_poison_the_copy(
    tmp_path: Path, job: list[str]
) -> None:
    planted = replace(TRIAL, cell=Cell("", 0))
    job += [*told()[:3], line("trial", earlier=False, trial=asdict(planted))]
    with pytest.raises(StoreError, match="must make a row that can be read again, but column"):
        watch("cluster.yaml", "noop-1", tmp_path, PROGRESS)
    assert repr(Store(tmp_path / "noop").trials()) == repr([EARLIER])
