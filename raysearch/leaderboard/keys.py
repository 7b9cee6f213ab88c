"""Which rows of a table belong together.

Grouping is done with numpy on dictionary codes. Arrow's own `Table.group_by` would do, but it
imports the query engine, which takes 0.4 s: as long as the whole leaderboard may take to open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["column_values", "group_rows"]

Codes = npt.NDArray[np.int64]


def group_rows(table: pa.Table, names: Sequence[str]) -> tuple[Codes, int]:
    """Number the distinct combinations of some columns.

    Args:
        table: Any table of N rows that has the columns.
        names: Columns of the combination; null is a value like any other.

    Returns:
        The group of every row, (N,) int64 in [0, G), and G. Groups are numbered in an order
        that sorts by the columns' first appearances, not by value.
    """
    codes = np.zeros(table.num_rows, dtype=np.int64)
    count = 1
    for name in names:
        part, size = _codes(table.column(name))
        # Renumbering after every column keeps the product of the sizes far below 2**63.
        distinct, codes = np.unique(codes * size + part, return_inverse=True)
        count = len(distinct)
    return codes, count if table.num_rows else 0


def column_values(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """A numeric column as doubles, (N,); null becomes NaN."""
    array = table.column(name).combine_chunks()
    return np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _codes(column: Any) -> tuple[Codes, int]:
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, max(len(encoded.dictionary), 1)
