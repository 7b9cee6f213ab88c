"""The columns of the leaderboard, and the conversion of runs to rows and back.

Two tables, both keyed by `KEY`:

- *trials*: one row per trial and cell: the columns of `TRIAL_COLUMNS`, then ``config/*``
  (int64, double, bool or string as the value is), ``metric/*`` (double) and ``provenance/*``
  (string).
- *curves*: one row per report: `CURVE_COLUMNS`, then the same ``metric/*``. With one column per
  metric, instead of a name and a value column, a report is one row instead of fifteen, both
  tables name a metric alike, and a curve is plotted without pivoting.

A column that a trial does not have is absent from its part and null in the table. The types
of a column may differ between parts (``1`` here, ``0.5`` there); see `wider_type`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from raysearch.errors import StoreError
from raysearch.run import Cell, Report, Run, RunState, Scalar
from raysearch.version import __version__

__all__ = [
    "CURVE_COLUMNS",
    "FILE_METADATA",
    "KEY",
    "REQUIRED",
    "SCHEMA_VERSION",
    "TRIAL_COLUMNS",
    "check_version",
    "conform",
    "curve_rows",
    "empty_table",
    "read_trials",
    "trial_rows",
    "unify",
    "wider_type",
]

SCHEMA_VERSION = 1
"""Increased when a reader of the older version would misread the newer rows."""

KEY = ("sweep", "trial", "task", "seed")
"""Identifies a row of *trials*, and a trial's cell in *curves*."""

_VERSION_KEY = b"raysearch.schema_version"
FILE_METADATA = {_VERSION_KEY: str(SCHEMA_VERSION).encode()}
"""Written to every file, so that a reader of an older version can refuse it."""

_KEY_FIELDS = [
    ("sweep", pa.string()),
    ("trial", pa.int64()),
    ("task", pa.string()),
    ("seed", pa.int64()),
]

TRIAL_COLUMNS = pa.schema(
    [
        *_KEY_FIELDS,
        ("method", pa.string()),
        ("state", pa.string()),
        ("reason", pa.string()),
        ("steps", pa.int64()),
        ("seconds", pa.float64()),
        ("device", pa.string()),
        ("finished", pa.timestamp("us", tz="UTC")),
        ("schema_version", pa.int64()),
        ("raysearch_version", pa.string()),
    ]
)
CURVE_COLUMNS = pa.schema(
    [*_KEY_FIELDS, ("rung", pa.int64()), ("step", pa.int64()), ("seconds", pa.float64())]
)
REQUIRED = frozenset(
    "sweep trial task seed method state reason steps seconds device schema_version "
    "raysearch_version rung step".split()
)
"""Columns that every file of their table has, with a value in every row.

Without ``finished``, since a lost trial may have no end, and without later additions, since files
of older versions lack them.
"""
_LONGEST_REASON = 10_000
"""Most characters of a reason: a message may quote a whole tensor."""


def trial_rows(trial: Run) -> pa.Table:
    """The trial's one row of *trials*.

    Raises:
        StoreError: `finished` is not an ISO 8601 time.
    """
    bare = [
        *trial.key,
        trial.method,
        str(trial.state),
        _cut(trial.reason),
        trial.steps,
        trial.seconds,
        trial.device,
        _utc(trial),
        SCHEMA_VERSION,
        __version__,
    ]
    columns = [
        (field, pa.array([value], field.type))
        for field, value in zip(TRIAL_COLUMNS, bare, strict=True)
    ]
    columns += [_column(f"config/{name}", [value]) for name, value in trial.config.items()]
    columns += [_metric(name, [value]) for name, value in trial.metrics.items()]
    columns += [
        (pa.field(f"provenance/{name}", pa.string()), pa.array([value], pa.string()))
        for name, value in trial.provenance.items()
    ]
    return _table(columns)


def curve_rows(trial: Run) -> pa.Table:
    """The trial's rows of *curves*, one per report in order."""
    reports = trial.curve
    bare: list[list[Any]] = [[value] * len(reports) for value in trial.key]
    bare += [
        [report.rung for report in reports],
        [report.step for report in reports],
        [report.seconds for report in reports],
    ]
    columns = [
        (field, pa.array(values, field.type))
        for field, values in zip(CURVE_COLUMNS, bare, strict=True)
    ]
    names = dict.fromkeys(name for report in reports for name in report.metrics)
    columns += [_metric(name, [report.metrics.get(name) for report in reports]) for name in names]
    return _table(columns)


def read_trials(trials: pa.Table, curves: pa.Table) -> list[Run]:
    """The records of the rows, in the order of `trials`.

    Not an exact copy: a setting that a trial does not have is None if another trial of the table
    has it, and an int is a float if the column is double.
    """
    reports: dict[tuple[Any, ...], list[Report]] = {}
    for row in curves.to_pylist():
        metrics = _group(row, "metric/")
        report = Report(rung=row["rung"], step=row["step"], seconds=row["seconds"], metrics=metrics)
        reports.setdefault(_key(row), []).append(report)
    return [
        Run(
            sweep=row["sweep"],
            number=row["trial"],
            cell=Cell(row["task"], row["seed"]),
            method=row["method"],
            state=RunState(row["state"]),
            reason=row["reason"],
            config={
                name.removeprefix("config/"): value
                for name, value in row.items()
                if name.startswith("config/")
            },
            metrics=_group(row, "metric/"),
            curve=tuple(sorted(reports.get(_key(row), []), key=lambda report: report.rung)),
            steps=row["steps"],
            seconds=row["seconds"],
            device=row["device"],
            finished=row["finished"].isoformat(timespec="seconds") if row["finished"] else "",
            provenance=_group(row, "provenance/"),
        )
        for row in trials.to_pylist()
    ]


def check_version(metadata: Mapping[bytes, bytes] | None, where: str) -> None:
    """Refuse a file whose schema is newer than this version.

    Args:
        metadata: The file's.
        where: The file.

    Raises:
        StoreError: The file is of a newer version, or is not a leaderboard file.
    """
    stamp = (metadata or {}).get(_VERSION_KEY, b"")
    if not stamp.isdigit():
        raise StoreError(
            f"`{where}` must be a file that raysearch wrote, but it has no schema version; "
            "move it out of the folder"
        )
    if int(stamp) > SCHEMA_VERSION:
        raise StoreError(
            f"`{where}` was written by a newer raysearch (schema version {int(stamp)}, this one "
            f"knows {SCHEMA_VERSION}); update raysearch to read it"
        )


def wider_type(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    """The type that holds the values of both: int64 and double become double, null yields.

    Any other difference becomes string.
    """
    if first == second or pa.types.is_null(second):
        return first
    if pa.types.is_null(first):
        return second
    if {first, second} == {pa.int64(), pa.float64()}:
        return pa.float64()
    return pa.string()


def unify(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Every column of the schemas with its widest type, in order of first appearance.

    ``config/*`` comes before ``metric/*`` before ``provenance/*``, whatever the input order.
    """
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            types[field.name] = wider_type(types.get(field.name, pa.null()), field.type)
    groups = ("config", "metric", "provenance")
    order = {name: groups.index(name.split("/")[0]) + 1 for name in types if "/" in name}
    ordered = sorted(types.items(), key=lambda item: order.get(item[0], 0))
    return pa.schema(ordered)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly the columns and types of a schema from `unify`."""
    if table.schema.equals(schema):
        return table
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def empty_table(schema: pa.Schema) -> pa.Table:
    """No rows of these columns; Arrow's own `empty_table` imports pandas."""
    return pa.Table.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def _table(columns: Iterable[tuple[pa.Field, pa.Array]]) -> pa.Table:
    fields, arrays = zip(*columns, strict=True)
    return pa.Table.from_arrays(list(arrays), schema=pa.schema(fields))


def _column(name: str, values: list[Scalar]) -> tuple[pa.Field, pa.Array]:
    try:
        array = pa.array(values)
    except OverflowError:  # an int beyond 64 bits keeps its digits
        array = pa.array([str(value) for value in values])
    return pa.field(name, array.type), array


def _metric(name: str, values: list[float | None]) -> tuple[pa.Field, pa.Array]:
    return pa.field(f"metric/{name}", pa.float64()), pa.array(values, pa.float64())


def _cut(reason: str) -> str:
    if len(reason) <= _LONGEST_REASON:
        return reason
    return f"{reason[:_LONGEST_REASON]}… ({len(reason)} characters)"


def _utc(trial: Run) -> datetime | None:
    if not trial.finished:
        return None
    try:
        time = datetime.fromisoformat(trial.finished)
    except ValueError as error:
        raise StoreError(
            f"`finished` must be an ISO 8601 time, but got {trial.finished!r} (trial {trial.id})"
        ) from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def _group(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value
        for name, value in row.items()
        if name.startswith(prefix) and value is not None
    }
