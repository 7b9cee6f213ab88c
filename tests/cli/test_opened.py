"""Data that no selection may see: recorded before it is opened, by one process, once."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from raysearch.analysis.audit import audit
from raysearch.api.evaluate import alone
from raysearch.api.trials import spec_of
from raysearch.cli import main
from raysearch.config import flatten
from raysearch.leaderboard import Store
from raysearch.leaderboard.openings import Openings, count_of, readings_of
from raysearch.methods.carl.config import CarlConfig
from raysearch.run import Cell, Run, RunState
from raysearch.storage import open_storage
from raysearch.training.checkpoint import save_weights
from raysearch.training.state_file import write_state

SWEEP = "results/carl"


class Weights:
    """Stands for the trained weights; notes what test was opened for."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.on_read = lambda: None

    def restore(self, spec: Any, kept: object, *, roles: Any, data_dir: str) -> Any:
        weights = self

        class Restored:
            def evaluate(self, role: str) -> dict[str, float]:
                weights.read.append(spec.id)
                weights.on_read()
                return {f"{role}/va_pearson": 0.5 + 0.01 * spec.number}

        assert Openings(str(Path(spec.folder).parents[1])).all("test"), "opened before recorded"
        return Restored()


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A sweep of three trials of one cell, whose weights were kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    make_sweep(SWEEP)
    found = Weights()
    monkeypatch.setattr(import_module("raysearch.api.train"), "restore_method", found.restore)
    return found


def make_sweep(root: str) -> None:
    storage = open_storage(root)
    for number in range(3):
        trial = Run(
            sweep="carl",
            number=number,
            cell=Cell("sample", 0),
            method="carl",
            state=RunState.COMPLETE,
            config={**flatten(CarlConfig()), "top_k": 0.1 * (number + 1)},
            metrics={"dev/va_pearson": 0.1 * number},
            finished="2026-01-02T03:04:05+00:00",
        )
        Store(root).append(trial)
        save_weights(spec_of(trial, root), {"of": number}, key="")
    card = {"metric": "dev/va_pearson", "direction": "maximize", "cells": 1}
    storage.write("sweep.json", [json.dumps(card).encode()])


def evaluate(*more: str) -> int:
    return main(["evaluate", SWEEP, *more])


def test_a_reading_is_recorded_before_and_after(weights: Weights) -> None:
    assert evaluate() == 0
    (opening,) = Openings(SWEEP).all()
    (reading,) = readings_of(SWEEP).trials()
    assert (opening.role, opening.trial, opening.what) == ("test", "00002-sample-s0", "scores")
    assert opening.began <= opening.finished and opening.by.startswith(f"process {os.getpid()} on")
    assert opening.weights == write_state(io.BytesIO(), {"of": 2}, kind="weights", key="")
    assert opening.reading is not None and opening.reading.metrics == reading.metrics
    assert count_of(reading) == 1
    assert evaluate() == 0
    assert len(Openings(SWEEP).all()) == 1 and weights.read == ["00002-sample-s0"]


def test_of_two_at_one_moment_one_reads_and_the_other_is_told(
    weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []

    def second() -> None:
        thread = threading.Thread(target=lambda: codes.append(evaluate()))
        thread.start()
        thread.join()

    weights.on_read = second
    assert evaluate() == 0
    assert codes == [2] and weights.read == ["00002-sample-s0"]
    said = capsys.readouterr().err
    assert f"by one process at a time, but process {os.getpid()} on" in said
    assert len(Openings(SWEEP).all()) == 1


def test_one_that_was_killed_after_reading_leaves_a_trace_and_the_next_tells_of_it(
    weights: Weights, capfd: pytest.CaptureFixture[str]
) -> None:
    child = os.fork()
    if child == 0:
        weights.on_read = lambda: os.kill(os.getpid(), signal.SIGKILL)
        evaluate()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    (opening,) = Openings(SWEEP).all()
    assert (opening.finished, opening.reading) == ("", None)
    assert main(["verify", SWEEP, "--sample", "0%"]) in (0, 1)
    assert "begun, not finished" in capfd.readouterr().out

    assert evaluate("--trial", "1") == 0  # another trial: it is told of, and counted as its own
    assert "trial 00002-sample-s0: test was opened at" in capfd.readouterr().err
    assert count_of(readings_of(SWEEP).trials()[0]) == 1

    assert evaluate() == 0
    said = capfd.readouterr()
    assert f"by process {child} on" in said.err and "(begun, not finished" in said.err
    assert "this is opening 2 of it" in said.err
    assert "with other weights" not in said.err
    assert "test, opened 2 times for trial 2" in " ".join(said.out.split())
    assert not list(Path(SWEEP, "openings").glob("*.room"))
    assert evaluate("--format", "json") == 0
    assert json.loads(capfd.readouterr().out)[0]["openings"] == 2


def test_other_weights_than_then_are_told_of(
    weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    weights.on_read = _break
    with pytest.raises(ZeroDivisionError):
        evaluate()
    weights.on_read = lambda: None
    (trial,) = (trial for trial in Store(SWEEP).trials() if trial.number == 2)
    save_weights(spec_of(trial, SWEEP), {"of": "others"}, key="")
    assert evaluate() == 0
    assert "no result was kept) with other weights; this is opening 2" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["damaged", "removed"])
def test_a_reading_whose_row_is_gone_is_written_anew_and_test_stays_closed(
    weights: Weights, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """The advice that the error gives is followed."""
    assert evaluate() == 0
    before = readings_of(SWEEP).trials()
    (part,) = Path(SWEEP, "test/trials").glob("part-*")
    if how == "damaged":
        part.write_bytes(part.read_bytes()[:-100])
        assert evaluate() == 2
        said = capsys.readouterr().err
        assert (
            f"{part.name}` must be" in said and "move it away and run the same `raysearch " in said
        )
    part.rename("away.parquet")
    assert evaluate() == 0
    assert "the test data was not read again" in capsys.readouterr().err
    assert readings_of(SWEEP).trials() == before
    assert weights.read == ["00002-sample-s0"] and len(Openings(SWEEP).all()) == 1


def test_a_record_that_is_damaged_as_well_still_counts(
    weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate() == 0
    (part,) = Path(SWEEP, "test/trials").glob("part-*")
    part.unlink()
    (record,) = Path(SWEEP, "openings").glob("*.json")
    record.write_bytes(record.read_bytes().replace(b"0.52", b"0.92"))  # one flipped bit, or a liar
    assert evaluate() == 0
    assert "opened before (the record of it is damaged); this is opening 2" in (
        capsys.readouterr().err
    )
    (reading,) = readings_of(SWEEP).trials()
    assert reading.metrics["test/va_pearson"] == 0.52 and count_of(reading) == 2


def test_a_record_of_other_settings_is_no_reading_of_this_trial(weights: Weights) -> None:
    assert evaluate() == 0
    Path(SWEEP, "openings").rename("openings")
    for path in Path(SWEEP).rglob("*.parquet"):
        path.unlink()
    make_sweep(SWEEP)
    Path("openings").rename(Path(SWEEP, "openings"))
    store = Store(SWEEP)
    other = next(trial for trial in store.trials() if trial.number == 2)
    store.append(
        replace(other, config={**other.config, "top_k": 0.4}, finished="2026-01-03T00:00:00+00:00")
    )
    assert evaluate() == 0
    assert weights.read == ["00002-sample-s0"] * 2
    (reading,) = readings_of(SWEEP).trials()
    assert count_of(reading) == 2 and reading.config["top_k"] == 0.4


@pytest.mark.parametrize("at", ["room", "record", "finish", "row"])
def test_on_a_full_disk_test_stays_closed_or_what_was_read_is_told(
    weights: Weights,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at: str,
) -> None:
    from raysearch.storage.local import LocalStorage

    real, turns = LocalStorage.write, iter(range(100))

    def write(self: LocalStorage, name: str, parts: Any, *, lasting: bool = True) -> None:
        inside = self.uri.endswith("openings")
        kind = (
            ("room" if "room" in name else ("record", "finish")[next(turns) > 0])
            if inside
            else ("row" if self.uri.endswith("/test") else "")
        )
        if kind == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, name, parts, lasting=lasting)

    monkeypatch.setattr(LocalStorage, "write", write)
    assert evaluate() == 2
    said = capsys.readouterr().err
    assert "the disk is full; free some space" in said and "no result is lost" not in said
    monkeypatch.setattr(LocalStorage, "write", real)
    if at in ("room", "record"):
        assert "before the data is opened, which it was not" in said
        assert weights.read == [] and Openings(SWEEP).all() == []
        assert not list(Path(SWEEP, "openings").glob(".*"))
    elif at == "finish":
        assert 'nothing keeps what was read but this line: {"test/va_pearson": 0.52}' in said
    else:
        assert "is kept in" in said and "reads nothing again" in said
    assert evaluate() == 0
    (reading,) = readings_of(SWEEP).trials()
    assert count_of(reading) == (2 if at == "finish" else 1)
    assert len(weights.read) == (2 if at == "finish" else 1)


def test_a_lock_that_is_a_link_is_refused(weights: Weights) -> None:
    Path("thesis.tex").write_text("years of work")
    Path(SWEEP, "openings").mkdir()
    Path(SWEEP, "openings", "test.lock").symlink_to(Path("thesis.tex").absolute())
    assert evaluate() == 2
    assert Path("thesis.tex").read_text() == "years of work" and weights.read == []


def _break() -> None:
    raise ZeroDivisionError


def test_a_map_of_test_sentences_is_an_opening_too(
    weights: Weights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from raysearch.api.answer import measure_of
    from raysearch.api.experiment import SweepRuns
    from raysearch.methods.carl.method import CarlMethod

    with monkeypatch.context() as patch:
        patch.setattr(CarlMethod, "embeddings", lambda self, role: iter(()))
        made = CarlMethod.__new__(CarlMethod)
        module = import_module("raysearch.api.train")
        patch.setattr(module, "restore_method", lambda spec, kept, **roles: made)
        trials = [trial for trial in Store(SWEEP).trials() if trial.number == 2]
        assert measure_of("carl", "embedding").take(SweepRuns(SWEEP, trials, "")) == []
    (opening,) = Openings(SWEEP).all("test")
    assert (opening.trial, opening.what) == ("00002-sample-s0", "embedding")
    assert opening.finished and opening.reading is None
    assert evaluate() == 0
    assert "for the embedding; this is opening 2 of it" in capsys.readouterr().err


def test_an_audit_compares_the_rows_of_readings_with_their_records(weights: Weights) -> None:
    def said() -> list[str]:
        return [item.what for item in audit(Store(SWEEP)) if item.fault and "record" in item.what]

    assert evaluate() == 0
    assert said() == []
    (reading,) = readings_of(SWEEP).trials()
    later = replace(reading, metrics={"test/va_pearson": 0.9}, finished="2030-01-01T00:00:00+00:00")
    readings_of(SWEEP).append(later)
    assert said() == ["the row of what was read of test differs from the record of it"]
    (part,) = Path(SWEEP, "test/trials").glob("part-*")
    part.unlink()
    (what,) = said()
    assert what.startswith("test was read and the row of it is gone; `raysearch evaluate` writes")
    assert evaluate() == 0 and said() == []
    (record,) = Path(SWEEP, "openings").glob("*.json")
    record.write_text("{")
    assert said() == ["the record of an opening of test is damaged"]


def _lock_removed() -> None:
    Path(SWEEP, "openings", "test.lock").unlink()


def _folder_replaced() -> None:
    shutil.rmtree(Path(SWEEP, "openings"))


@pytest.mark.parametrize("lost", [_lock_removed, _folder_replaced])
def test_whoever_lost_the_lock_says_so_and_writes_no_row_over_the_other_s(
    weights: Weights, capsys: pytest.CaptureFixture[str], lost: Callable[[], None]
) -> None:
    codes: list[int] = []

    def second() -> None:
        weights.on_read = lambda: None
        lost()
        codes.append(evaluate())

    weights.on_read = second
    assert evaluate() == 2 and codes == [0]
    said = capsys.readouterr().err
    assert "openings (or test.lock in it) was removed or replaced" in said
    assert 'nothing keeps what was read but this line: {"test/va_pearson": 0.52}' in said
    (reading,) = readings_of(SWEEP).trials()
    assert count_of(reading) == len(Openings(SWEEP).all()) == 2
    assert ("this is opening 2 of it" in said) is (lost is _lock_removed)
    faults = [item.what for item in audit(Store(SWEEP)) if "2 records" in item.what]
    assert len(faults) == (0 if lost is _lock_removed else 1)


def test_nothing_is_put_back_into_another_sweep(weights: Weights) -> None:
    def replaced() -> None:
        shutil.rmtree(SWEEP)
        make_sweep(SWEEP)
        (trial,) = (trial for trial in Store(SWEEP).trials() if trial.number == 2)
        Store(SWEEP).append(replace(trial, finished="2026-01-03T00:00:00+00:00"))

    weights.on_read = replaced
    assert evaluate() == 2
    assert Openings(SWEEP).all() == [] and readings_of(SWEEP).trials() == []


def test_data_stays_closed_where_the_lock_was_lost_before(
    weights: Weights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Openings._write

    def write(self: Openings, opening: Any) -> None:
        real(self, opening)
        _lock_removed()

    monkeypatch.setattr(Openings, "_write", write)
    assert evaluate() == 2
    assert "was removed or replaced" in capsys.readouterr().err
    assert weights.read == [] and Openings(SWEEP).all() == []
    assert not list(Path(SWEEP, "openings").glob(".*"))


def test_more_records_than_the_row_says_are_shown_and_a_fault(
    weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    def faults() -> list[str]:
        return [item.what for item in audit(Store(SWEEP)) if item.fault and "records" in item.what]

    assert evaluate() == 0 and faults() == []
    (trial,) = (trial for trial in Store(SWEEP).trials() if trial.number == 2)
    with alone(SWEEP, "test") as openings:  # as one did that was begun before the row was written
        openings.begin(trial, "test", what="scores", weights="")
    assert faults() == ["its row says that test was opened 1 time, and there are 2 records of that"]
    capsys.readouterr()
    assert evaluate() == 0
    said = capsys.readouterr()
    assert "was opened 2 times in all; showing the record" in " ".join(said.err.split())
    assert "test, opened 2 times for trial 2" in " ".join(said.out.split())
    assert weights.read == ["00002-sample-s0"]
    table = readings_of(SWEEP).table()
    assert table.column("provenance/openings").to_pylist() == ["2"]
    (row,) = readings_of(SWEEP).rows_as_written()
    assert count_of(row) == 1


def test_a_map_that_is_made_later_counts_and_is_no_fault(weights: Weights) -> None:
    assert evaluate() == 0
    (reading,) = readings_of(SWEEP).trials()
    readings_of(SWEEP).append(replace(reading, finished="2026-01-04T00:00:00+00:00"))
    with alone(SWEEP, "test") as openings:
        openings.finish(openings.begin(reading, "test", what="embedding", weights=""))
    assert count_of(readings_of(SWEEP).trials()[0]) == 2
    assert not [item for item in audit(Store(SWEEP)) if item.fault and "records" in item.what]


@pytest.mark.parametrize("pipe", [False, True])
def test_a_planted_record_counts_as_an_opening(
    weights: Weights, capsys: pytest.CaptureFixture[str], pipe: bool
) -> None:
    path = Path(SWEEP, "openings", "test.00002-sample-s0.00000000.json")
    path.parent.mkdir()
    if pipe:
        os.mkfifo(path)
    else:
        path.write_bytes(b"[" * 200_000)
    assert evaluate() == 0
    said = capsys.readouterr().err
    assert "(the record of it is damaged); this is opening 2 of it" in said
    assert [count_of(reading) for reading in readings_of(SWEEP).trials()] == [2]
