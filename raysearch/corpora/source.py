"""Reads files below the data folder and reports all of their problems together.

A `Source` is passed to a loader. It opens files below the data folder, collects problems with
their lines, and raises one `DataError` that names the file, the first lines of each kind of
problem with their count, and what to do.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from raysearch.corpora.registry import CorpusInfo
from raysearch.errors import DataError, MissingDataError
from raysearch.sources import note_read
from raysearch.storage.uri import expanded

__all__ = ["Source", "data_dir", "locate", "read_csv"]

_DATA, _BUNDLED = "data ", "bundled "
"""Prefix of the names of sources that are corpora."""
SHOWN = 3
"""Lines that are quoted for one kind of problem; the rest are counted."""


def data_dir(option: str | os.PathLike[str] | None = None) -> Path:
    """The data folder: the option, else ``RAYSEARCH_DATA``, else a default.

    Args:
        option: Value of ``--data-dir``; None or "" when it was not given.

    Returns:
        If neither option nor variable names a folder, ``../shared/data`` relative to the current
        folder if that exists, else ``~/.cache/raysearch/data``. It may not exist yet.
    """
    named = option or os.environ.get("RAYSEARCH_DATA")
    if named:
        return expanded(os.fspath(named))
    beside = Path("../shared/data")
    return beside if beside.is_dir() else expanded("~/.cache/raysearch/data")


def locate(name: str, folder: Path) -> Path | None:
    """The local path of a corpus file; None for a source that is not a corpus file.

    Args:
        name: From `Source.name_of`.
        folder: The data folder.
    """
    path = name.removeprefix(_DATA)
    return folder / path if path != name else None  # an absolute path is kept


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


class Source:
    """The files of one corpus below a data folder, and the problems found in them.

    Args:
        info: The corpus.
        folder: The data folder.
    """

    def __init__(self, info: CorpusInfo, folder: Path) -> None:
        self.info = info
        self.folder = folder
        # (path, rule) -> (what came, line) in order of appearance
        self._problems: dict[tuple[str, str], list[tuple[str, int]]] = {}

    def text(self, path: str, encoding: str = "utf-8") -> str:
        """The whole text of one file, line ends untouched.

        Raises:
            DataError: The file is missing, unreadable, empty or not in that encoding; or it is
                UTF-8 but would decode to other letters in the given encoding.
        """
        file = self.folder / path
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            raise self.missing(
                f"`{path}` must be in the data folder, but {file} is missing; {self.cure()}"
            ) from None
        except OSError as error:
            raise DataError(
                f"`{path}` must be readable, but {file} gave: {error.strerror}; "
                "mend its type or permissions"
            ) from None
        note_read(self.name_of(path), file, hashlib.sha256(content).hexdigest())
        if not content.strip():
            raise DataError(f"`{path}` must hold rows, but {file} is empty; {self.cure()}")
        foreign = not encoding.startswith("utf-8")
        if foreign and not content.isascii() and _is_utf8(content):
            raise DataError(
                f"`{path}` must be {encoding}, as its collection has it, but {file} is UTF-8, of "
                f"which {encoding} would make other letters; {self.cure()}"
            )
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"`{path}` must be {encoding}, but got byte 0x{content[error.start]:02x} "
                f"({file}:{line}); {self.cure()}"
            ) from None

    def name_of(self, path: str) -> str:
        """A file's name, the same on every node (`raysearch.sources`): see `locate`."""
        if self.info.origin == "folder":
            return f"{_DATA}{self.folder / path}"
        return f"{_BUNDLED if self.info.origin == 'bundled' else _DATA}{path}"

    def lines(self, path: str, encoding: str = "utf-8") -> list[str]:
        r"""The lines of one file, split at ``\n`` only, without a carriage return before it.

        `str.splitlines` would also break at characters such as U+0085 inside a sentence.
        """
        lines = self.text(path, encoding).removesuffix("\n").split("\n")
        return [line.removesuffix("\r") for line in lines]

    def problem(self, path: str, line: int, rule: str, got: str) -> None:
        """Add a problem; reading continues.

        Args:
            path: File, relative to the data folder.
            line: Its line, from 1; for JSON the number of the row.
            rule: "`V` must be …".
            got: The value.
        """
        self._problems.setdefault((path, rule), []).append((got, line))

    def rating(
        self, path: str, line: int, column: str, value: object, limits: tuple[float, float]
    ) -> float:
        """A rating as a number; NaN and a problem if it is invalid or out of range."""
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not limits[0] <= number <= limits[1]:
            rule = f"`{column}` must be a number from {limits[0]:g} to {limits[1]:g}"
            self.problem(path, line, rule, repr(value))
            return math.nan
        return number

    def not_blank(self, path: str, line: int, text: str) -> bool:
        """Whether a text has any token; adds a problem if not."""
        if text.split():
            return True
        self.problem(path, line, "the text must have at least one token", repr(text))
        return False

    def finish(self) -> None:
        """Raise every problem that was added.

        Raises:
            DataError: One line per file and rule, with the first lines and the count.
        """
        if not self._problems:
            return
        problems = []
        for (path, rule), found in self._problems.items():
            shown = ", ".join(f"{got} (line {line})" for got, line in found[:SHOWN])
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            problems.append(f"{self.folder / path}: {rule}, but got {shown}{more}")
        raise DataError("\n".join([*problems, self.cure()]))

    def missing(self, text: str) -> DataError:
        """The error for missing files, which for a known corpus may be had."""
        return (DataError if self.info.origin == "folder" else MissingDataError)(text)

    def cure(self) -> str:
        """What the user can do about a file that is missing or does not match."""
        info = self.info
        if info.origin == "bundled":
            return "the installed package is damaged: install raysearch again"
        if info.origin == "own":
            return (
                f"put your own copy of {info.name} into {self.folder / info.folder} "
                f"({info.licence})"
            )
        if info.origin == "folder":
            return "put it there, or mend it"
        if any(file.sha256 is None for file in info.files):
            return (
                f"put {info.files[0].source} of https://github.com/{info.repository} at commit "
                f"{info.commit} there"
            )
        return (
            f"get the original with `python -m raysearch data fetch {info.name}`, "
            "or name another folder with --data-dir or RAYSEARCH_DATA"
        )


def read_csv(
    source: Source, path: str, columns: Sequence[str]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The named columns of every row, in the given order.

    Args:
        source: The file's source; gets a problem for rows of a wrong length.
        path: File, relative to the data folder.
        columns: Required columns, in any order in the file; others are skipped.

    Yields:
        The number of the row's last line in the file, and its values.

    Raises:
        DataError: The file cannot be read, lacks a column, or has no rows.
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
