"""How far a trial has moved its encoder, by the sentence embeddings before and after.

Weights tell little of it: what is a large change for one encoder is rounding for another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

__all__ = ["StartWeights", "displacement"]

Array = npt.NDArray[Any]


class StartWeights:
    """The trained weights of an encoder before training, kept in the CPU's memory.

    Args:
        encoder: The encoder as it was loaded.
    """

    def __init__(self, encoder: nn.Module) -> None:
        self._weights = {
            name: weights.detach().to("cpu", copy=True)
            for name, weights in encoder.named_parameters()
            if weights.requires_grad
        }

    @contextmanager
    def restored(self, encoder: nn.Module) -> Iterator[None]:
        """Within it the same encoder, whatever it has become, has its first weights again."""
        own = dict(encoder.named_parameters())
        current = {name: own[name].data for name in self._weights}
        try:
            for name, start in self._weights.items():
                own[name].data = start.to(current[name].device)
            torch.clear_autocast_cache()  # else bf16 copies of the other weights are used
            yield
        finally:
            for name, weights in current.items():
                own[name].data = weights
            torch.clear_autocast_cache()


def displacement(start: Array, now: Array) -> float:
    """Root mean square change of the embeddings, relative to their spread at the start.

    A change that all sentences have in common does not count, as no probe can tell it.

    Args:
        start: Embeddings (N, H) before training.
        now: Of the same sentences (N, H).

    Returns:
        A value >= 0; NaN if all sentences had one embedding at the start.
    """
    before = start.astype(np.float64)
    change = now.astype(np.float64) - before
    spread = float(np.square(before - before.mean(axis=0)).sum())
    if not spread:
        return float("nan")
    return float(np.sqrt(np.square(change - change.mean(axis=0)).sum() / spread))
