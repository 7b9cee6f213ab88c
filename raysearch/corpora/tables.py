"""How is a CSV file read so that each row knows its line and every fault is reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from raysearch.corpora.source import Source
from raysearch.errors import DataError

__all__ = ["read_csv"]


def read_csv(
    source: Source, path: str, columns: Sequence[str]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The named columns of every row, in their order.

    Args:
        source: Where the file lies; rows of a wrong length become problems of it.
        path: File, relative to the data folder.
        columns: Names that the header must hold, in any order; others are skipped.

    Yields:
        The number of the row's last line in the file, and its values.

    Raises:
        DataError: The file cannot be read, lacks a column, or has a header and no rows.
    """
    # utf-8-sig: a spreadsheet may have put a byte order mark before the first column's name.
    lines = io.StringIO(source.text(path, "utf-8-sig"), newline="")
    reader = csv.reader(lines, strict=True)
    count = 0
    try:
        header = next(reader)
        places = _places(source, path, header, columns)
        for row in reader:
            count += 1
            if len(row) != len(header):
                rule = f"a row must have {len(header)} columns"
                source.problem(path, reader.line_num, rule, str(len(row)))
                continue
            yield reader.line_num, tuple(row[place] for place in places)
    except csv.Error as error:
        source.problem(path, reader.line_num, "the row must be valid CSV", str(error))
        source.finish()
    if not count:
        raise DataError(
            f"`{path}` must hold rows, but {source.folder / path} has a header only; "
            f"{source.cure()}"
        )


def _places(source: Source, path: str, header: list[str], columns: Sequence[str]) -> list[int]:
    lacking = [name for name in columns if name not in header]
    if lacking:
        raise DataError(
            f"`{path}` must have the columns {', '.join(columns)}, but {', '.join(lacking)} "
            f"lack in the header {','.join(header)} ({source.folder / path}:1); {source.cure()}"
        )
    return [header.index(name) for name in columns]
