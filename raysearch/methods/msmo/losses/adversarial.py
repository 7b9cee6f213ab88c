"""How far apart does a critic see two languages: Wasserstein gap, clipping, sentence feature."""

from __future__ import annotations

import torch
from torch import nn

from raysearch.methods.tensors import at_least_fp32

__all__ = ["clip_weights", "masked_mean", "saturation", "wasserstein_gap"]


def masked_mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean hidden state of every sentence: what the critic sees (docs/msmo.md §2.1).

    Departures from the code: padding does not count (docs/msmo.md §5.8), and every sentence
    counts alike, where the code takes one mean over all positions of a batch. For a linear
    critic the mean of its scores is the score of the mean.

    Args:
        states: (B, T, H) float; what it holds where the mask is False does not matter.
        mask: (B, T) bool, True = real piece, specials included.

    Returns:
        (B, H) in fp32 at least; zeros for a sentence without pieces.
    """
    kept = at_least_fp32(states).masked_fill(~mask.unsqueeze(-1), 0.0)
    return kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def wasserstein_gap(
    scores_source: torch.Tensor,
    scores_target: torch.Tensor,
    *,
    sources: float | None = None,
    targets: float | None = None,
) -> torch.Tensor:
    """E f(source) - E f(target). Implements J_q, and the mean in L_adv, of docs/msmo.md §2.2.

    The critic maximises it, the encoder minimises λ times it, which is the gradient that a
    reversal layer would give. Scores have no sigmoid.

    Args:
        scores_source: (N,) float, f of source language sentences.
        scores_target: (M,) float, f of target language sentences.
        sources: What the source side's sum is divided by; by default N, which must then be
            >= 1. A worker that holds a part of the batch passes the whole batch's number over
            the workers.
        targets: The same of the target side.

    Returns:
        Scalar in fp32 at least; a linear critic in [-c, c] gives at most c · |Δ mean|_1.
    """
    source = at_least_fp32(scores_source).sum() / (sources or len(scores_source))
    return source - at_least_fp32(scores_target).sum() / (targets or len(scores_target))


@torch.no_grad()
def clip_weights(module: nn.Module, c: float) -> None:
    """Clamp every parameter, biases too, to [-c, c], in place (docs/msmo.md §2.2).

    Args:
        module: The critic.
        c: > 0.
    """
    for parameter in module.parameters():
        parameter.clamp_(-c, c)


@torch.no_grad()
def saturation(module: nn.Module, c: float) -> torch.Tensor:
    """Scalar share in [0, 1] of a critic's parameters that stand at -c or c: a guard.

    A critic that is all at its bounds has become the sign of the difference of means; one that
    has none there has not begun to move (docs/msmo.md §5.7).

    Args:
        module: The critic, with one parameter at least.
        c: The bound that `clip_weights` had.
    """
    bound = [(parameter.abs() >= c).flatten() for parameter in module.parameters()]
    return torch.cat(bound).float().mean()
