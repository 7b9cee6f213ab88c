import numpy as np
import pyarrow as pa
import pytest

from raysearch.leaderboard.keys import (
    PEAK,
    _gpu_peak,
    column_values,
    distinct,
    group_rows,
    rows_at,
    rows_with,
)

TABLE = pa.table(
    {
        "name": ["a", None, "a", "b", None, "a"],
        "number": [1, 1, 2, 1, 1, 1],
        "value": [0.5, None, float("nan"), -1.0, 2.0, 3.0],
    }
)


def test_groups_are_those_of_equal_rows():
    codes, count = group_rows(TABLE, ("name", "number"))
    pairs = list(
        zip(TABLE.column("name").to_pylist(), TABLE.column("number").to_pylist(), strict=True)
    )
    assert count == len(set(pairs)) == 4
    assert set(codes.tolist()) == set(range(4))
    for first in range(6):
        for second in range(6):
            assert (codes[first] == codes[second]) == (pairs[first] == pairs[second])


def test_groups_of_no_rows():
    codes, count = group_rows(TABLE.slice(0, 0), ("name",))
    assert (len(codes), count) == (0, 0)


@pytest.mark.parametrize("start", [0, 1, 3])
def test_values_with_nulls_and_of_slices(start):
    table = pa.concat_tables([TABLE, TABLE]).slice(start)
    expected = [np.nan if value is None else value for value in table.column("value").to_pylist()]
    np.testing.assert_array_equal(column_values(table, "value"), expected)
    np.testing.assert_array_equal(
        column_values(table, "number"), table.column("number").to_pylist()
    )


def test_values_of_a_null_column_and_of_no_rows():
    table = pa.table({"x": pa.nulls(3)})
    assert np.isnan(column_values(table, "x")).all()
    assert len(column_values(table.slice(0, 0), "x")) == 0


def test_rows_are_picked_in_order():
    assert rows_at(TABLE, np.array([3, 0, 3])).column("name").to_pylist() == ["b", "a", "b"]
    assert rows_with(TABLE, "name", "a").column("number").to_pylist() == [1, 2, 1]
    assert rows_with(TABLE, "name", "z").num_rows == 0
    assert distinct(TABLE, "name") == ("a", None, "b")


@pytest.mark.parametrize(
    ("texts", "peak"),
    [(["9", None, "1000000000", "x", "9" * 40], 10**9), ([None], None), (["", "-5"], None)],
)
def test_the_largest_peak_of_memory_is_a_number(texts, peak):
    assert _gpu_peak(pa.table({PEAK: pa.array(texts, pa.string())})) == peak
    assert _gpu_peak(TABLE) is None
