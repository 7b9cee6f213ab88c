import math
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from raysearch.errors import StoreError
from raysearch.leaderboard.schema import (
    FILE_METADATA,
    KEY,
    SCHEMA_VERSION,
    check_version,
    conform,
    curve_rows,
    read_trials,
    trial_rows,
    unify,
    wider_type,
)
from raysearch.run import Report, RunState


def test_row_has_typed_columns(make_trial):
    trial = make_trial(3, config={"k": 3, "rho": 0.5, "on": True, "name": "x", "none": None})
    row = trial_rows(trial)
    assert row.num_rows == 1
    types = {field.name: field.type for field in row.schema}
    assert types["config/k"] == pa.int64()
    assert types["config/rho"] == pa.float64()
    assert types["config/on"] == pa.bool_()
    assert types["config/name"] == pa.string()
    assert types["config/none"] == pa.null()
    assert types["metric/loss"] == pa.float64()
    assert types["provenance/data_digest"] == pa.string()
    assert types["finished"] == pa.timestamp("us", tz="UTC")
    values = row.to_pylist()[0]
    assert values["finished"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert values["schema_version"] == SCHEMA_VERSION
    assert [values[name] for name in KEY] == list(trial.key)


def test_whole_number_metric_is_double(make_trial):
    row = trial_rows(make_trial(0, metrics={"dev/accuracy": 1}))
    assert row.column("metric/dev/accuracy").type == pa.float64()


def test_int_beyond_64_bits_keeps_its_digits(make_trial):
    row = trial_rows(make_trial(0, config={"seed": 2**70}))
    assert row.column("config/seed").to_pylist() == [str(2**70)]


def test_curve_has_one_row_per_report_and_null_where_a_report_lacks_a_metric(make_trial):
    curve = (
        Report(rung=1, step=5, seconds=1.0, metrics={"loss": 2.0}),
        Report(rung=2, step=10, seconds=2.0, metrics={"loss": 1.0, "dev/va": 0.3}),
    )
    rows = curve_rows(make_trial(0, curve=curve))
    assert rows.column("rung").to_pylist() == [1, 2]
    assert rows.column("metric/loss").to_pylist() == [2.0, 1.0]
    assert rows.column("metric/dev/va").to_pylist() == [None, 0.3]


def test_trial_without_reports_has_no_curve_rows(make_trial):
    assert curve_rows(make_trial(0, curve=())).num_rows == 0


def test_records_come_back(make_trial):
    trials = [
        make_trial(0),
        make_trial(1, 0.25, seed=2, task="a b"),
        make_trial(2, None, state=RunState.FAILED, reason="`loss` is NaN", curve=(), finished=""),
    ]
    schema = unify([trial_rows(trial).schema for trial in trials])
    rows = pa.concat_tables([conform(trial_rows(trial), schema) for trial in trials])
    curves = pa.concat_tables([curve_rows(trial) for trial in trials], promote_options="default")
    assert read_trials(rows, curves) == trials


def test_nan_comes_back_as_nan(make_trial):
    trial = make_trial(0, math.nan)
    again = read_trials(trial_rows(trial), curve_rows(trial))[0]
    assert math.isnan(again.metrics["dev/va_pearson"])


def test_time_without_zone_is_utc(make_trial):
    row = trial_rows(make_trial(0, finished="2026-01-02T03:04:05"))
    assert row.column("finished")[0].as_py() == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_time_that_is_none_is_an_error(make_trial):
    with pytest.raises(StoreError, match="`finished` must be an ISO 8601 time, but got 'noon'"):
        trial_rows(make_trial(0, finished="noon"))


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (pa.int64(), pa.int64(), pa.int64()),
        (pa.int64(), pa.float64(), pa.float64()),
        (pa.null(), pa.bool_(), pa.bool_()),
        (pa.bool_(), pa.int64(), pa.string()),
        (pa.string(), pa.float64(), pa.string()),
    ],
)
def test_wider_type_does_not_depend_on_order(first, second, together):
    assert wider_type(first, second) == together
    assert wider_type(second, first) == together


def test_conform_casts_and_fills(make_trial):
    narrow = trial_rows(make_trial(0, config={"x": 1, "y": 2}))
    wide = trial_rows(make_trial(0, config={"x": 0.5, "y": "two", "z": True}))
    rows = conform(narrow, unify([narrow.schema, wide.schema])).to_pylist()[0]
    assert (rows["config/x"], rows["config/y"], rows["config/z"]) == (1.0, "2", None)


def test_columns_keep_their_groups_in_order(make_trial):
    first = trial_rows(make_trial(0, config={"a": 1})).schema
    second = trial_rows(make_trial(0, config={"a": 1, "b": 2})).schema
    names = [name.split("/")[0] for name in unify([first, second]).names]
    order = ["config", "metric", "provenance"]
    groups = [name for name in names if name in order]
    assert groups == sorted(groups, key=order.index)


def test_newer_schema_is_refused():
    check_version(FILE_METADATA, "part-0.parquet")
    with pytest.raises(StoreError, match="newer raysearch .schema version 99.*update raysearch"):
        check_version({b"raysearch.schema_version": b"99"}, "part-0.parquet")


@pytest.mark.parametrize("metadata", [None, {}, {b"raysearch.schema_version": b"x"}])
def test_foreign_file_is_refused(metadata):
    with pytest.raises(StoreError, match="must be a file that raysearch wrote"):
        check_version(metadata, "x.parquet")
