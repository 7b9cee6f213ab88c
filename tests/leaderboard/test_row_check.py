"""Rows that no sweep writes: each is a sentence that names the file, the column and the row."""

import pyarrow as pa
import pytest
from strange_rows import WRONG_REPORTS, WRONG_ROWS, changed

from raysearch.errors import StoreError
from raysearch.leaderboard import Store
from raysearch.leaderboard.part_file import encode
from raysearch.leaderboard.schema import curve_rows, trial_rows


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
