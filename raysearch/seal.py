"""A digest in a record that is kept as JSON, by which damage is found.

A disk, a copy or a database may change a bit of a number, which is then another number. A seal
tells such damage; it is no signature, since whoever writes a record can seal it too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["MARK", "digest_of", "is_sealed", "seal", "unseal"]

MARK = "raysearch-sha256:"
"""Begins a digest, so that one whose name was damaged is still known as one."""
_NAME = "seal"


def digest_of(content: Any) -> str:
    """Digest of anything that JSON can hold; the order of names makes no difference."""
    plain = json.loads(json.dumps(content))  # as a reader will find it: names are strings
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return MARK + hashlib.sha256(text.encode()).hexdigest()


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its digest, over an earlier one."""
    bare = {name: value for name, value in record.items() if name != _NAME}
    return {**bare, _NAME: digest_of(bare)}


def is_sealed(record: Mapping[str, Any]) -> bool:
    """Whether the record has a seal, be it damaged or under another name."""
    return _NAME in record or _marked(record)


def unseal(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without its seal; one of an older version has none.

    Raises:
        ValueError: It is not as it was sealed; says so in a clause.
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
