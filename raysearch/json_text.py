"""Reads JSON that somebody else may have written."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["read_json"]


def read_json(text: str | bytes) -> Any:
    """Parse a text.

    Raises:
        ValueError: It is not JSON, or is nested too deeply; the message is a clause.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
