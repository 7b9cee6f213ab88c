"""How is text put into Markdown so that it stays text, and how is a table written?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from raysearch.printable import printable

__all__ = ["code", "prose", "table"]


_TAG = re.compile(r"<(?=[A-Za-z/!?])")
"""Where HTML would begin, or a link in angle brackets."""


def prose(text: str) -> str:
    """Text on one line in which neither HTML nor a link or an image begins."""
    return _TAG.sub("&lt;", _line_of(text)).replace("](", r"]\(").replace("]:", r"]\:")


def code(text: str) -> str:
    """Text as code within a line, whatever ticks it has."""
    plain = _line_of(text)
    ticks = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    pad = " " if "`" in plain else ""
    return f"{ticks}{pad}{plain}{pad}{ticks}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 10**6) -> list[str]:
    """The lines of a table; what would end a cell or begin a tag is escaped.

    Args:
        heads: Heads of the columns.
        rows: Cells, as many a row as there are heads.
        left: How many columns hold words; those after them are flush right.
    """
    rule = ["---" if index < left else "---:" for index in range(len(heads))]
    return [_line(heads), f"|{'|'.join(rule)}|", *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    plain = _line_of(text).replace("\\", "\\\\").replace("|", "\\|")
    return plain.replace("<", "&lt;").replace("](", r"]\(")


def _line_of(text: str) -> str:
    return printable(text.replace("\n", " "), lines=False)
