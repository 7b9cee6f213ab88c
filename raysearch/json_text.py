"""Reads JSON that somebody else may have written, and writes JSON that any program reads."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["plain_json", "read_json"]


def read_json(text: str | bytes) -> Any:
    """Parse a text.

    Raises:
        ValueError: It is not JSON, or is nested too deeply; the message is a clause.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def plain_json(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """A value as JSON, which has no NaN and no infinity: such a number is ``null``."""
    return json.dumps(_finite(value), indent=indent, sort_keys=sort_keys, allow_nan=False)


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(item) for name, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value
