"""Which bytes is an encoder made of."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from raysearch.sources import file_digest

__all__ = ["combined_digest", "file_sha256"]


def combined_digest(*parts: str) -> str:
    """SHA-256 (hex) of strings in order; no two lists of parts share a digest by joining."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(f"{len(raw)}:".encode() + raw)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file; read once per process unless the file is written anew.

    Raises:
        OSError: If the file cannot be read.
    """
    stamp = path.stat()
    return _hashed(path, stamp.st_size, stamp.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _hashed(path: Path, size: int, modified_ns: int) -> str:
    # Size and time are only the cache's key.
    return file_digest(path)
