"""How does a name from an option, a row, a card or a study become one part of a path?

A sweep's name is chosen by a user and must be fit for a folder as it is: `checked_name`. The name
of a task is whatever a method, a space or a row says, and is made fit: `path_part`. No other
module puts such a name into a path. Codes of languages, which stand in names of files, have one
rule too: `LANGUAGE`, `language_pair`.
"""

from __future__ import annotations

import hashlib
import re

from raysearch.errors import ConfigError

__all__ = ["LANGUAGE", "checked_name", "is_name", "is_text", "language_pair", "path_part"]

LANGUAGE = r"[A-Za-z0-9_]+"
"""Pattern of a language's code: no ``-``, which stands between two: ``pt_BR``."""
_PAIR = re.compile(f"({LANGUAGE})-({LANGUAGE})")

_NAME = re.compile(r"[\w+=@][\w.+=@-]*")
_LONGEST = 128
"""Bytes of a name: what is put around it stays below the 255 that file systems allow."""

_PLAIN = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.-]{0,159}")
_CUT = 120
"""Characters that are left of a text that is not plain, before its digest."""


def is_name(text: object) -> bool:
    """Whether this is the name of a folder: one part of a path, a URI and a job's id.

    It has letters, digits and ``. _ + = @ -``, begins with neither ``.`` nor ``-``, and takes at
    most 128 bytes.
    """
    return (
        isinstance(text, str)
        and _NAME.fullmatch(text) is not None
        and len(text.encode()) <= _LONGEST
    )


def is_text(name: str) -> bool:
    """Whether a name that the system gave is UTF-8: Python puts surrogates for other bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked_name(text: object, what: str) -> str:
    """The text, if it is the name of a folder.

    Args:
        text: What came.
        what: What it is and where it came from, as the message names it: ```--name```.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(text, str) and is_name(text):
        return text
    raise ConfigError(
        f"{what} must be the name of a folder, of letters, digits and . _ + = @ - (neither . nor "
        f"- first, at most {_LONGEST} bytes), but got {text!r}"
    )


def language_pair(text: str) -> tuple[str, str] | None:
    """Source and target of a pair such as ``en-es`` or ``en-pt_BR``; None if it is none."""
    found = _PAIR.fullmatch(text)
    return (found[1], found[2]) if found and found[1] != found[2] else None


def path_part(text: str) -> str:
    """Any text as one part of a path: letters, digits and ``_ + . - ~``, no ``.`` or ``-`` first.

    Different texts have different parts. A plain text, such as ``en-es`` or ``emobank+facebook``,
    stays as it is; what is left of another is followed by ``~`` and a digest of the whole.
    """
    if _PLAIN.fullmatch(text):
        return text
    left = re.sub(r"[^A-Za-z0-9+.-]+|^[.-]+", "_", text)[:_CUT] or "_"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{left}~{digest}"
