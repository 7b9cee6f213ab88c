"""What does an entry of the stage cache look like, and how is a damaged one told?

An entry is a header of `HEADER_BYTES` bytes and the payload, which is what ``torch.save``
wrote. The header is one line of JSON, padded with blanks: the key, and length and SHA-256 of
the payload. So ``head -c 512`` tells what a file is, and a cut file, a flipped byte, a file
under a foreign name and foreign bytes are all told from a whole entry before anything is
unpickled. Only tensors and plain containers are ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import torch

__all__ = ["HEADER_BYTES", "DamagedEntryError", "read_entry", "write_entry"]

HEADER_BYTES = 512
_KIND = "raysearch stage 1"
_PART_BYTES = 1 << 20


class DamagedEntryError(Exception):
    """The bytes are not the entry that the name promises; the text says what is wrong."""


def write_entry(key: str, state: Mapping[str, Any]) -> tuple[bytes, memoryview]:
    """Header and payload of an entry.

    Args:
        key: The stage's key, at most 128 characters.
        state: Tensors, scalars and plain containers.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    payload = buffer.getbuffer()
    facts = {
        "kind": _KIND,
        "key": key,
        "bytes": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
    header = json.dumps(facts).encode().ljust(HEADER_BYTES - 1) + b"\n"
    assert len(header) == HEADER_BYTES, f"the key {key!r} is too long"
    return header, payload


def read_entry(key: str, file: BinaryIO) -> dict[str, Any]:
    """The state that `write_entry` put under `key`, on the CPU.

    Args:
        key: The stage's key.
        file: At its beginning; it is read twice.

    Raises:
        DamagedEntryError: The bytes are not such an entry.
        OSError: The file cannot be read.
    """
    expected = _header(key, file.read(HEADER_BYTES))
    length, digest = _measure(file)
    if length != expected["bytes"]:
        raise DamagedEntryError(f"{length} bytes follow its header, not {expected['bytes']}")
    if digest != expected["sha256"]:
        raise DamagedEntryError("its bytes have another digest than its header says")
    file.seek(HEADER_BYTES)
    try:
        # From the file itself: an entry of a large encoder is not held twice in memory.
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises nearly anything on bytes that are not ours
        reason = str(error).partition("\n")[0]
        raise DamagedEntryError(f"it is no plain state: {reason}") from error
    if not isinstance(state, dict):
        raise DamagedEntryError(f"it holds a {type(state).__name__}, not a state")
    return state


def _measure(file: BinaryIO) -> tuple[int, str]:
    """Length and SHA-256 of the rest of the file."""
    length, digest = 0, hashlib.sha256()
    while part := file.read(_PART_BYTES):
        length += len(part)
        digest.update(part)
    return length, digest.hexdigest()


def _header(key: str, head: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(head)
    except ValueError as error:
        raise DamagedEntryError("it does not begin with a header") from error
    if len(head) != HEADER_BYTES or not isinstance(facts, dict) or facts.get("kind") != _KIND:
        raise DamagedEntryError(f"its header is not one of `{_KIND}`")
    if facts.get("key") != key:
        raise DamagedEntryError(f"its header names another key, {facts.get('key')}")
    return facts
