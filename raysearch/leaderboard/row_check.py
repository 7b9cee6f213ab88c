"""Checks that rows are what a sweep writes: known columns, their types, values that can be ranked.

All readers (ranking, reports, replays) trust rows, so each file of rows is checked here once,
whoever wrote it. Rows are numbered from 1 in the order of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from raysearch.errors import quoted
from raysearch.leaderboard.keys import Codes, group_rows, numbers_of
from raysearch.leaderboard.schema import KEY, REQUIRED, SCHEMA_VERSION
from raysearch.run import RunState

__all__ = ["LONGEST_TEXT", "key_faults", "schema_faults", "text_lengths", "value_faults"]

LONGEST_TEXT = 100_000
"""Most bytes of a text. The longest that a sweep writes, a failure's reason, is cut at a tenth."""
_LONGEST_NAME = 300
_TYPES = {
    "config": (pa.null(), pa.bool_(), pa.int64(), pa.float64(), pa.string()),
    "metric": (pa.null(), pa.float64()),
    "provenance": (pa.null(), pa.string()),
}
"""Group of columns to the types that `schema.unify` produces."""
_LEAST = {"rung": 1, "schema_version": 1, "trial": 0, "seed": 0, "steps": 0, "step": 0}
_MOST = {"schema_version": SCHEMA_VERSION}
_MOST_WHOLE = 2**53
"""Largest integer that a double distinguishes: numbers are drawn and averaged as doubles."""
_MOST_SECONDS = 1e10
"""300 years; with the times below, an end minus its seconds is a time that Python supports."""
_NAMES = ("sweep", "task", "method")
_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=UTC) for year in (1970, 3000))
_STATES = tuple(str(state) for state in RunState if state is not RunState.RUNNING)

_Mask = npt.NDArray[np.bool_]


@lru_cache(maxsize=64)
def schema_faults(
    schema: pa.Schema, base: pa.Schema, wanted: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Faults of a file's columns, one clause each; checked before they are decoded.

    Args:
        schema: The file's.
        base: The fixed columns, `TRIAL_COLUMNS` or `CURVE_COLUMNS`.
        wanted: The columns to be read; None for all.
    """
    names = list(schema.names)
    must = REQUIRED if wanted is None else set(wanted)
    found = [f"column `{name}` is missing" for name in base.names if name in must - set(names)]
    found += [f"column {quoted(name)} is there twice" for name in _repeated(names)]
    for field in schema:
        group, slash, name = field.name.partition("/")
        if field.name in base.names:
            known: tuple[Any, ...] = (base.field(field.name).type,)
        elif slash and group in _TYPES:
            known = _TYPES[group]
            if not name or len(name) > _LONGEST_NAME or not name.isprintable():
                found.append(f"column {quoted(field.name)} must have a printable name")
        else:
            found.append(f"column {quoted(field.name)} is none that this raysearch knows")
            continue
        if field.type not in known:
            types = " or ".join(str(item) for item in known if not pa.types.is_null(item))
            found.append(f"column {quoted(field.name)} must be {types}, but is {field.type}")
    return tuple(found)


def value_faults(table: pa.Table) -> list[str]:
    """Faults of the values of a table whose columns are known, one clause per column."""
    found = []
    for name in table.column_names:
        column = table.column(name)
        clause = _null(name, column) or _look(name, column)
        if clause:
            found.append(f"column {quoted(name)} {clause}")
    return found


def key_faults(table: pa.Table, base: pa.Schema) -> list[str]:
    """Duplicate cells, or duplicate reports of one rung, within the rows of one file."""
    names = [*KEY, "rung"] if "rung" in base.names else list(KEY)
    if table.num_rows < 2 or not set(names) <= set(table.column_names):
        return []
    group, count = group_rows(table, names)
    if count == table.num_rows:
        return []
    again = np.flatnonzero(np.bincount(group)[group] > 1)
    first, second = np.flatnonzero(group == group[again[0]])[:2].tolist()
    key = ", ".join(f"{name} {quoted(table.column(name)[first].as_py())}" for name in names)
    return [f"the rows {first + 1} and {second + 1} are both of {key}"]


def text_lengths(array: Any) -> Codes:
    """Bytes of every text of an Arrow array, (N,); 0 for null."""
    if len(array) == 0:
        return np.empty(0, dtype=np.int64)
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)
    return np.diff(offsets[array.offset : array.offset + len(array) + 1])


def _null(name: str, column: Any) -> str:
    if name not in REQUIRED or column.null_count == 0:
        return ""
    return f"must have a value, but has none in row {1 + column.is_null().to_pylist().index(True)}"


def _look(name: str, column: Any) -> str:
    """What is wrong with a column's values; empty if nothing is."""
    if len(column) == 0:
        return ""
    if pa.types.is_string(column.type):
        return _text(name, column)
    if name in _LEAST:
        return _whole(name, column)
    rule = _RULES.get(name)
    return rule(column) if rule else ""


def _text(name: str, column: Any) -> str:
    lengths = np.concatenate([text_lengths(chunk) for chunk in column.chunks])
    most = _LONGEST_NAME if name in _NAMES else LONGEST_TEXT
    if (lengths > most).any():
        row = _first(lengths > most)
        return f"must hold at most {most} bytes a text, but has {lengths[row]} in row {row + 1}"
    if name == "state":
        return _one(column, lambda text: text in _STATES, f"one of {', '.join(_STATES)}")
    if name in _NAMES:
        return _one(column, lambda text: bool(text) and text.isprintable(), "a printable name")
    return ""


def _one(column: Any, holds: Callable[[str], bool], rule: str) -> str:
    """The first text that fails the test; each distinct text is tested once."""
    encoded = column.combine_chunks().dictionary_encode()
    wrong = [text for text in encoded.dictionary.to_pylist() if not holds(text)]
    if not wrong:
        return ""
    row = 1 + column.to_pylist().index(wrong[0])
    return f"must be {rule}, but is {quoted(wrong[0])} in row {row}"


def _whole(name: str, column: Any) -> str:
    least, most = _LEAST[name], _MOST.get(name, _MOST_WHOLE)
    values = numbers_of(column)
    wrong = (values < least) | (values > most)
    if not wrong.any():
        return ""
    row = _first(wrong)
    return f"must be from {least} to {most}, but is {column[row]} in row {row + 1}"


def _seconds(column: Any) -> str:
    values = numbers_of(column)
    wrong = ~((values >= 0) & (values <= _MOST_SECONDS))
    if not wrong.any():
        return ""
    row = _first(wrong)
    return f"must be from 0 to {_MOST_SECONDS:g}, but is {values[row]:g} in row {row + 1}"


def _time(column: Any) -> str:
    ticks = numbers_of(column.cast(pa.int64()))
    wrong = (ticks < 1e6 * _FIRST.timestamp()) | (ticks >= 1e6 * _LAST.timestamp())
    if not wrong.any():
        return ""
    return f"must be from {_FIRST.year} to {_LAST.year - 1}, but is not in row {_first(wrong) + 1}"


_RULES: dict[str, Callable[[Any], str]] = {"seconds": _seconds, "finished": _time}


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _first(mask: _Mask) -> int:
    return int(np.argmax(mask))
