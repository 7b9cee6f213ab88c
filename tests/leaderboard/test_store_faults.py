"""A leaderboard in a store without rename: killed, failing and read at each of its operations."""

import io
import threading
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysearch.errors import StoreError
from raysearch.leaderboard import Store
from raysearch.leaderboard import store as store_module
from raysearch.storage import StoredFile

TRIALS = 5


class Killed(BaseException):
    """The process ends here: not an Exception, so nothing may catch it."""


class Objects:
    """Objects in memory: whole or not there, seen by everybody at once, never renamed."""

    uri = "mem://bucket/sweep"

    def __init__(self):
        self.held = {}
        self.lock = threading.Lock()

    def open(self, name):
        with self.lock:
            if name not in self.held:
                raise FileNotFoundError(name)
            return io.BytesIO(self.held[name])

    def exists(self, name):
        return name in self.held

    def write(self, name, parts, *, lasting=True):
        with self.lock:
            self.held[name] = b"".join(bytes(part) for part in parts)

    def remove(self, name):
        with self.lock:
            self.held.pop(name, None)

    def files(self, folder=""):
        with self.lock:
            return [
                StoredFile(name, len(data), 0.0)
                for name, data in self.held.items()
                if name.rpartition("/")[0] == folder
            ]


class Watched:
    """A store that asks `before` at each operation, with its number, from 1."""

    def __init__(self, objects, before):
        self.objects, self.before = objects, before
        self.uri, self.count = objects.uri, 0
        self.lock = threading.Lock()

    def __getattr__(self, name):
        operation = getattr(self.objects, name)

        def watched(*arguments, **options):
            with self.lock:  # a merge removes side by side: their order is any, their number not
                self.count += 1
                number = self.count
            self.before(number, name)
            return operation(*arguments, **options)

        return watched


@pytest.fixture
def open_store(monkeypatch):
    """A store of its own process over these objects, which merges after every third row."""
    monkeypatch.setattr(store_module, "_PARTS", 2)

    def opened(objects, before=lambda number, name: None):
        watched = Watched(objects, before)
        monkeypatch.setattr(store_module, "open_storage", lambda root, **how: watched)
        store = Store("mem://bucket/sweep")
        store._look()
        return store, watched

    return opened


def foreign(objects, folder="trials"):
    """How often each trial is in the files, as a reader sees it that knows nothing of merging."""
    with objects.lock:
        held = [data for name, data in objects.held.items() if name.startswith(f"{folder}/")]
    tables = [pq.read_table(pa.BufferReader(data)) for data in held]
    return Counter(number for table in tables for number in table.column("trial").to_pylist())


def numbers(objects, open_store):
    store, _ = open_store(objects)
    assert store.curves().num_rows == 2 * len(store.keys())
    return sorted(store.table().column("trial").to_pylist())


def append_all(store, make_trial, done):
    for number in range(TRIALS):
        store.append(make_trial(number))
        done.add(number)
    store.compact()


def count_operations(open_store, make_trial):
    store, watched = open_store(Objects())
    append_all(store, make_trial, set())
    return watched.count


def test_a_kill_at_each_operation_loses_and_doubles_nothing(make_trial, open_store):
    total = count_operations(open_store, make_trial)
    killed_in = Counter()
    for at in range(1, total + 1):
        objects, done = Objects(), set()

        def die(number, name, at=at):
            if number == at:
                killed_in[name] += 1
            if number >= at:
                raise Killed

        with pytest.raises(Killed):
            store, _ = open_store(objects, die)
            append_all(store, make_trial, done)
        left = foreign(objects)
        assert done <= set(left) and len(left) <= len(done) + 1
        assert set(foreign(objects, "curves")) >= set(left)  # who sees a trial finds its curve
        again, _ = open_store(objects)
        assert sorted(trial.number for trial in again.trials()) == sorted(left)
        again.append(make_trial(TRIALS))
        assert set(foreign(objects).values()) == {1}
        append_all(again, make_trial, set())
        assert foreign(objects) == dict.fromkeys(range(TRIALS + 1), 1)
        assert foreign(objects, "curves") == dict.fromkeys(range(TRIALS + 1), 2)
    assert total == sum(killed_in.values()) > 50
    assert min(killed_in[name] for name in ("files", "open", "write", "remove")) > 10


def test_an_error_at_each_operation_is_a_sentence_or_harmless(make_trial, open_store):
    refused = 0
    for at in range(1, count_operations(open_store, make_trial) + 1):
        objects = Objects()

        def fail(number, name, at=at):
            if number == at:
                raise OSError("AWS Error SLOW_DOWN: Please reduce your request rate.")

        store = None
        for number in range(TRIALS):
            try:
                store = store or open_store(objects, fail)[0]
                store.append(make_trial(number))
            except StoreError as error:
                assert "SLOW_DOWN" in str(error)
                refused += 1
            else:
                assert number in foreign(objects)
        append_all(open_store(objects)[0], make_trial, set())  # the next run of the sweep
        assert numbers(objects, open_store) == list(range(TRIALS))
        assert set(foreign(objects).values()) == {1}
    assert refused > 10


def test_a_reader_before_each_operation_of_the_writer_sees_each_row_once(make_trial, open_store):
    objects, done, seen = Objects(), set(), 0
    reader, _ = open_store(objects)

    def look(number, name):
        nonlocal seen
        if name in ("write", "remove"):
            found = reader.table().column("trial").to_pylist()
            assert len(found) == len(set(found))
            assert done <= set(found) and done <= set(foreign(objects))
            seen += 1

    store, _ = open_store(objects, look)
    append_all(store, make_trial, done)
    assert seen > 20


def test_a_merge_within_each_operation_of_a_reader_hides_no_row(make_trial, open_store):
    at, merged = 0, True
    while merged:
        at, merged, objects = at + 1, False, Objects()
        writer, _ = open_store(objects)
        for number in range(5):
            writer.append(make_trial(number))

        def merge(number, name, at=at, writer=writer):
            nonlocal merged
            if number == at:
                merged = True
                writer.append(make_trial(5))
                writer.compact()

        reader, watched = open_store(objects)
        watched.before, watched.count = merge, 0
        rows = reader.table().column("trial").to_pylist()
        assert sorted(rows) in ([*range(5)], [*range(6)])
        assert all(number in rows for number in range(5))
    assert at > 4


def test_two_drivers_at_once_lose_nothing(make_trial, open_store):
    """The lock keeps them apart; one that was taken for dead and lives may still write."""
    objects = Objects()
    first, _ = open_store(objects)
    for number in range(3):
        first.append(make_trial(number))
    second, _ = open_store(objects)
    writing = True

    def other_merges(number, name):
        nonlocal writing
        if name == "write" and writing:
            writing = False
            second.append(make_trial(8))
            second.compact()

    first._storage.before = other_merges
    first.append(make_trial(3))
    first.compact()
    assert sorted(foreign(objects)) == [0, 1, 2, 3, 8]
    assert numbers(objects, open_store) == [0, 1, 2, 3, 8]


def test_the_columns_that_were_damaged_and_moved_away_come_with_the_next_row(tmp_path, make_trial):
    store = Store(tmp_path)
    store.append(make_trial(number=0))
    columns = tmp_path / "trials" / "columns.parquet"
    before = columns.read_bytes()
    columns.write_bytes(before[:-50])
    with pytest.raises(StoreError, match="columns.parquet` must .*; move it away: it holds no row"):
        Store(tmp_path).table()
    columns.unlink()
    Store(tmp_path).append(make_trial(number=1))
    assert columns.read_bytes() == before
