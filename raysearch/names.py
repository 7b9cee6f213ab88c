"""Turns names from options, rows, cards and studies into single path components.

A sweep's name is the user's choice and must be a valid folder name itself: `checked_name`. A task's
name can be any text of a method, a space or a row, and is converted: `path_part`. No other module
puts such a name into a path. Language codes, which occur in file names, have one rule too:
`LANGUAGE`, `language_pair`.
"""

from __future__ import annotations

import hashlib
import re

from raysearch.errors import ConfigError

__all__ = ["LANGUAGE", "checked_name", "is_name", "is_text", "language_pair", "path_part"]

LANGUAGE = r"[A-Za-z0-9_]+"
"""Pattern of a language code, such as ``pt_BR``: no ``-``, which separates two of them."""
_PAIR = re.compile(f"({LANGUAGE})-({LANGUAGE})")

_NAME = re.compile(r"[\w+=@][\w.+=@-]*")
_LONGEST = 128
"""Longest name in bytes: with prefixes and suffixes it fits the 255 of file systems."""

_PLAIN = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.-]{0,159}")
_CUT = 120
"""Characters kept of a text that needs a digest."""


def is_name(text: object) -> bool:
    """Whether this is a valid folder name: a single component of a path, a URI and a job id.

    It has letters, digits and ``. _ + = @ -``, begins with neither ``.`` nor ``-``, and takes at
    most 128 bytes.
    """
    return (
        isinstance(text, str)
        and _NAME.fullmatch(text) is not None
        and len(text.encode()) <= _LONGEST
    )


def is_text(name: str) -> bool:
    """Whether a name from the system is UTF-8: Python encodes other bytes as surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked_name(text: object, what: str) -> str:
    """The text, if it is a valid folder name.

    Args:
        text: The value.
        what: Its name in messages: ```--name```.

    Raises:
        ConfigError: It is not valid.
    """
    if isinstance(text, str) and is_name(text):
        return text
    raise ConfigError(
        f"{what} must be the name of a folder, of letters, digits and . _ + = @ - (neither . nor "
        f"- first, at most {_LONGEST} bytes), but got {text!r}"
    )


def language_pair(text: str) -> tuple[str, str] | None:
    """Source and target of a pair such as ``en-es`` or ``en-pt_BR``; None for other texts."""
    found = _PAIR.fullmatch(text)
    return (found[1], found[2]) if found and found[1] != found[2] else None


def path_part(text: str) -> str:
    """Any text as a path component: letters, digits and ``_ + . - ~``, no ``.`` or ``-`` first.

    Injective. A plain text, such as ``en-es`` or ``emobank+facebook``, is unchanged; the remains of
    any other are followed by ``~`` and a digest of the whole.
    """
    if _PLAIN.fullmatch(text):
        return text
    left = re.sub(r"[^A-Za-z0-9+.-]+|^[.-]+", "_", text)[:_CUT] or "_"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{left}~{digest}"
