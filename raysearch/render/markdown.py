"""How is a table written in Markdown?"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["table"]


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
    plain = text.replace("\n", " ").replace("\\", "\\\\").replace("|", "\\|")
    return plain.replace("<", "&lt;")
