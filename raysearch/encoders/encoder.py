"""What is a loaded encoder, and what may a caller do with it."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

__all__ = ["Encoder"]


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A transformer without a pooler, and the tokenizer that belongs to it.

    Attributes:
        name: The name that it was loaded by, as the user wrote it.
        model: A transformers `PreTrainedModel`, fp32, on the CPU, in eval mode. It belongs to
            the caller alone, who may train it.
        tokenizer: A transformers tokenizer. Shared between copies; its truncation and padding
            are set per call and are no state to rely on.
        digest: SHA-256 (hex) of every file that it is read from and the number of layers: equal
            digests give equal vectors.
        trained_on: `corpora.seen.marks` of the texts that it was trained on by this package;
            what went into weights from elsewhere nobody here knows.
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
        """Number of transformer layers that the model has now."""
        return int(self.model.config.num_hidden_layers)

    def copy(self) -> Encoder:
        """The same encoder with weights of its own; draws no random number."""
        return dataclasses.replace(self, model=copy.deepcopy(self.model))
