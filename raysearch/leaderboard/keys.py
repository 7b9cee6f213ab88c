"""Groups, picks and summarizes the rows of a table.

Grouping uses numpy on dictionary codes. Arrow's own `Table.group_by` would do, but imports the
query engine, which takes 0.4 s: as long as opening the whole leaderboard may take. For the same
reason columns and indices are passed between Arrow and numpy as buffers: `pa.array` and `to_numpy`
import pandas wherever it is installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = [
    "Codes",
    "Floats",
    "Summary",
    "column_values",
    "distinct",
    "encoder_name",
    "group_rows",
    "made_by",
    "numbers_of",
    "rows_at",
    "rows_with",
    "summarize",
]

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def group_rows(table: pa.Table, names: Sequence[str]) -> tuple[Codes, int]:
    """Number the distinct combinations of some columns.

    Args:
        table: Any table of N rows that has the columns.
        names: Columns of the combination; null is a value like any other.

    Returns:
        The group of every row, (N,) int64 in [0, G), and G. The numbering sorts by the columns'
        first appearances, not by value.
    """
    codes = np.zeros(table.num_rows, dtype=np.int64)
    count = 1
    for name in names:
        part, size = _codes(table.column(name))
        # Renumbering after every column keeps the product of the sizes far below 2**63.
        distinct, codes = np.unique(codes * size + part, return_inverse=True)
        count = len(distinct)
    return codes, count if table.num_rows else 0


def column_values(table: pa.Table, name: str) -> Floats:
    """A numeric column of a table as doubles, (N,); null becomes NaN."""
    return numbers_of(table.column(name))


def numbers_of(column: Any) -> Floats:
    """A numeric column as doubles, (N,); null becomes NaN, an int beyond 2**53 is rounded."""
    array = column.cast(pa.float64(), safe=False).combine_chunks()
    if len(array) == 0:
        return np.empty(0)
    bare = pa.Array.from_buffers(
        pa.float64(), len(array), [None, array.buffers()[1]], offset=array.offset
    )
    values: Floats = np.from_dlpack(bare).astype(np.float64, copy=False)
    if array.null_count == 0:
        return values
    return np.where(np.from_dlpack(array.is_valid().cast(pa.int8())) == 1, values, np.nan)


def distinct(table: pa.Table, name: str) -> tuple[Any, ...]:
    """The values of a column, each once, in order of first appearance."""
    return tuple(dict.fromkeys(table.column(name).to_pylist()))


def rows_at(table: pa.Table, index: Codes) -> pa.Table:
    """The rows of these numbers, in this order."""
    buffer = pa.py_buffer(np.ascontiguousarray(index, dtype=np.int64))
    return table.take(pa.Array.from_buffers(pa.int64(), len(index), [None, buffer]))


def rows_with(table: pa.Table, name: str, value: Any) -> pa.Table:
    """The rows whose column has this value."""
    same = [found == value for found in table.column(name).to_pylist()]
    return rows_at(table, np.flatnonzero(np.array(same, dtype=bool)))


def _codes(column: Any) -> tuple[Codes, int]:
    if len(column) == 0:
        return np.empty(0, dtype=np.int64), 1
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return np.from_dlpack(encoded.indices).astype(np.int64), max(len(encoded.dictionary), 1)


PEAK = "provenance/gpu_peak_bytes"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The origin of a table's numbers.

    Attributes:
        sweeps: Names.
        methods: Names.
        tasks: Corpora or language pairs.
        encoders: Names, with the number of layers where it is not all.
        configurations: Trial numbers, each once.
        rows: Trials and cells.
        seconds: Sum over all rows.
        gpu_peak: Most bytes of GPU memory that one row's trial took; None where no row says.
    """

    sweeps: tuple[str, ...]
    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    encoders: tuple[str, ...]
    configurations: int
    rows: int
    seconds: float
    gpu_peak: int | None = None


def encoder_name(config: Mapping[str, Any]) -> str:
    """The encoder of a configuration, with the number of layers if not all are used."""
    name, layers = config.get("encoder"), config.get("layers")
    if not layers:
        return str(name)
    return f"{name} (first {'layer' if layers == 1 else f'{layers} layers'})"


def made_by(provenance: Mapping[str, str], prefix: str = "") -> str:
    """The source of a row: a commit, else a version with the digest of its files.

    Args:
        provenance: The row's.
        prefix: Prefix of the entries' names: ``read_`` for the process that read its test data.
    """
    commit, version, package = (
        provenance.get(prefix + name, "") for name in ("commit", "raysearch", "package")
    )
    if commit:
        changed = provenance.get(f"{prefix}dirty") == "true"
        return f"commit {commit[:10]}" + ("-dirty" if changed else "")
    if version:
        return f"raysearch {version}" + (f" (files {package[:10]})" if package else "")
    return "a version that is not recorded"


def summarize(table: pa.Table) -> Summary:
    """The origin of the rows; every list in order of first appearance."""
    return Summary(
        sweeps=distinct(table, "sweep"),
        methods=distinct(table, "method"),
        tasks=distinct(table, "task"),
        encoders=_encoders(table),
        configurations=group_rows(table, ("sweep", "trial"))[1],
        rows=table.num_rows,
        seconds=float(np.nansum(column_values(table, "seconds"))) if table.num_rows else 0.0,
        gpu_peak=_gpu_peak(table),
    )


def _gpu_peak(table: pa.Table) -> int | None:
    if PEAK not in table.column_names:
        return None
    texts = (text or "" for text in table.column(PEAK).to_pylist())
    return max(
        (int(t) for t in texts if t.isascii() and t.isdecimal() and len(t) < 16), default=None
    )


def _encoders(table: pa.Table) -> tuple[str, ...]:
    if "config/encoder" not in table.column_names:
        return ()
    names = table.column("config/encoder").to_pylist()
    layers = (
        table.column("config/layers").to_pylist()
        if "config/layers" in table.column_names
        else [0] * len(names)
    )
    pairs = dict.fromkeys(zip(names, layers, strict=True))
    return tuple(encoder_name({"encoder": name, "layers": kept}) for name, kept in pairs)
