"""A table kept as Parquet files that can be read at any moment.

A folder of one table, on a disk or in an object store, holds, in the order of their names:

- ``columns.parquet``: no rows, every column with its widest type. pandas and pyarrow take the
  schema from the first file, so without it a metric that the first trial lacks would be missing
  from every trial.
- ``merged-N-TOKEN.parquet``: the rows of earlier parts, usually one file. The token lets two
  drivers, one of which was taken for dead, write under names of their own.
- ``part-ID.parquet``: one per write. A file is written once or replaced by its equal, and
  never grows: DuckDB opens a file twice and would read the new bytes by the old footer.

Every file appears whole (`raysearch.storage`). Merging needs neither renaming nor a lock, which
object stores lack: the new file is durable before the first old one is removed, and an interrupted
merge is done again. So no row is missing at any moment; a row that exists twice, after a crash or
during a merge, is counted once by `Parts.read`, which prefers the file whose name sorts last. A
foreign reader may hit a merge once in 32 trials: it then sees rows twice or misses a file it had
listed (an error); reading again helps.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from raysearch.errors import StoreError
from raysearch.leaderboard.keys import group_rows, rows_at
from raysearch.leaderboard.part_file import MOST_BYTES, DamagedError, decode, encode, refuse
from raysearch.leaderboard.row_check import key_faults, value_faults
from raysearch.leaderboard.schema import KEY, conform, empty_table, unify
from raysearch.storage import Storage, UnansweredError
from raysearch.storage.uri import join
from raysearch.storage.whole import is_full

__all__ = ["CURE", "Contents", "Parts"]

CURE = (
    "move it away and run the same command again, which writes its rows anew: `sweep` from the "
    "study, `train` by training"
)
_COLUMNS = "columns.parquet"
_ROWS = re.compile(r"(?:merged-(\d{6,})-[0-9a-f]+|part-.+)\.parquet")
"""Names of the row files written by this module."""
_ATTEMPTS = 50
_AT_ONCE = 16
"""Files that are read or removed concurrently: an object store answers each in 20 to 50 ms."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Contents:
    """The readable content of a folder.

    Attributes:
        table: Every row that could be read, each key once.
        problems: One sentence per file that could not be read.
    """

    table: pa.Table
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _File:
    """One file: its name, and its rows or why they cannot be read."""

    name: str
    table: pa.Table | None = None
    problem: str = ""


class Parts:
    """The files of one table in one folder; one writing process, any number of readers.

    Args:
        storage: The store that has the folder.
        folder: Its name there; need not exist.
        schema: Columns that every file has.
        cure: Advice on a damaged file, to follow "; ".
    """

    def __init__(self, storage: Storage, folder: str, schema: pa.Schema, cure: str = CURE) -> None:
        self.path = join(storage.uri, folder)
        self._storage, self._folder = storage, folder
        self._schema, self._cure = schema, cure
        self._known: pa.Schema | None = None

    def names(self, prefix: str = "") -> list[str]:
        """Names of the existing files with this prefix, in order; empty without a folder.

        Files that somebody else put there, such as a backup, come first: ours override them.

        Raises:
            StoreError: The folder cannot be listed.
        """
        try:
            found = self._storage.files(self._folder)
        except UnansweredError as error:
            raise StoreError(str(error)) from error
        except OSError as error:
            raise StoreError(
                f"`{self.path}` must be a readable folder, but: {_first_line(error)}"
            ) from error
        names = (file.name.rpartition("/")[2] for file in found)
        own = (name for name in names if name.startswith(prefix) and name.endswith(".parquet"))
        return sorted(own, key=lambda name: (_ROWS.fullmatch(name) is not None, name))

    def read(self) -> Contents:
        """Every row once; of a key in several files, the rows of the last file by name.

        Raises:
            StoreError: The folder cannot be listed, or a file has a newer schema.
        """
        for _ in range(_ATTEMPTS):
            names = self.names()
            files = self._files(names)
            # A concurrent merge added a new name or removed a file that was listed.
            if _merged(names) == _merged(self.names()) and None not in files:
                return _join([file for file in files if file is not None], self._schema)
        raise StoreError(f"`{self.path}` kept changing while it was read; try again")

    def files(self) -> list[tuple[str, pa.Table]]:
        """Name and rows of every readable file, including rows that another file replaces.

        Raises:
            StoreError: As `read`.
        """
        found = self._files(self.names())
        return [(file.name, file.table) for file in found if file and file.table is not None]

    def write(self, part: str, table: pa.Table) -> None:
        """Write ``part-PART.parquet``; replaces one of the same name.

        Raises:
            StoreError: The disk is full or read-only; nothing half-written is left.
        """
        schema = unify([self._known_schema(), table.schema])
        own = unify([pa.schema([schema.field(name) for name in table.column_names])])
        data = encode(
            conform(table, own), compression="none", use_dictionary=False, write_statistics=False
        )
        if schema != self._known:
            self._put(_COLUMNS, encode(empty_table(schema)))
            self._known = schema
        self._put(f"part-{part}.parquet", data)

    def merge(self) -> bool:
        """Put the rows of all readable files into one new file, then remove those files.

        Files that cannot be read, or that somebody else put there, are kept.

        Returns:
            Whether all files could be read.

        Raises:
            StoreError: The disk is full or read-only; every row is still there.
        """
        names = self.names()
        files = [file for file in self._files(names) if file is not None]
        read = [
            file.name for file in files if file.table is not None and _ROWS.fullmatch(file.name)
        ]
        if len(read) > 1:
            table = _join(files, self._schema).table
            merges = [found[1] for found in map(_ROWS.fullmatch, names) if found and found[1]]
            number = 1 + max(map(int, merges), default=0)
            name = f"merged-{number:06d}-{secrets.token_hex(4)}.parquet"
            self._put(name, encode(table, compression="zstd"))
            with _saying(self.path):  # only once the new file is durable
                _side_by_side(self._remove, read)
        return not any(file.problem for file in files)

    def rows(self, prefix: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Some columns of the files with this prefix; unreadable files are skipped."""
        rows: list[tuple[Any, ...]] = []
        for file in self._files(self.names(prefix), columns):
            if file is not None and file.table is not None:
                rows += zip(*(file.table.column(c).to_pylist() for c in columns), strict=True)
        return rows

    def _files(
        self, names: Sequence[str], columns: Sequence[str] | None = None
    ) -> list[_File | None]:
        """The files, with a problem instead of rows that no sweep writes."""
        files = _side_by_side(partial(self._load, columns=columns), names)
        tables = [file.table for file in files if file and file.table]
        wanted = tables if columns is None else [table.select(columns) for table in tables]
        schema = unify(dict.fromkeys(table.schema for table in wanted))
        together = pa.concat_tables(conform(table, schema) for table in wanted) if wanted else None
        # Checked together: a hundred columns of each small file would take as long separately.
        if together is None or not (value_faults(together) or self._doubled(tables)):
            return files
        return [self._looked_at(file) if file and file.table else file for file in files]

    def _doubled(self, tables: Sequence[pa.Table]) -> bool:
        return any(key_faults(table, self._schema) for table in tables)

    def _looked_at(self, file: _File) -> _File:
        try:
            refuse(value_faults(file.table) + key_faults(file.table, self._schema))
        except DamagedError as error:
            return _File(file.name, problem=self._problem(file.name, error))
        return file

    def _problem(self, name: str, error: DamagedError) -> str:
        return (
            f"`{self.path}/{name}` must be a Parquet file of rows as raysearch writes them, but "
            f"{str(error).rstrip('.')}; {self._cure_of(name)}"
        )

    def _load(self, name: str, columns: Sequence[str] | None = None) -> _File | None:
        """The file, or None if it no longer exists."""
        where = f"{self.path}/{name}"
        try:
            with self._storage.open(f"{self._folder}/{name}") as source:
                data = source.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = _first_line(error)
            return _File(name, problem=f"`{where}` must be readable, but: {reason}; try again")
        try:
            if len(data) > MOST_BYTES:
                raise DamagedError(f"it has more than {MOST_BYTES} bytes")
            threads = name.startswith("merged-")
            table = decode(data, self._schema, columns, where=where, threads=threads)
        except DamagedError as error:
            return _File(name, problem=self._problem(name, error))
        return _File(name, table)

    def _cure_of(self, name: str) -> str:
        if name == _COLUMNS:
            return "move it away: it holds no row, and is written anew with the next one"
        return self._cure

    def _known_schema(self) -> pa.Schema:
        if self._known is None:
            file = self._load(_COLUMNS)
            known = self.read().table if file is None or file.table is None else file.table
            schema = unify([self._schema, known.schema])
            if file is None and known.num_rows:  # it was damaged, and moved away
                self._put(_COLUMNS, encode(empty_table(schema)))
            self._known = schema
        return self._known

    def _put(self, name: str, data: memoryview) -> None:
        with _saying(f"{self.path}/{name}"):
            self._storage.write(f"{self._folder}/{name}", [data])

    def _remove(self, name: str) -> None:
        self._storage.remove(f"{self._folder}/{name}")


def _side_by_side(function: Callable[[str], _T], names: Sequence[str]) -> list[_T]:
    if len(names) < 2:
        return [function(name) for name in names]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(function, names))


def _merged(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("merged-")]


def _join(files: list[_File], base: pa.Schema) -> Contents:
    """One table of the files' rows; the files are in order of their names."""
    tables = [(index, file.table) for index, file in enumerate(files) if file.table is not None]
    schema = unify([base, *{table.schema: None for _, table in tables}])
    table = pa.concat_tables([empty_table(schema), *(conform(t, schema) for _, t in tables)])
    origin = np.repeat(
        np.array([index for index, _ in tables], dtype=np.int64),
        np.array([t.num_rows for _, t in tables], dtype=np.int64),
    )
    group, count = group_rows(table, KEY)
    last = np.zeros(count, dtype=np.int64)
    last[group] = origin  # rows come file by file, so the last assignment is the last file
    keep = origin == last[group]
    problems = tuple(file.problem for file in files if file.problem)
    return Contents(table if keep.all() else rows_at(table, np.flatnonzero(keep)), problems)


@contextmanager
def _saying(path: str) -> Iterator[None]:
    """Turn an OSError into a sentence that says what to do."""
    try:
        yield
    except UnansweredError as error:
        raise StoreError(str(error)) from error
    except OSError as error:
        what = (
            "the disk is full; free some space"
            if is_full(error)
            else f"that failed ({error.strerror or _first_line(error)}); make it writable"
        )
        raise StoreError(
            f"`{path}` must be written, but {what}, then run the same command again"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
