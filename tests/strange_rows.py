"""Rows and reports that no sweep writes, and the sentence that each is answered with."""

from datetime import UTC, datetime

import pyarrow as pa

from raysearch.leaderboard.part_file import encode

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
