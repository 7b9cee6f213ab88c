"""How does the tagger learn from labels: cross-entropy over words."""

from __future__ import annotations

import torch
from torch.nn import functional

from raysearch.methods.tensors import at_least_fp32

__all__ = ["token_cross_entropy"]


def token_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, *, words: float | None = None
) -> torch.Tensor:
    """Mean cross-entropy of the words of a batch. Implements L_CE of docs/msmo.md §2.2.

    Departure from the code: it counts once (docs/msmo.md §5.3).

    Args:
        logits: (N, 13) float, of the first piece of every word; no padding, no specials.
        labels: (N,) int64, indices into `tags.TAGS`.
        words: What the sum is divided by; by default N. A worker that holds a part of the batch
            passes the whole batch's number over the workers.

    Returns:
        Scalar in nats, in fp32 at least; 0 without words.
    """
    total = functional.cross_entropy(at_least_fp32(logits), labels, reduction="sum")
    return total / max(len(labels) if words is None else words, 1)
