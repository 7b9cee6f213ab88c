"""How is a study in a file named by a URL, whatever signs the file's path has?"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL

from raysearch.errors import StoreError

__all__ = ["check_file_url", "file_url"]


def file_url(path: Path) -> str:
    """The URL of a study in a file; signs that end a path in a URL, such as ``?``, are quoted."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def check_file_url(url: str) -> None:
    """Refuse a URL of SQLite whose path ends before its file's name does.

    Raises:
        StoreError: It has options, of which none is known.
    """
    path, mark, _ = url.partition("?")
    if mark:
        raise StoreError(
            f"`--study` must name a file of SQLite without options, but {path} is followed by "
            "a question mark; write one that is part of a name as %3F"
        )
