"""Digests in JSON records, to detect damage.

A disk, a copy or a database may flip a bit of a number, which is then another number. A seal
detects that; it is not a signature, since whoever writes a record can seal it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["MARK", "digest_of", "is_sealed", "seal", "unseal"]

MARK = "raysearch-sha256:"
"""Prefix of a digest, so that one whose key was damaged is still recognised."""
_NAME = "seal"


def digest_of(content: Any) -> str:
    """Digest of any JSON value; the order of keys makes no difference."""
    plain = json.loads(json.dumps(content))  # as a reader will see it: keys are strings
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return MARK + hashlib.sha256(text.encode()).hexdigest()


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its digest, which replaces an earlier one."""
    bare = {name: value for name, value in record.items() if name != _NAME}
    return {**bare, _NAME: digest_of(bare)}


def is_sealed(record: Mapping[str, Any]) -> bool:
    """Whether the record has a seal, even a damaged one or one under another key."""
    return _NAME in record or _marked(record)


def unseal(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without its seal; those of older versions have none.

    Raises:
        ValueError: It does not match its seal; the message is a clause.
    """
    bare = {name: value for name, value in record.items() if name != _NAME}
    try:
        same = _NAME not in record or digest_of(bare) == record[_NAME]
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not same:
        raise ValueError("it is not as it was written: its seal is of other content")
    if _marked(bare):
        raise ValueError("it is not as it was written: the name of its seal is damaged")
    return bare


def _marked(record: Mapping[str, Any]) -> bool:
    return any(isinstance(value, str) and value.startswith(MARK) for value in record.values())
