import errno
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from raysearch.errors import ConfigError, StoreError
from raysearch.leaderboard import Store, find_stores, load_goal
from raysearch.leaderboard import store as store_module
from raysearch.run import MetricGoal, Report, RunState
from raysearch.storage.local import LocalStorage

LATER = "2027-01-02T03:04:05+00:00"


def _numbers(table):
    return sorted(table.column("trial").to_pylist())


def _files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _duck(folder):
    # DuckDB needs a package of its own to hand a time with a zone to Python.
    query = (
        "select * exclude (finished), epoch(finished) as finished "
        f"from read_parquet('{folder}/trials/*.parquet', union_by_name=true)"
    )
    with duckdb.connect() as connection:
        found = connection.execute(query)
        return pd.DataFrame(found.fetchall(), columns=[name for name, *_ in found.description])


def test_append_and_read_back(tmp_path, make_trial):
    store = Store(tmp_path / "carl")
    trials = [make_trial(number, 0.1 * number) for number in range(3)]
    for trial in trials:
        store.append(trial)
    assert store.trials() == trials
    assert Store(tmp_path / "carl").trials() == trials
    assert store.curves().num_rows == 6


def test_keys(tmp_path, make_trial):
    store = Store(tmp_path)
    assert store.keys() == set()
    trials = [make_trial(number, seed=number) for number in range(3)]
    for trial in trials:
        store.append(trial)
        assert trial.key in store.keys()
    store.compact()
    assert store.keys() == {trial.key for trial in trials}


def test_a_trial_costs_two_files_and_the_folder_two(tmp_path, make_trial):
    store = Store(tmp_path)
    store.append(make_trial(0))
    before = _files(tmp_path)
    assert before == [
        "curves/columns.parquet",
        "curves/part-00000-emobank-s0.parquet",
        "trials/columns.parquet",
        "trials/part-00000-emobank-s0.parquet",
    ]
    store.append(make_trial(1))
    assert len(_files(tmp_path)) - len(before) == 2


def test_appending_again_changes_nothing(tmp_path, make_trial):
    store = Store(tmp_path)
    for _ in range(2):
        for number in range(3):
            store.append(make_trial(number))
        store.compact()
        assert _numbers(store.table()) == [0, 1, 2]
    files = _files(tmp_path)
    Store(tmp_path).append(make_trial(1))
    assert _files(tmp_path) == files


def test_a_later_run_takes_the_place_of_the_earlier_one_even_when_merged(tmp_path, make_trial):
    store = Store(tmp_path)
    for number in range(3):
        store.append(make_trial(number))
    store.compact()
    again = make_trial(1, 0.9, finished="2026-02-02T00:00:00", curve=make_trial(1).curve[:1])
    store.append(again)
    rows = {row["trial"]: row["metric/dev/va_pearson"] for row in store.table().to_pylist()}
    assert rows == {0: 0.5, 1: 0.9, 2: 0.5}
    assert store.curves().num_rows == 5
    assert len(pd.read_parquet(tmp_path / "trials")) == 3


def test_column_sets_and_types_may_differ(tmp_path, make_trial):
    configs = [
        {"x": 1, "y": "a", "n": None},
        {"x": 0.5, "y": 2, "z": True, "n": None},
        {"x": 2, "z": False},
    ]
    store = Store(tmp_path)
    store.append(make_trial(0, None, config=configs[0], state=RunState.FAILED, curve=()))
    for number in (1, 2):
        store.append(make_trial(number, config=configs[number]))

    def check(rows):
        rows = rows.sort_values("trial")
        assert rows["config/x"].tolist() == [1.0, 0.5, 2.0]
        assert rows["config/y"].tolist()[:2] == ["a", "2"]
        assert rows["config/z"].tolist()[1:] == [True, False]
        assert rows["metric/dev/va_pearson"].tolist()[1:] == [0.5, 0.5]
        assert rows.iloc[0][["config/z", "metric/dev/va_pearson"]].isna().all()

    for _ in range(2):
        check(store.table().to_pandas())
        check(pd.read_parquet(tmp_path / "trials"))
        check(_duck(tmp_path))
        store.compact()


def test_parts_are_merged_by_themselves(tmp_path, make_trial, monkeypatch):
    monkeypatch.setattr(store_module, "_PARTS", 4)
    store = Store(tmp_path)
    for number in range(23):
        store.append(make_trial(number))
        assert len(list((tmp_path / "trials").glob("*.parquet"))) <= 4 + 2
    assert _numbers(store.table()) == list(range(23))
    assert store.curves().num_rows == 46
    assert len(list((tmp_path / "trials").glob("merged-*"))) == 1


@pytest.mark.parametrize("fault", ["before the new file", "before removal", "in the middle"])
def test_crash_while_merging_loses_and_doubles_nothing(tmp_path, make_trial, monkeypatch, fault):
    store = Store(tmp_path)
    for number in range(6):
        store.append(make_trial(number))
    remove, left = LocalStorage.remove, {"before removal": 0, "in the middle": 3}.get(fault, 99)

    def dying_remove(storage, name):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return remove(storage, name)

    def dying_write(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "remove", dying_remove)
        if fault == "before the new file":
            patch.setattr(LocalStorage, "write", dying_write)
        with pytest.raises(KeyboardInterrupt):
            store.compact()
    again = Store(tmp_path)
    assert _numbers(again.table()) == list(range(6))
    assert again.curves().num_rows == 12
    again.append(make_trial(6))  # finishes the merge, so foreign readers count right again
    assert sorted(pd.read_parquet(tmp_path / "trials")["trial"]) == list(range(7))
    assert len(pd.read_parquet(tmp_path / "curves")) == 14
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("name", ["merged-backup", "merged-12", "zz", "merged-0000001x-ab"])
def test_a_file_of_somebody_else_is_read_and_neither_merged_nor_believed(
    tmp_path, make_trial, name
):
    folder = tmp_path / "carl"
    old, new, other = make_trial(0, 0.1), make_trial(0, 0.2, finished=LATER), make_trial(1, 0.3)
    Store(folder).append(old)
    Store(folder).append(other)
    Store(folder).compact()
    backup = folder / "trials" / f"{name}.parquet"
    (merged,) = (folder / "trials").glob("merged-*")
    backup.write_bytes(merged.read_bytes())
    store = Store(folder)
    store.append(new)
    store.compact()
    assert store.trials() == [new, other]
    assert backup.exists(), "what we did not write is not ours to remove"
    for path in (folder / "trials").iterdir():
        if path != backup and path.name != "columns.parquet":
            path.unlink()
    assert {trial.metrics["dev/va_pearson"] for trial in store.trials()} == {0.1, 0.3}


def test_readers_beside_a_writer_miss_no_row(tmp_path, make_trial, monkeypatch):
    """pandas and DuckDB see every row that was there when they began, our reader each once."""
    monkeypatch.setattr(store_module, "_PARTS", 8)
    store = Store(tmp_path)
    store.append(make_trial(0))
    done, errors = 0, []

    def write():
        nonlocal done
        try:
            for number in range(1, 150):
                store.append(make_trial(number, None if number % 7 == 0 else 0.5))
                done = number
        except BaseException as error:
            errors.append(error)

    readers = {
        "ours": lambda: Store(tmp_path).table().column("trial").to_pylist(),
        "pandas": lambda: pd.read_parquet(tmp_path / "trials")["trial"].tolist(),
        "duckdb": lambda: _duck(tmp_path)["trial"].tolist(),
    }
    reads = dict.fromkeys(readers, 0)
    doubled = dict.fromkeys(readers, 0)
    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        for name, read in readers.items():
            before = done
            try:
                seen = read()
            except (OSError, duckdb.IOException) as error:
                # The merge took a file that had been listed: the one error a reader may meet.
                assert name != "ours" and "No such file" in str(error)  # noqa: PT018
                continue
            reads[name] += 1
            doubled[name] += len(seen) != len(set(seen))
            assert set(range(before + 1)) <= set(seen)
    writer.join()
    assert not errors
    assert doubled["ours"] == 0
    assert all(count > 3 for count in reads.values()), reads
    assert all(doubled[name] <= 1 + reads[name] // 4 for name in readers), doubled
    for read in readers.values():
        assert sorted(read()) == list(range(150))


def test_corrupt_part_is_named_and_hides_no_other(tmp_path, make_trial):
    store = Store(tmp_path)
    for number in range(4):
        store.append(make_trial(number))
    part = tmp_path / "trials" / "part-00002-emobank-s0.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    contents = store.read()
    assert _numbers(contents.table) == [0, 1, 3]
    assert len(contents.problems) == 1
    with pytest.raises(StoreError, match=r"part-00002-emobank-s0.parquet` must be a Parquet file"):
        store.table()
    store.compact()
    assert _numbers(store.read().table) == [0, 1, 3]
    assert part.exists()
    store.append(make_trial(2))
    assert _numbers(store.table()) == [0, 1, 2, 3]


def test_damage_anywhere_in_a_part_is_a_sentence_or_harmless(tmp_path, make_trial):
    store = Store(tmp_path)
    store.append(make_trial(0))
    part = next((tmp_path / "trials").glob("part-*"))
    whole = part.read_bytes()
    for cut in range(0, len(whole), 397):
        part.write_bytes(whole[:cut])
        contents = store.read()
        assert contents.table.num_rows == 0
        assert len(contents.problems) == 1


def test_damaged_columns_file_is_written_anew(tmp_path, make_trial):
    Store(tmp_path).append(make_trial(0))
    (tmp_path / "trials" / "columns.parquet").write_bytes(b"")
    store = Store(tmp_path)
    assert len(store.read().problems) == 1
    store.append(make_trial(1, config={"new": 1}))
    assert _numbers(store.table()) == [0, 1]
    assert {"config/new", "config/top_k"} <= set(pd.read_parquet(tmp_path / "trials").columns)


def test_newer_schema_is_an_error(tmp_path, make_trial):
    store = Store(tmp_path)
    store.append(make_trial(0))
    part = next((tmp_path / "trials").glob("part-*"))
    table = pq.read_table(part)
    pq.write_table(table.replace_schema_metadata({b"raysearch.schema_version": b"7"}), part)
    with pytest.raises(StoreError, match="written by a newer raysearch"):
        store.read()


def test_full_disk_leaves_nothing_half_written(tmp_path, make_trial, monkeypatch):
    store = Store(tmp_path)
    store.append(make_trial(0))
    files = _files(tmp_path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="disk is full; free some space, then run the same"):
            store.append(make_trial(1))
    assert _files(tmp_path) == files
    assert _numbers(store.table()) == [0]
    store.append(make_trial(1))
    assert _numbers(store.table()) == [0, 1]


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_really_full_disk(small_disk, make_trial):
    store = Store(small_disk)
    stored = 0
    with pytest.raises(StoreError, match="the disk is full"):
        for number in range(200):
            store.append(make_trial(number))
            stored = number + 1
    assert 3 < stored < 100
    assert _numbers(Store(small_disk).table()) == list(range(stored))
    assert not list(small_disk.rglob(".*"))
    for curve in (small_disk / "curves").glob("part-*"):
        curve.unlink()
    store.append(make_trial(stored))
    assert _numbers(store.table()) == list(range(stored + 1))


def test_folder_that_cannot_be_written(tmp_path, make_trial):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="must be a folder that can"):
        Store(tmp_path / "file").append(make_trial(0))


def test_read_only_folder(tmp_path, make_trial, monkeypatch):
    def denied(*args, **kwargs):
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(StoreError, match="Read-only file system.*make it writable, then run"):
        Store(tmp_path).append(make_trial(0))


def test_uri_is_read_and_written_but_not_guessed(tmp_path, make_trial):
    Store(f"file://{tmp_path}/carl").append(make_trial(0))
    assert _numbers(Store(f"file://{tmp_path}/carl").table()) == [0]
    assert [store.folder for store in find_stores(f"file://{tmp_path}")] == [
        f"file://{tmp_path}/carl"
    ]
    with pytest.raises(StoreError, match="must be a folder or a URI that pyarrow can open"):
        Store("nosuch://bucket/sweep")


def test_find_stores(tmp_path, make_trial):
    for name in ("b", "a"):
        Store(tmp_path / name).append(make_trial(0))
    (tmp_path / "empty").mkdir()
    assert [Path(store.folder).name for store in find_stores(tmp_path)] == ["a", "b"]
    assert [store.folder for store in find_stores(tmp_path / "a")] == [str(tmp_path / "a")]
    with pytest.raises(StoreError, match="must hold a sweep's folder"):
        find_stores(tmp_path / "empty")
    with pytest.raises(StoreError, match="must be a folder of results.*sweep carl"):
        find_stores(tmp_path / "missing")


def test_empty_store_reads_as_no_rows(tmp_path):
    assert Store(tmp_path).table().num_rows == 0
    assert Store(tmp_path).curves().num_rows == 0
    assert Store(tmp_path).trials() == []


def test_goal_comes_from_the_user_then_from_the_sweep(tmp_path):
    with pytest.raises(ConfigError, match="`--metric` must be given, because .* no sweep.json"):
        load_goal(tmp_path)
    card = {"metric": "dev/loss", "direction": "minimize", "cells": 3}
    (tmp_path / "sweep.json").write_text(json.dumps(card))
    assert load_goal(tmp_path) == MetricGoal("dev/loss", "minimize")
    assert load_goal(tmp_path, "dev/loss") == MetricGoal("dev/loss", "minimize")
    assert load_goal(tmp_path, "dev/loss:max") == MetricGoal("dev/loss", "maximize")
    assert load_goal(tmp_path, "dev/f1") == MetricGoal("dev/f1", "maximize")
    assert load_goal(tmp_path, "seconds:min") == MetricGoal("seconds", "minimize")
    assert Store(tmp_path).card().cells == 3
    for bad in (":min", "dev/f1:up", ""):
        with pytest.raises(ConfigError, match="`--metric` must be NAME"):
            load_goal(tmp_path, bad)


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"metric": "x"}', '{"metric": "x", "direction": "up"}', "{"]
)
def test_damaged_card_is_one_sentence(tmp_path, text):
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(StoreError, match="sweep.json` must hold `metric` and `direction`"):
        load_goal(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"task": ""},
        {"method": "a\nb"},
        {"seconds": -1.0},
        {"steps": 2**60},
        {"steps": 2**70},
        {"reason": "\ud800"},
        {"state": RunState.RUNNING},
        {"config": {"": 1}},
        {"curve": 2 * (Report(rung=1, step=1, seconds=1.0, metrics={}),)},
    ],
)
def test_a_row_that_no_reader_takes_is_not_written(tmp_path, make_trial, changes):
    store = Store(tmp_path)
    store.append(make_trial(0))
    with pytest.raises(StoreError, match="must make a row that can be read again, but "):
        store.append(make_trial(1, **changes))
    assert [trial.number for trial in store.trials()] == [0]


def test_a_row_does_not_make_a_folder_again_that_was_removed(tmp_path, make_trial):
    store = Store(tmp_path / "mine")
    store.append(make_trial(0))
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(StoreError, match="No such file or directory"):
        store.append(make_trial(1))
    assert list(tmp_path.iterdir()) == []
