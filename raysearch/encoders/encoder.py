"""The record of a loaded encoder, and digests of what it is made of."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysearch.sources import file_digest

__all__ = ["Encoder", "combined_digest", "file_sha256"]


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A transformer without a pooler, and its tokenizer.

    Attributes:
        name: The name that it was loaded by, as the user wrote it.
        model: A transformers `PreTrainedModel`, fp32, on the CPU, in eval mode. It belongs to
            the caller alone, who may train it.
        tokenizer: A transformers tokenizer. Shared between copies; its truncation and padding
            are set per call and must not be relied on.
        digest: SHA-256 (hex) of all of its files and the number of layers: equal digests imply
            equal vectors.
        trained_on: `corpora.seen.marks` of the texts that it was trained on by this package;
            unknown for weights from elsewhere.
    """

    name: str
    model: Any
    tokenizer: Any
    digest: str
    trained_on: frozenset[str] = frozenset()

    @property
    def hidden_size(self) -> int:
        """Width H of the last hidden state ``(B, T, H)``."""
        return int(self.model.config.hidden_size)

    @property
    def layers(self) -> int:
        """Number of transformer layers of the model."""
        return int(self.model.config.num_hidden_layers)

    def copy(self) -> Encoder:
        """The same encoder with separate weights; draws no random number."""
        return dataclasses.replace(self, model=copy.deepcopy(self.model))


def combined_digest(*parts: str) -> str:
    """SHA-256 (hex) of strings in order; injective on lists of strings."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(f"{len(raw)}:".encode() + raw)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file; cached in the process while the file is unchanged.

    Raises:
        OSError: If the file cannot be read.
    """
    stamp = path.stat()
    return _hashed(path, stamp.st_size, stamp.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _hashed(path: Path, size: int, modified_ns: int) -> str:
    # Size and time only form the cache's key.
    return file_digest(path)
