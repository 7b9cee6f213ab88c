"""How is JSON read that somebody else may have written."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["read_json"]


def read_json(text: str | bytes) -> Any:
    """What a text holds.

    Raises:
        ValueError: It is no JSON, or is nested too deeply; says so in a clause.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
