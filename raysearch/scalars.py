"""Parses values written as text, by the core schema of YAML 1.2.

Files, ``--set`` and options share this reading: ``020`` is 20, ``0o20`` and ``0x14`` are 16 and 20,
``1e-5`` is a number; ``1:30``, ``1_000``, ``yes``, ``off`` and dates are text. `size_text` formats
a size in bytes.
"""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["NULL", "parse_seconds", "read_scalar", "size_text"]

NULL = ("", "~", "null", "Null", "NULL")
"""Spellings of null."""
_BOOL = {text: value for value, word in ((True, "true"), (False, "false"))
         for text in (word, word.capitalize(), word.upper())}  # fmt: skip
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_TIME = re.compile(r"(\d+\.?\d*|\.\d+)\s*([smh]?)")
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_NAN = (".nan", ".NaN", ".NAN")


def read_scalar(text: str) -> str | float | bool | None:
    """The value of a plain scalar: None, a bool, an int, a float, or the text itself.

    Raises:
        ValueError: An integer has more digits than Python parses.
    """
    if text in NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        return float(text)
    if found := _INFINITE.fullmatch(text):
        return float(f"{found[1]}inf")
    return math.nan if text in _NAN else text


def size_text(size: float, *, enough: bool = False) -> str:
    """A size for users: ``1.2 GB``, ``350.0 MB``, ``12 kB``.

    Args:
        size: Bytes; at least 0.
        enough: Round up, for a size that must suffice.
    """
    rounded = math.ceil if enough else round
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{rounded(10 * size / factor) / 10:.1f} {unit}"
    return f"{rounded(size / 1e3)} kB"


def parse_seconds(value: Any) -> float | None:
    """Seconds from ``90``, ``90s``, ``30m`` or ``2h``; None for anything else or not > 0."""
    match = _TIME.fullmatch(value.strip() if isinstance(value, str) else f"{value}")
    if isinstance(value, bool) or match is None:
        return None
    seconds = float(match[1]) * _UNIT_SECONDS[match[2]]
    return seconds if 0 < seconds < math.inf else None
