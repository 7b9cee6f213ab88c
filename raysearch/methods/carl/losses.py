"""The two loss terms of CARL: MCCL, Eq. (4)-(6), and PTD, Eq. (10).

Every function computes in at least fp32, whatever the encoder's format: in bf16 a softmax over
cosines cannot distinguish neighbours. MCCL is computed on one whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from raysearch.methods.tensors import at_least_fp32

__all__ = [
    "Contrast",
    "ContrastiveObjective",
    "binary_contrast",
    "class_targets",
    "embedding_similarity",
    "focal_detection_loss",
    "label_similarity",
    "soft_contrast",
]

REVERSE_FLOOR = 1e-4
"""Smallest target probability inside the logarithm of the reverse cross-entropy; -log 0 of a
one-hot target would be infinite (Wang et al. 2019, who clip at e^-4 to e^-6)."""


@dataclass(frozen=True)
class Contrast:
    """A contrastive term on a batch.

    Attributes:
        loss: Scalar to minimise.
        cross_entropy: Scalar, its plain cross-entropy part in nats.
        entropy: Scalar, entropy of the targets in nats: the irreducible part.
    """

    loss: torch.Tensor
    cross_entropy: torch.Tensor
    entropy: torch.Tensor

    @property
    def divergence(self) -> torch.Tensor:
        """KL divergence of the embedding distribution from the target: 0 is a perfect fit."""
        return self.cross_entropy.detach() - self.entropy


def label_similarity(
    labels: torch.Tensor, geometry: str, *, centre: float = 0.5, sigma: float = 0.1
) -> torch.Tensor:
    """Similarity of labels. Implements Eq. (4).

    ``cos_uncentred`` is the paper's cosine; ``cos_centred`` takes the cosine around `centre`;
    ``gauss`` is -|y_i - y_j|² / (2σ²), the logarithm of a Gaussian kernel. A label without a
    direction (a zero vector) has cosine 1 with its equals and 0 with all others.

    Args:
        labels: (B, 2) float, valence and arousal.
        geometry: ``gauss``, ``cos_centred`` or ``cos_uncentred``.
        centre: Origin of ``cos_centred``, in units of the labels.
        sigma: Width of ``gauss`` > 0, in units of the labels.

    Returns:
        (B, B) symmetric; cosines in [-1, 1], or Gaussian exponents <= 0.
    """
    labels = at_least_fp32(labels)
    if geometry == "gauss":
        squared = (labels.unsqueeze(0) - labels.unsqueeze(1)).square().sum(-1)
        return -squared / (2 * sigma**2)
    vectors = labels - centre if geometry == "cos_centred" else labels
    lengths = vectors.norm(dim=-1, keepdim=True)
    zero = lengths.squeeze(-1) < 1e-6
    units = vectors / lengths.clamp(min=1e-6)
    cosines = (units.unsqueeze(0) * units.unsqueeze(1)).sum(-1)
    undirected = zero.unsqueeze(0) | zero.unsqueeze(1)
    both = zero.unsqueeze(0) & zero.unsqueeze(1)
    return torch.where(undirected, both.to(cosines.dtype), cosines)


def embedding_similarity(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Cosine of every query with every key. Implements Eq. (5).

    Args:
        queries: (B, D) float, the online branch.
        keys: (B, D) float, the target branch.

    Returns:
        (B, B) in [-1, 1], row i for query i.
    """
    with torch.autocast(queries.device.type, enabled=False):
        return functional.normalize(at_least_fp32(queries), dim=-1) @ functional.normalize(
            at_least_fp32(keys), dim=-1
        ).transpose(0, 1)


def soft_contrast(
    similarity: torch.Tensor, targets: torch.Tensor, temperature: float, *, reverse: bool = False
) -> Contrast:
    """Symmetric cross-entropy to soft targets. Implements Eq. (6), reading (a); (d) if `reverse`.

    Half the mean over rows of CE(P_i, softmax_j(c_ij / τ)) plus half the mean over columns. With
    the identity as targets it is symmetric InfoNCE.

    Args:
        similarity: (B, B) embedding similarity c, row i for query i.
        targets: (B, B) P, rows sum to 1; row i also serves key i, as s is symmetric.
        temperature: τ > 0.
        reverse: Add CE(Q, P), with log P not below log 1e-4.

    Returns:
        Loss, cross-entropy and entropy of P, means over the batch.
    """
    logits = at_least_fp32(similarity) / temperature
    ways = [logits.log_softmax(-1), logits.transpose(0, 1).log_softmax(-1)]
    cross_entropy = -torch.stack([(targets * way).sum(-1).mean() for way in ways]).mean()
    loss = cross_entropy
    if reverse:
        floored = targets.clamp(min=REVERSE_FLOOR).log()
        loss = loss - torch.stack([(w.exp() * floored).sum(-1).mean() for w in ways]).mean()
    entropy = -torch.xlogy(targets, targets).sum(-1).mean()
    return Contrast(loss=loss, cross_entropy=cross_entropy, entropy=entropy)


def binary_contrast(similarity: torch.Tensor, affinity: torch.Tensor) -> Contrast:
    """Element-wise binary cross-entropy between (1 + c)/2 and the labels' affinity.

    Implements Eq. (6), reading (c); it has no temperature.

    Args:
        similarity: (B, B) embedding similarity c in [-1, 1].
        affinity: (B, B) in [0, 1].

    Returns:
        Loss, cross-entropy and entropy of the affinities, means over pairs.
    """
    likeness = ((1 + at_least_fp32(similarity)) / 2).clamp(1e-6, 1 - 1e-6)
    cross_entropy = -(affinity * likeness.log() + (1 - affinity) * (1 - likeness).log()).mean()
    entropy = -(torch.xlogy(affinity, affinity) + torch.xlogy(1 - affinity, 1 - affinity)).mean()
    return Contrast(loss=cross_entropy, cross_entropy=cross_entropy, entropy=entropy)


def class_targets(classes: torch.Tensor) -> torch.Tensor:
    """Targets of supervised contrast: equal probability for the same class, including itself.

    Args:
        classes: (B,) int.

    Returns:
        (B, B) float32, rows sum to 1.
    """
    same = (classes.unsqueeze(0) == classes.unsqueeze(1)).float()
    return same / same.sum(-1, keepdim=True)


@dataclass(frozen=True, kw_only=True)
class ContrastiveObjective:
    """Eq. (4)-(6) with one choice of geometry, reading and temperatures.

    Attributes:
        geometry: See `label_similarity`.
        reading: ``softmax`` P_ij = softmax_j(s_ij / τ_y); ``linear`` P_ij = a_ij / Σ_j a_ij;
            ``binary`` element-wise on a_ij; ``reverse`` as softmax, plus reverse cross-entropy.
            The affinity a is the Gaussian kernel, or the cosine: its positive part in
            ``linear``, (1 + s)/2 in ``binary``.
        temperature: τ > 0.
        label_temperature: τ_y > 0; a Gaussian kernel has σ instead.
        sigma: σ > 0.
        centre: Origin of the labels.
    """

    geometry: str
    reading: str
    temperature: float
    label_temperature: float
    sigma: float
    centre: float

    def targets(self, labels: torch.Tensor) -> torch.Tensor:
        """P, or the affinities of the ``binary`` reading.

        Args:
            labels: (B, 2) float.

        Returns:
            (B, B) float.
        """
        similarity = label_similarity(labels, self.geometry, centre=self.centre, sigma=self.sigma)
        gauss = self.geometry == "gauss"
        if self.reading == "binary":
            return similarity.exp() if gauss else ((1 + similarity) / 2).clamp(0, 1)
        if self.reading == "linear":
            affinity = similarity.exp() if gauss else similarity.clamp(min=0)
            return affinity / affinity.sum(-1, keepdim=True)
        return (similarity / (1.0 if gauss else self.label_temperature)).softmax(-1)

    def __call__(
        self, queries: torch.Tensor, keys: torch.Tensor, targets: torch.Tensor
    ) -> Contrast:
        """L_MCCL of a batch.

        Args:
            queries: (B, D) float, online predictions p.
            keys: (B, D) float, target projections k.
            targets: (B, B) from `targets`.
        """
        similarity = embedding_similarity(queries, keys)
        if self.reading == "binary":
            return binary_contrast(similarity, targets)
        return soft_contrast(
            similarity, targets, self.temperature, reverse=self.reading == "reverse"
        )


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
        tokens: Divisor of the sum; by default the number of eligible tokens. A worker with a
            part of the batch passes the whole batch's number over the workers.

    Returns:
        Scalar in fp32 at least; 0 when no token is eligible.
    """
    logits = torch.where(eligible, at_least_fp32(logits), 0.0)  # 0 · NaN would be NaN
    margins = torch.where(perturbed, logits, -logits)
    # The derivative of x^γ at an x that underflows to 0 is infinite for 0 < γ < 1.
    wrong = torch.sigmoid(-margins).clamp(min=torch.finfo(logits.dtype).tiny)
    losses = -wrong.pow(gamma) * functional.logsigmoid(margins)
    if alpha is not None:
        losses = losses * torch.where(perturbed, alpha, 1 - alpha)
    count = eligible.sum().clamp(min=1) if tokens is None else max(tokens, 1.0)
    return (losses * eligible).sum() / count
