"""How does the discriminator learn which tokens were perturbed: PTD, Eq. (10)."""

from __future__ import annotations

import torch
from torch.nn import functional

from raysearch.methods.tensors import at_least_fp32

__all__ = ["focal_detection_loss"]


def focal_detection_loss(
    logits: torch.Tensor,
    perturbed: torch.Tensor,
    eligible: torch.Tensor,
    *,
    gamma: float,
    alpha: float | None = None,
    tokens: float | None = None,
) -> torch.Tensor:
    """Sigmoid focal loss on "was this token perturbed?". Implements Eq. (10).

    -α_c (1 - p_c)^γ log p_c, with p_c the probability of the true class.

    Args:
        logits: (B, T) float, above 0 says perturbed.
        perturbed: (B, T) bool, True = was perturbed.
        eligible: (B, T) bool, True = real token that is not special; others do not count.
        gamma: γ >= 0; 0 is plain cross-entropy.
        alpha: Weight of perturbed tokens in [0, 1], others 1 - α; None weighs both 1.
        tokens: What the sum is divided by; by default the number of eligible tokens. A worker
            that holds a part of the batch passes the whole batch's number over the workers.

    Returns:
        Scalar in fp32 at least; 0 when no token is eligible.
    """
    logits = at_least_fp32(logits)
    margins = torch.where(perturbed, logits, -logits)
    losses = -torch.sigmoid(-margins).pow(gamma) * functional.logsigmoid(margins)
    if alpha is not None:
        losses = losses * torch.where(perturbed, alpha, 1 - alpha)
    count = eligible.sum().clamp(min=1) if tokens is None else max(tokens, 1.0)
    return (losses * eligible).sum() / count
