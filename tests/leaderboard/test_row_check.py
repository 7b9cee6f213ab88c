"""Rows that no sweep writes: each is a sentence that names the file, the column and the row."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from raysearch.errors import StoreError
from raysearch.leaderboard import Store
from raysearch.leaderboard.part_file import encode
from raysearch.leaderboard.schema import curve_rows, trial_rows

TIME = pa.timestamp("us", tz="UTC")
METRIC, CONFIG, ORIGIN = "metric/dev/va_pearson", "config/encoder", "provenance/commit"

WRONG_ROWS = {
    "no task": (
        {"task": pa.array([None], pa.string())},
        "'task' must have a value, but has none in row 1",
    ),
    "empty task": ({"task": [""]}, "'task' must be a printable name, but is '' in row 1"),
    "control characters": ({"task": ["a\x1b[2J"]}, "'task' must be a printable name"),
    "task a number": ({"task": [3]}, "'task' must be string, but is int64"),
    "no number": ({"trial": pa.array([None], pa.int64())}, "'trial' must have a value"),
    "negative number": (
        {"trial": [-1]},
        "'trial' must be from 0 to 9007199254740992, but is -1 in row 1",
    ),
    "endless number": ({"trial": [2**62]}, "'trial' must be from 0 to 9007199254740992, but is 46"),
    "negative seed": (
        {"seed": [-2]},
        "'seed' must be from 0 to 9007199254740992, but is -2 in row 1",
    ),
    "number a text": ({"trial": ["0"]}, "'trial' must be int64, but is string"),
    "negative steps": ({"steps": [-5]}, "'steps' must be from 0 to"),
    "steps a fraction": ({"steps": [1.5]}, "'steps' must be int64, but is double"),
    "infinite seconds": ({"seconds": [float("inf")]}, "'seconds' must be from 0 to 1e.10, but is"),
    "seconds not a number": ({"seconds": [float("nan")]}, "'seconds' must be from 0 to .* is nan"),
    "negative seconds": ({"seconds": [-1.0]}, "'seconds' must be from 0 to .* but is -1 in row 1"),
    "unknown state": ({"state": ["done"]}, "'state' must be one of complete, pruned, failed, but"),
    "running": ({"state": ["running"]}, "'state' must be one of complete, pruned, failed, but"),
    "no state": ({"state": pa.array([None], pa.string())}, "'state' must have a value"),
    "no method": ({"method": pa.array([None], pa.string())}, "'method' must have a value"),
    "no reason": ({"reason": pa.array([None], pa.string())}, "'reason' must have a value"),
    "long reason": ({"reason": ["x" * 100_001]}, "'reason' must hold at most 100000 bytes a text"),
    "long task": ({"task": ["x" * 301]}, "'task' must hold at most 300 bytes a text"),
    "time in the year 1": (
        {"finished": pa.array([datetime(1, 1, 2, tzinfo=UTC)], TIME)},
        "'finished' must be from 1970 to 2999",
    ),
    "time beyond Python": (
        {"finished": pa.array([2**62], pa.int64()).cast(TIME)},
        "'finished' must be from 1970 to 2999",
    ),
    "time a text": ({"finished": ["noon"]}, "'finished' must be timestamp.us, tz=UTC., but is str"),
    "newer row": ({"schema_version": [9]}, "'schema_version' must be from 1 to 1, but is 9"),
    "metric a text": ({METRIC: ["0.5"]}, f"'{METRIC}' must be double, but is string"),
    "metric a list": ({METRIC: [[0.5]]}, f"'{METRIC}' must be double, but is list"),
    "metric without a name": ({"metric/": [0.5]}, "'metric/' must have a printable name"),
    "metric of a line": ({"metric/a\nb": [0.5]}, "must have a printable name"),
    "setting a time": (
        {CONFIG: pa.array([0], pa.int64()).cast(TIME)},
        f"'{CONFIG}' must be bool or int64 or double or string, but is timestamp",
    ),
    "long setting": ({CONFIG: ["x" * 100_001]}, f"'{CONFIG}' must hold at most 100000 bytes"),
    "origin a number": ({ORIGIN: [1]}, f"'{ORIGIN}' must be string, but is int64"),
    "foreign column": ({"colour": ["red"]}, "'colour' is none that this raysearch knows"),
    "no column": ({"state": None}, "`state` is missing"),
}

WRONG_REPORTS = {
    "rung 0": ({"rung": [0, 1]}, "'rung' must be from 1 to .*, but is 0 in row 1"),
    "rung twice": ({"rung": [1, 1]}, "the rows 1 and 2 are both of .*rung 1"),
    "no step": ({"step": pa.array([10, None], pa.int64())}, "'step' must have a value.* row 2"),
    "endless seconds": ({"seconds": [1.0, float("inf")]}, "'seconds' must be .* inf in row 2"),
    "no task": ({"task": pa.array(["a", None], pa.string())}, "'task' must have a value.* row 2"),
    "metric a text": ({"metric/loss": ["a", "b"]}, "'metric/loss' must be double, but is string"),
}


def changed(table: pa.Table, columns: dict) -> bytes:
    """The file with these columns in place of its own; None leaves one out."""
    for name, values in columns.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        if values is not None:
            table = table.append_column(name, pa.array(values))
    return bytes(encode(table))


@pytest.mark.parametrize("kind", WRONG_ROWS)
def test_a_row_that_no_sweep_writes(tmp_path, make_trial, kind):
    store = Store(tmp_path)
    for number in range(2):
        store.append(make_trial(number))
    columns, sentence = WRONG_ROWS[kind]
    path = tmp_path / "trials" / "part-00001-emobank-s0.parquet"
    path.write_bytes(changed(trial_rows(make_trial(1)), columns))
    with pytest.raises(StoreError, match=sentence) as told:
        store.table()
    assert str(path) in str(told.value) and "move it away" in str(told.value)
    assert len(str(told.value)) < 600 and len(str(told.value).splitlines()) == 1
    contents = store.read()
    assert contents.table.column("trial").to_pylist() == [0]
    before = path.read_bytes()
    store.compact()  # keeps what it does not understand as it is
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", WRONG_REPORTS)
def test_a_report_that_no_sweep_writes(tmp_path, make_trial, kind):
    store = Store(tmp_path)
    store.append(make_trial(0))
    columns, sentence = WRONG_REPORTS[kind]
    path = tmp_path / "curves" / "part-00000-emobank-s0.parquet"
    path.write_bytes(changed(curve_rows(make_trial(0)), columns))
    with pytest.raises(StoreError, match=sentence) as told:
        store.curves()
    assert str(path) in str(told.value)
    assert store.table().num_rows == 1


def test_two_rows_of_one_cell_in_a_file(tmp_path, make_trial):
    store = Store(tmp_path)
    for number in range(3):
        store.append(make_trial(number))
    store.compact()
    [path] = (tmp_path / "trials").glob("merged-*")
    table = store.table()
    path.write_bytes(encode(pa.concat_tables([table, table.slice(1, 1)])))
    with pytest.raises(StoreError, match="the rows 2 and 4 are both of sweep 'carl', trial 1, tas"):
        store.table()


def test_every_fault_of_a_file_is_told_at_once(tmp_path, make_trial):
    Store(tmp_path).append(make_trial(0))
    path = next((tmp_path / "trials").glob("part-*"))
    wrong = {"trial": [-1], "seed": [-1], "steps": [-1], "seconds": [-1.0], "state": ["a"]}
    path.write_bytes(changed(trial_rows(make_trial(0)), {**wrong, "task": [""], "method": [""]}))
    with pytest.raises(StoreError) as told:
        Store(tmp_path).table()
    assert all(f"column '{name}' " in str(told.value) for name in ("trial", "seed", "seconds"))
    assert "and 2 more; move it away" in str(told.value)


def test_a_reason_that_quotes_a_tensor_is_cut_when_it_is_written(tmp_path, make_trial):
    store = Store(tmp_path)
    store.append(make_trial(0, reason="x" * 5_000_000))
    [trial] = store.trials()
    assert trial.reason == "x" * 10_000 + "… (5000000 characters)"
