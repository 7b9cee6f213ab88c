"""How are words with the same label drawn together: the contrastive terms of CL-XABSA.

N. Lin et al.: CL-XABSA, IEEE/ACM TASLP 2023, in whose words one term works on the level of
tokens, the other on that of sentiments. Their text was not at hand; both are written from the
definition of supervised contrast by P. Khosla et al.: Supervised Contrastive Learning, NeurIPS
2020, and differ in nothing but the classes.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from raysearch.corpora.absa.records import POLARITIES
from raysearch.methods.msmo.tags import OUTSIDE, TAGS
from raysearch.methods.tensors import at_least_fp32

__all__ = [
    "sentiment_classes",
    "sentiment_contrast",
    "supervised_contrast",
    "token_contrast",
]


def supervised_contrast(
    features: torch.Tensor, classes: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Supervised contrastive loss. Implements Eq. (2), L_out, of Khosla et al. 2020.

    Mean over the words i that share their class with another word of
    -1/|P(i)| Σ_{p ∈ P(i)} log( exp(z_i·z_p / τ) / Σ_{a ≠ i} exp(z_i·z_a / τ) ), with z the
    features at length 1 and P(i) the other words of i's class.

    Departures: one view of each word, as its translation is another word of the batch; words
    without a partner do not count; the mean, where the equation has the sum.

    Args:
        features: (N, H) float, one row a word of the batch, all views together.
        classes: (N,) int64.
        temperature: τ > 0.

    Returns:
        Scalar in fp32 at least; 0 when no two words share a class. Memory grows with N².
    """
    with torch.autocast(features.device.type, enabled=False):
        units = functional.normalize(at_least_fp32(features), dim=-1)
        logits = units @ units.transpose(0, 1) / temperature  # (N, N)
    itself = torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    partners = (classes.unsqueeze(0) == classes.unsqueeze(1)) & ~itself
    # The least finite number, not -inf: a word alone in its batch would give NaN gradients.
    shares = logits.masked_fill(itself, torch.finfo(logits.dtype).min).log_softmax(-1)
    counts = partners.sum(-1)
    anchored = shares.masked_fill(~partners, 0.0).sum(-1) / counts.clamp(min=1)  # (N,)
    return -anchored.sum() / (counts > 0).sum().clamp(min=1)


def sentiment_classes(labels: torch.Tensor) -> torch.Tensor:
    """Polarity of every word, whatever its place in the aspect.

    Args:
        labels: (N,) int64, indices into `tags.TAGS`.

    Returns:
        (N,) int64: 0 for a word of no aspect, else 1 + index into `POLARITIES`.
    """
    table = [
        0 if index == OUTSIDE else 1 + POLARITIES.index(tag.split("-")[1])
        for index, tag in enumerate(TAGS)
    ]
    return torch.tensor(table, device=labels.device)[labels]


def token_contrast(
    features: torch.Tensor, labels: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Token level term: words of the same one of the 13 labels attract each other.

    Args:
        features: (N, H) float, hidden states of the words.
        labels: (N,) int64, indices into `tags.TAGS`.
        temperature: τ > 0. CL-XABSA: 0.07 by default, 0.9 where it is called.

    Returns:
        Scalar; see `supervised_contrast`.
    """
    return supervised_contrast(features, labels, temperature)


def sentiment_contrast(
    features: torch.Tensor, labels: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Sentiment level term: words of aspects of the same polarity attract each other.

    Words of no aspect are a fourth class, which the name does not tell of: left out, nothing
    would keep them apart from the aspects.

    Args:
        features: (N, H) float, hidden states of the words.
        labels: (N,) int64, indices into `tags.TAGS`.
        temperature: τ > 0.

    Returns:
        Scalar; see `supervised_contrast`.
    """
    return supervised_contrast(features, sentiment_classes(labels), temperature)
