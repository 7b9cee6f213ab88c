"""In which format do losses compute, whatever the encoder ran in."""

from __future__ import annotations

import torch

__all__ = ["widened"]


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """The same values in fp32, or in fp64 if they came so."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
