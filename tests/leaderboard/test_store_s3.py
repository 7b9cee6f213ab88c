"""The leaderboard in S3, served on this machine: written, merged, read beside its writer."""

import threading

import duckdb
import pandas as pd
import pyarrow.dataset
import pytest
from pyarrow import fs
from storage.s3_server import ENVIRONMENT, s3_server

from raysearch.errors import StoreError
from raysearch.leaderboard import Store, find_stores, load_goal
from raysearch.leaderboard import store as store_module
from raysearch.storage import RetryPolicy
from raysearch.storage.uri import join


@pytest.fixture(scope="module")
def server():
    with s3_server() as started:
        yield started


@pytest.fixture
def root(server, request, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    server.fail()
    yield server.uri(request.node.name.replace("_", "-")[:60].strip("-") + "/sweeps")
    server.fail()


def test_rows_are_written_merged_and_replaced(root, make_trial):
    place = join(root, "carl")
    store = Store(place)
    for number in range(3):
        store.append(make_trial(number))
    assert Store(place).trials() == [make_trial(number) for number in range(3)]
    store.compact()
    again = Store(place)
    again.append(make_trial(1, 0.9, finished="2026-02-02T00:00:00"))
    again.append(make_trial(2))  # there already
    scores = {row["trial"]: row["metric/dev/va_pearson"] for row in again.table().to_pylist()}
    assert scores == {0: 0.5, 1: 0.9, 2: 0.5}
    filesystem, path = fs.FileSystem.from_uri(place)
    for folder, each in (("trials", 1), ("curves", 2)):
        rows = pd.read_parquet(f"{path}/{folder}", filesystem=filesystem)
        assert sorted(rows["trial"]) == sorted([0, 1, 2] * each)
        names = [about.base_name for about in filesystem.get_file_info(fs.FileSelector(path))]
        assert set(names) == {"trials", "curves"}
    assert [store.folder for store in find_stores(root)] == [place]


def test_readers_beside_a_writer_miss_no_row(root, make_trial, monkeypatch):
    """pandas, pyarrow and DuckDB see every row there was when they began, our reader each once."""
    monkeypatch.setattr(store_module, "_PARTS", 6)
    place = join(root, "carl")
    store = Store(place)
    store.append(make_trial(0))
    filesystem, path = fs.FileSystem.from_uri(join(place, "trials"))

    def dataset():
        return pyarrow.dataset.dataset(path, filesystem=filesystem, format="parquet")

    def duck():
        rows = dataset()  # noqa: F841  DuckDB finds it by its name
        with duckdb.connect() as connection:
            return [number for (number,) in connection.execute("select trial from rows").fetchall()]

    readers = {
        "ours": lambda: Store(place).table().column("trial").to_pylist(),
        "pandas": lambda: pd.read_parquet(path, filesystem=filesystem)["trial"].tolist(),
        "pyarrow": lambda: dataset().to_table(columns=["trial"]).column("trial").to_pylist(),
        "duckdb": duck,
    }
    done, errors, reads = 0, [], dict.fromkeys(readers, 0)

    def write():
        nonlocal done
        try:
            for number in range(1, 25):
                store.append(make_trial(number, None if number % 7 == 0 else 0.5, curve=()))
                done = number
        except BaseException as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        for name, read in readers.items():
            before = done
            try:
                seen = read()
            except (OSError, duckdb.Error):  # the merge took a file that had been listed
                assert name != "ours"
                continue
            reads[name] += 1
            assert name != "ours" or len(seen) == len(set(seen))
            assert set(range(before + 1)) <= set(seen)
    writer.join()
    assert not errors
    assert reads["ours"] and sum(reads.values()) > 3, reads  # as fast as the machine is
    for read in readers.values():
        assert sorted(read()) == list(range(25))


def test_reading_makes_nothing(root):
    assert Store(join(root, "carl")).table().num_rows == 0
    with pytest.raises(StoreError, match="must be a folder of results"):
        find_stores(root)
    filesystem, _ = fs.FileSystem.from_uri(root)
    bucket = root.removeprefix("s3://").partition("/")[0]
    assert filesystem.get_file_info(bucket).type == fs.FileType.NotFound


def test_the_card_lies_beside_the_rows(root, make_trial):
    store = Store(root)
    store.append(make_trial(0))
    assert store.card() is None and store.exists()
    filesystem, path = fs.FileSystem.from_uri(root)
    with filesystem.open_output_stream(f"{path}/sweep.json") as stream:
        stream.write(b'{"metric": "dev/loss", "direction": "minimize"}')
    assert load_goal(root).direction == "minimize"


def test_a_bucket_that_cannot_be_made_is_one_sentence(root, make_trial):
    store = Store(root.replace("creation=true", "creation=false"))
    with pytest.raises(StoreError, match="must be a folder|must be|cannot"):
        store.append(make_trial(0))


def test_a_put_that_fails_for_a_while_is_made_up_for(root, make_trial, server):
    store = Store(root)
    store.append(make_trial(0))
    for fault in ("slow_down", "cut"):
        server.fail({"when": "^(PUT|POST) .*part-", "what": fault, "times": 4})
        number = len(store.keys())
        store.append(make_trial(number))
        assert number in store.table().column("trial").to_pylist()
    server.fail()
    store.compact()
    assert [trial.number for trial in Store(root).trials()] == [0, 1, 2]


def test_a_put_that_goes_on_failing_is_told(root, make_trial, server, monkeypatch):
    monkeypatch.setattr(store_module, "RETRY_LONG", RetryPolicy(seconds=1.0))
    store = Store(root)
    store.append(make_trial(0))
    server.fail({"when": "^(PUT|POST) .*trials/part-", "what": "slow_down"})
    with pytest.raises(StoreError, match="must answer, but "):
        store.append(make_trial(1))
    server.fail()
    store.append(make_trial(1))
    assert [trial.number for trial in Store(root).trials()] == [0, 1]
