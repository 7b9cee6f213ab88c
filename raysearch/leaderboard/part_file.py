"""A table as the bytes of one Parquet file, verified on reading.

Pages have the format's checksums, which any reader can check. The rest (the footer with its names,
types, sizes and offsets) is covered by the file's own digest: ``raysearch.digest`` in the footer
is SHA-256 of the whole file with zeros in the digest's place. Files of older versions have
neither and are read unverified.

The size of a file from elsewhere is checked before it is decoded: a few kilobytes can expand to
billions of rows, or to one long text in each of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raysearch.leaderboard.row_check import (
    LONGEST_TEXT,
    schema_faults,
    text_lengths,
)
from raysearch.leaderboard.schema import FILE_METADATA, check_version
from raysearch.seal import MARK

__all__ = ["MOST_BYTES", "DamagedError", "decode", "decode_any", "encode", "refuse"]

MOST_BYTES = 2**30
"""Limit on a file and on its uncompressed pages: 100,000 rows with curves take some 100 MB."""
_MOST_COLUMNS = 4096
_ROWS, _CELLS = 100_000, 20_000_000
"""Rows and values allowed in any file; more need a proportional file size. A row of a sweep takes
eight bytes for its seconds alone, and as many for each metric."""
_TEXT_BYTES = 2**28
"""Limit on a column that is decoded directly; one that may be larger is measured first."""
_SHOWN = 5
"""Faults of one file that are reported."""

_KEY, _MARK = b"raysearch.digest", MARK.encode()
_DIGEST = re.compile(_KEY + rb"..?.?" + _MARK + rb"([0-9a-f]{64})", re.DOTALL)
_BLANK = b"0" * 64


class DamagedError(ValueError):
    """The bytes are not a file of rows, or not as written; the message is a clause."""


def encode(
    table: pa.Table, *, metadata: Mapping[bytes, bytes] = FILE_METADATA, **options: Any
) -> memoryview:
    """The bytes of a file, with its digest.

    Args:
        table: Rows of *trials* or *curves*, or any other table.
        metadata: Further entries of the footer.
        options: Options of pyarrow's writer, such as ``compression``.
    """
    sink = pa.BufferOutputStream()
    # Without the copy of Arrow's own schema a one-row part is a third smaller.
    with pq.ParquetWriter(
        sink, table.schema, store_schema=False, write_page_checksum=True, **options
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({**metadata, _KEY: _MARK + _BLANK})
    data = bytearray(memoryview(sink.getvalue()))
    start = data.rindex(_MARK) + len(_MARK)
    data[start : start + len(_BLANK)] = hashlib.sha256(data).hexdigest().encode()
    return memoryview(data)


def decode(
    data: bytes, base: pa.Schema, columns: Sequence[str] | None, *, where: str, threads: bool
) -> pa.Table:
    """The rows of an intact file that has the columns of its table.

    Args:
        data: The whole file.
        base: The fixed columns, `TRIAL_COLUMNS` or `CURVE_COLUMNS`.
        columns: The columns to read; None for all.
        where: The file, for messages.
        threads: Whether to decode several columns at once.

    Raises:
        DamagedError: The file is damaged or too large, or has other columns.
        StoreError: It has a newer schema, or is not a file of raysearch.
    """
    _check_digest(data)
    with _saying():
        source = pa.BufferReader(data)
        file = pq.ParquetFile(source, page_checksum_verification=True)
        check_version(file.metadata.metadata, where)
        _check_size(file.metadata, len(data))
        refuse(schema_faults(file.schema_arrow, base, tuple(columns) if columns else None))
        return _read(file, data, columns, threads)


def decode_any(data: bytes) -> pa.Table:
    """A table that is not a leaderboard's, as written by `encode`.

    Raises:
        DamagedError: The file is damaged or too large.
    """
    _check_digest(data)
    with _saying():
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        _check_size(file.metadata, len(data))
        return _read(file, data, None, threads=False)


def refuse(faults: Sequence[str]) -> None:
    """Raise `DamagedError` with the first of these clauses, if there are any."""
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise DamagedError("; ".join(faults[:_SHOWN]) + more)


@contextmanager
def _saying() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DamagedError((str(error).splitlines() or ["?"])[0].split(" Detail:")[0]) from error


def _check_digest(data: bytes) -> None:
    """Check the digest; a flipped bit may hit its name or its prefix, never both."""
    begin = max(data.rfind(_KEY), 0)
    found = _DIGEST.match(data, begin)
    if found is None:
        if begin or _MARK in data:
            raise DamagedError("its digest is damaged")
        return
    digest = hashlib.sha256(data[: found.start(1)])
    digest.update(_BLANK)
    digest.update(data[found.end(1) :])
    if digest.hexdigest().encode() != found[1]:
        raise DamagedError("it is not as it was written: its digest is another")


def _check_size(metadata: Any, size: int) -> None:
    rows, columns = metadata.num_rows, metadata.num_columns
    unpacked = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    for what, count, most in (
        ("columns", columns, _MOST_COLUMNS),
        ("rows", rows, _ROWS + size // 2),
        ("values", rows * columns, _CELLS + size),
        ("unpacked bytes", unpacked, MOST_BYTES),
    ):
        if not 0 <= count <= most:
            raise DamagedError(f"it says that it has {count} {what} in {size} bytes")


def _read(file: Any, data: bytes, columns: Sequence[str] | None, threads: bool) -> pa.Table:
    """Decode; a text column that may be large is measured by its distinct values first."""
    wide = _wide(file.metadata)
    if not wide:
        return file.read(columns, use_threads=threads)
    file = pq.ParquetFile(
        pa.BufferReader(data), read_dictionary=wide, page_checksum_verification=True
    )
    table = file.read(columns, use_threads=threads)
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = pa.chunked_array(
                [_decoded(field.name, chunk) for chunk in table.column(index).chunks], pa.string()
            )
            table = table.set_column(index, pa.field(field.name, pa.string()), plain)
    return table


def _wide(metadata: Any) -> list[str]:
    """Text columns that could fill memory by one page of long texts."""
    found: dict[str, None] = {}
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group)
        for index in range(metadata.num_columns):
            chunk = rows.column(index)
            big = rows.num_rows * chunk.total_uncompressed_size > _TEXT_BYTES
            if big and chunk.physical_type == "BYTE_ARRAY":
                found[chunk.path_in_schema] = None
    return list(found)


def _decoded(name: str, chunk: Any) -> Any:
    lengths = text_lengths(chunk.dictionary).astype(np.int64)
    counts = np.bincount(np.from_dlpack(chunk.indices.drop_null()), minlength=len(lengths))
    longest, total = lengths.max(initial=0), int(counts @ lengths)
    if longest > LONGEST_TEXT or total > MOST_BYTES:
        raise DamagedError(
            f"column {name!r} has texts of up to {longest} bytes, {total} in all rows"
        )
    return chunk.dictionary_decode()
