"""How is a place named, and what lies below it: a folder's path, or a URI with its query.

A query stays at the end (``s3://bucket/sweeps?region=eu-1`` and ``leases`` make
``s3://bucket/sweeps/leases?region=eu-1``), and what the user sees of a URI has no credentials.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from urllib.parse import quote, unquote

from raysearch.errors import ConfigError
from raysearch.names import is_text
from raysearch.storage.secret_parts import shown_url

__all__ = ["absolute", "parent", "expanded", "is_uri", "join", "last_name", "redacted"]

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^?]*)(\?.*)?", re.DOTALL)


def is_uri(place: str | Path) -> bool:
    """Whether the place is named by a URI, not by a path."""
    return _URI.fullmatch(str(place)) is not None


def join(place: str | Path, *names: str) -> str:
    """The place below another, its names one after the other."""
    text = str(place)
    found = _URI.fullmatch(text)
    if found is None:
        return str(Path(text, *names))
    scheme, path, query = found.groups(default="")
    return scheme + "/".join([path.rstrip("/"), *(quote(name) for name in names)]) + query


def parent(place: str | Path, levels: int = 1) -> str:
    """The place that holds this one, or holds what holds it, and so on."""
    found = _URI.fullmatch(str(place))
    if found is None:
        return str(Path(place).parents[levels - 1])
    scheme, path, query = found.groups(default="")
    path = path.rstrip("/")
    for _ in range(levels):
        path = posixpath.dirname(path)
    return scheme + path + query


def last_name(place: str | Path) -> str:
    """The place's own name, within what holds it."""
    found = _URI.fullmatch(str(place))
    return Path(place).name if found is None else unquote(posixpath.basename(found[2].rstrip("/")))


def absolute(place: str | Path) -> str:
    """A folder by its full path, since workers start elsewhere; a URI or nothing as it is.

    Raises:
        ConfigError: The folder that this process is in has a name that is no text.
    """
    text = str(place)
    if not text or is_uri(text):
        return text
    full = str(Path(text).absolute())
    if not is_text(full):
        raise ConfigError(
            f"folders must have names of UTF-8 text, but got {full!r}; "
            "rename it, or start elsewhere"
        )
    return full


def expanded(path: str | Path) -> Path:
    """The path with the home folder for ``~``; ``~who/x`` as it is written if nobody is who."""
    return Path(os.path.expanduser(path))


def redacted(place: str | Path) -> str:
    """The place as a message or a row may name it: without credentials."""
    return shown_url(str(place))
