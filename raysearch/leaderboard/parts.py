"""How is one table kept as Parquet files that can be read at any moment.

A folder of one table holds, in the order of their names:

- ``columns.parquet``: no rows, every column with its widest type. pandas and pyarrow take the
  columns of the first file for those of all, so without it a metric that the first trial does
  not have would be missing from every trial.
- ``merged-N.parquet``: the rows of earlier parts, at most one file but for moments.
- ``part-ID.parquet``: one per write. A file is written once or replaced by its equal, and
  never grows: DuckDB opens a file twice and would read the new bytes by the old footer.

Every file appears whole, by renaming a hidden temporary one. Merging lets the new file appear
before the old ones go, so no row is missing at any moment; a row that is there twice, after a
crash or for the milliseconds in between, is counted once by `Parts.read`, which takes the file
whose name sorts last. A foreign reader may meet these milliseconds once in 32 trials: it then
sees rows twice or misses a file it had listed (an error); reading again is the cure.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from raysearch.errors import StoreError
from raysearch.leaderboard.keys import group_rows, rows_at
from raysearch.leaderboard.schema import (
    FILE_METADATA,
    KEY,
    check_version,
    conform,
    empty_table,
    unify,
)

__all__ = ["Contents", "Parts"]

_COLUMNS = "columns.parquet"
_ATTEMPTS = 50
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Contents:
    """What a folder gave.

    Attributes:
        table: Every row that could be read, each key once.
        problems: One sentence per file that could not be read.
    """

    table: pa.Table
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _File:
    """One file: its name, and its rows or why there are none."""

    name: str
    table: pa.Table | None = None
    problem: str = ""


class Parts:
    """The files of one table in one folder; one writing process, any number of readers.

    Args:
        filesystem: Where the folder is; only a local one can be written.
        path: The folder in it; need not exist.
        schema: Columns that every file has.
    """

    def __init__(self, filesystem: pa.fs.FileSystem, path: str, schema: pa.Schema) -> None:
        self.path = path
        self._filesystem = filesystem
        self._schema = schema
        self._known: pa.Schema | None = None

    def names(self, prefix: str = "") -> list[str]:
        """Names of the present files that begin so, in order; none when there is no folder.

        Raises:
            StoreError: The folder cannot be listed.
        """
        selector = pa.fs.FileSelector(self.path, allow_not_found=True)
        try:
            found = self._filesystem.get_file_info(selector)
        except OSError as error:
            raise StoreError(f"`{self.path}` must be a readable folder, but: {error}") from error
        return sorted(
            info.base_name
            for info in found
            if info.base_name.startswith(prefix) and info.base_name.endswith(".parquet")
        )

    def read(self) -> Contents:
        """Every row once: where a key is in several files, the rows of the last one by name.

        Raises:
            StoreError: The folder cannot be listed, or a file is of a newer schema.
        """
        for _ in range(_ATTEMPTS):
            names = self.names()
            files = [self._load(name) for name in names]
            # A merge that ran meanwhile left a new name behind or took a file that was listed.
            if _merged(names) == _merged(self.names()) and None not in files:
                return _join([file for file in files if file is not None], self._schema)
        raise StoreError(f"`{self.path}` kept changing while it was read; try again")

    def write(self, part: str, table: pa.Table) -> None:
        """Let ``part-PART.parquet`` appear; a former one of the same name is replaced.

        Raises:
            StoreError: The disk is full or read-only; nothing half-written is left.
        """
        path = self._local(f"part-{part}.parquet")
        schema = unify([self._known_schema(), table.schema])
        own = unify([pa.schema([schema.field(name) for name in table.column_names])])
        data = _bytes(
            conform(table, own), compression="none", use_dictionary=False, write_statistics=False
        )
        if schema != self._known:
            _replace(self._local(_COLUMNS), _bytes(empty_table(schema)))
            self._known = schema
        _replace(path, data)

    def merge(self) -> bool:
        """Put the rows of all readable files into one new file, then remove those files.

        Files that cannot be read stay as they are.

        Returns:
            Whether there was no such file.

        Raises:
            StoreError: The disk is full or read-only; every row is still there.
        """
        files = [file for name in self.names() if (file := self._load(name)) is not None]
        read = [file for file in files if file.table is not None and file.name != _COLUMNS]
        if len(read) > 1:
            table = _join(files, self._schema).table
            number = 1 + max((int(name[7:-8]) for name in _merged(self.names())), default=0)
            _replace(self._local(f"merged-{number:06d}.parquet"), _bytes(table, compression="zstd"))
            with _saying(self.path):
                for file in read:  # hiding is quicker than removing, so fewer see rows twice
                    path = self._local(file.name)
                    path.rename(path.with_name(f".{path.name}.tmp"))
                _keep_names(self.path)
        for hidden in Path(self.path).glob(".*.tmp"):  # these, and what a killed writer left
            hidden.unlink(missing_ok=True)
        return not any(file.problem for file in files)

    def rows(self, prefix: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Some columns of the files whose names begin so; one that cannot be read gives none."""
        rows: list[tuple[Any, ...]] = []
        for name in self.names(prefix):
            file = self._load(name, columns)
            if file is not None and file.table is not None:
                rows += zip(*(file.table.column(c).to_pylist() for c in columns), strict=True)
        return rows

    def _load(self, name: str, columns: Sequence[str] | None = None) -> _File | None:
        """The file, or None when it is no longer there."""
        where = f"{self.path}/{name}"
        try:
            with self._filesystem.open_input_file(where) as source:
                file = pq.ParquetFile(source)
                stamp = file.metadata.metadata
                table = file.read(columns, use_threads=name.startswith("merged-"))
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0].split(" Detail:")[0]
            return _File(
                name,
                problem=f"`{where}` must be a Parquet file, but cannot be read ({reason}); move "
                "it away and run its sweep again, which writes its trials anew from the study",
            )
        check_version(stamp, where)
        return _File(name, table)

    def _known_schema(self) -> pa.Schema:
        if self._known is None:
            file = self._load(_COLUMNS)
            known = self.read().table if file is None or file.table is None else file.table
            self._known = unify([self._schema, known.schema])
        return self._known

    def _local(self, name: str) -> Path:
        if not isinstance(self._filesystem, pa.fs.LocalFileSystem):
            raise StoreError(f"`{self.path}` must be a local folder to be written")
        return Path(self.path) / name


def _merged(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("merged-")]


def _join(files: list[_File], base: pa.Schema) -> Contents:
    """One table of the files' rows; the files come in order of their names."""
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


def _bytes(table: pa.Table, **options: Any) -> memoryview:
    sink = pa.BufferOutputStream()
    # Without the copy of Arrow's own schema a one-row part is a third smaller.
    with pq.ParquetWriter(sink, table.schema, store_schema=False, **options) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(FILE_METADATA)
    return memoryview(sink.getvalue())


def _replace(path: Path, data: memoryview) -> None:
    """Let a file appear under its name, whole even after a power cut.

    The name itself may then be lost, and with it a row that the study still has.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with _saying(str(path)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def _keep_names(folder: str) -> None:
    """Let the names in a folder survive a power cut, before hidden files are removed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _saying(path: str) -> Iterator[None]:
    """Turn the system's error into a sentence that says what to do."""
    try:
        yield
    except OSError as error:
        what = (
            "the disk is full; free some space"
            if error.errno in _FULL
            else f"that failed ({error.strerror}); make the folder writable"
        )
        raise StoreError(
            f"`{path}` must be written, but {what} and run the same command again: the study "
            "keeps every finished trial"
        ) from error
