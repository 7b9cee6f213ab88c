"""How does a student learn from one or several teachers: soft labels and distance from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch.nn import functional

from raysearch.methods.tensors import at_least_fp32

__all__ = ["DISTANCES", "distill_loss", "mix", "soften"]


def soften(probs: torch.Tensor, temperature: float) -> torch.Tensor:
    """softmax(logits / T) from softmax(logits): p^(1/T), made to sum to 1.

    Teachers' probabilities are thus stored once, for every temperature.

    Args:
        probs: (P, 13) float, rows sum to 1; zeros stay zeros.
        temperature: T > 0; 1 changes nothing.

    Returns:
        (P, 13) in fp32 at least.
    """
    probs = at_least_fp32(probs)
    if temperature == 1:
        return probs
    # The largest is made 1, so that no row underflows at a low temperature.
    powers = (probs / probs.amax(-1, keepdim=True)).pow(1 / temperature)
    return powers / powers.sum(-1, keepdim=True)


def mix(teacher_probs: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """Soft labels p = Σ w_k g_k: means of probabilities, not of logits (docs/msmo.md §2.2).

    With a temperature other than 1, each teacher passes through `soften` first.

    Args:
        teacher_probs: (P, 13) of each teacher at the same positions, rows sum to 1.
        weights: w_k >= 0 that sum to 1, one for each teacher. Code: 1/3 of three.

    Returns:
        (P, 13) in fp32 at least, rows sum to 1.

    Raises:
        ValueError: There are not as many weights as teachers.
    """
    shares = zip(teacher_probs, weights, strict=True)
    return torch.stack([at_least_fp32(probs) * weight for probs, weight in shares]).sum(0)


def _squared(log_student: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (log_student.exp() - target).square().mean()


def _divergence(log_student: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return functional.kl_div(log_student, target, reduction="none").sum(-1).mean()


DISTANCES: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = MappingProxyType(
    {"mse": _squared, "kl": _divergence}
)
"""Distance of the student's log-probabilities from the target probabilities, by name."""


def distill_loss(
    logits: torch.Tensor, target: torch.Tensor, temperature: float, kind: str
) -> torch.Tensor:
    """Distance of a student from soft labels. Implements L_KD of docs/msmo.md §2.2.

    ``mse`` is the mean over positions and over the 13 classes of (softmax(logits / T) - p)²;
    paper and code have T = 1. ``kl``, which is not in the paper, is the mean over positions of
    KL(p ‖ softmax(logits / T)). Both are multiplied by T², as gradients of either shrink with
    1/T² (Hinton et al. 2015, Sec. 2), so that a temperature does not act as a step size.

    Args:
        logits: (P, 13) float, of the student at every real piece of the batch, not only at the
            first of a word, specials included; P >= 1.
        target: (P, 13), from `mix`, of teachers softened with the same temperature.
        temperature: T > 0.
        kind: A name in `DISTANCES`.

    Returns:
        Scalar >= 0 in fp32 at least.

    Raises:
        KeyError: No such distance.
    """
    log_student = (at_least_fp32(logits) / temperature).log_softmax(-1)
    return DISTANCES[kind](log_student, at_least_fp32(target)) * temperature**2
