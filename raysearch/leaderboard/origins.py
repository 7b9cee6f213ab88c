"""Checks whether rows that are ranked together have the same sources and versions.

Two states of one file, encoder or method are a fault: the numbers measure different things. Two
versions of a library or of the code are a remark: they may round differently. Sources that a
row does not record, as in older ones, are ignored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raysearch.leaderboard.keys import group_rows, rows_at
from raysearch.sources import SOURCES, VERSIONS, numbers_text, short, sources_of, versions_of

__all__ = ["Origins", "origins"]

Values = dict[str, dict[str, set[int]]]
_NEEDED = (SOURCES, "dev_digest", "data_digest", "corpora", *VERSIONS)


@dataclass(frozen=True)
class Origins:
    """Differences in the sources of rows.

    Attributes:
        faults: A sentence for every file, encoder or method with several states.
        remarks: A sentence for every version that differs.
    """

    faults: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them, the faults first."""
        return self.faults + self.remarks


def origins(table: pa.Table) -> Origins:
    """Compare the sources of the rows of one sweep.

    Args:
        table: Rows of *trials*.
    """
    files, data, versions = (_empty() for _ in range(3))
    for task, provenance, numbers in _kinds(table):
        for name, value in sources_of(provenance).items():
            files[name][value] |= numbers
        for name, value in _data(task, provenance).items():
            data[name][value] |= numbers
        for name, value in versions_of(provenance).items():
            versions[name][value] |= numbers
    faults = _sentences(files) or _sentences(data)
    said = [f"{name} {_values(values)}" for name, values in versions.items() if len(values) > 1]
    remark = f"rows were made by several versions: {'; '.join(said)}; they may round differently"
    return Origins(faults, (remark,) if said else ())


def _empty() -> Values:
    return defaultdict(lambda: defaultdict(set))


def _kinds(table: pa.Table) -> list[tuple[str, dict[str, str], set[int]]]:
    """Groups of rows with the same sources: task, relevant provenance, trial numbers."""
    prefix = "provenance/"
    known = [name for name in _NEEDED if prefix + name in table.column_names]
    names = ["task", *(prefix + name for name in known)]
    if not table.num_rows:
        return []
    kind, count = group_rows(table, names)
    numbers: list[set[int]] = [set() for _ in range(count)]
    for code, number in zip(kind.tolist(), table.column("trial").to_pylist(), strict=True):
        numbers[code].add(number)
    firsts = rows_at(table, np.unique(kind, return_index=True)[1])
    columns = [firsts.column(name).to_pylist() for name in names]
    return [
        (task, {n: v for n, v in zip(known, values, strict=True) if v}, of_kind)
        for task, *values, of_kind in zip(*columns, numbers, strict=True)
    ]


def _data(task: str, provenance: Mapping[str, str]) -> dict[str, str]:
    """Digests of the data of rows without file names, in which comparable rows must agree.

    A method that reads other data depending on its settings has digests of its own for that; its
    development data is the same for all trials of a task.
    """
    name = "dev_digest" if provenance.get("dev_digest") else "data_digest"
    value, corpora = provenance.get(name), provenance.get("corpora")
    kind = "development data" if name == "dev_digest" else "data"
    return {f"the {kind} of {corpora}, {task},": value} if value and corpora else {}


def _sentences(found: Values) -> tuple[str, ...]:
    return tuple(
        f"rows of different things are ranked together: {name} has {_values(values)}; their "
        "numbers cannot be compared"
        for name, values in found.items()
        if len(values) > 1
    )


def _values(values: Mapping[str, set[int]]) -> str:
    ordered = sorted(values.items(), key=lambda item: min(item[1]))
    parts = [f"{short(value)} ({numbers_text(numbers)})" for value, numbers in ordered]
    return " and ".join(parts)
