"""The losses of tagger and encoder: cross-entropy, consistency of aligned aspects, contrast.

The critic's loss is in `critic`, that of a student in `distillation`. There are two families of
contrastive terms, each over tokens (words of one label) or sentiments (words of one polarity).
`published_contrast` is that of CL-XABSA (N. Lin et al., IEEE/ACM TASLP 2023) as its code has it, on
the tagger's logits. `supervised_contrast` is ours, on hidden states of length 1, written from
P. Khosla et al.: Supervised Contrastive Learning, NeurIPS 2020.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from raysearch.corpora.absa.records import POLARITIES
from raysearch.methods.msmo.tags import OUTSIDE, PLACES, TAGS
from raysearch.methods.tensors import at_least_fp32

__all__ = [
    "FLOOR",
    "OUTCOMES",
    "bidirectional_kl",
    "published_contrast",
    "sentiment_classes",
    "sentiment_contrast",
    "span_distribution",
    "supervised_contrast",
    "token_contrast",
    "token_cross_entropy",
]


def token_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, *, words: float | None = None
) -> torch.Tensor:
    """Mean cross-entropy of the words of a batch. Implements L_CE of docs/msmo.md §2.2.

    Departure from the code: it counts once (docs/msmo.md §5.3).

    Args:
        logits: (N, 13) float, of the first piece of every word; no padding, no specials.
        labels: (N,) int64, indices into `tags.TAGS`.
        words: Divisor of the sum; by default N. A worker with a part of the batch passes the
            whole batch's number over the workers.

    Returns:
        Scalar in nats, in fp32 at least; 0 without words.
    """
    total = functional.cross_entropy(at_least_fp32(logits), labels, reduction="sum")
    return total / max(len(labels) if words is None else words, 1)


OUTCOMES: tuple[str, ...] = (*POLARITIES, "O", "REST")
"""Outcomes of a tagger for a span: an aspect of a polarity, no aspect, or anything else."""

FLOOR = 1e-20
"""About the smallest probability of an outcome, as in the code."""


def span_distribution(
    log_probs: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """Log-probabilities of the five outcomes of every aspect (docs/msmo.md §2.2, consistency).

    A span of one word has q(z) = p(S-z), a longer one q(z) = p_1(B-z) Π p_j(I-z) p_n(E-z); in
    both q(O) = Π p_j(O), and REST is 1 minus the others.

    Departures from the code: the words of the aspect are read (docs/msmo.md §5.1); all is
    computed on logarithms, and 1e-20 is added to each of the first four probabilities, so that
    the floor is smooth, while the code adds it only below 1e-20; REST is never less than the
    distance of 1 from its neighbour (1.2e-7 in fp32), while the code stops the training. So
    saturated probabilities have finite values and gradients.

    Args:
        log_probs: (N, 13) float, log-softmax of the tagger for the words of a whole batch, one
            sentence after another; no padding.
        starts: (A,) int64, index of the first word of each aspect on that axis.
        lengths: (A,) int64 >= 1, number of its words.

    Returns:
        (A, 5) log-probabilities in the order of `OUTCOMES`, in fp32 at least; A may be 0.
    """
    log_probs = at_least_fp32(log_probs)
    if starts.numel() == 0:
        return log_probs[:0, : len(OUTCOMES)]
    offsets = torch.arange(int(lengths.max()), device=starts.device)  # (W,)
    inside = offsets < lengths.unsqueeze(1)  # (A, W)
    words = torch.where(inside, starts.unsqueeze(1) + offsets, starts.unsqueeze(1))  # (A, W)
    first, last = offsets == 0, offsets == lengths.unsqueeze(1) - 1  # (W,), (A, W)
    places = torch.where(first, torch.where(last, 3, 0), torch.where(last, 2, 1))  # (A, W)
    labels = _columns().to(starts.device)[places]  # (A, W, 4)
    terms = log_probs[words.unsqueeze(-1), labels]  # (A, W, 4)
    named = terms.masked_fill(~inside.unsqueeze(-1), 0.0).sum(1)  # (A, 4)
    named = torch.logaddexp(named, named.new_tensor(math.log(FLOOR)))
    most = 1 - torch.finfo(named.dtype).eps
    rest = torch.log1p(-named.exp().sum(-1, keepdim=True).clamp(max=most))
    return torch.cat([named, rest], dim=-1)


def _columns() -> torch.Tensor:
    """(4, 4) int64: label that a word has at a place (row, as `PLACES`) under an outcome."""
    return torch.tensor(
        [[*(TAGS.index(f"{place}-{p}") for p in POLARITIES), OUTSIDE] for place in PLACES]
    )


def bidirectional_kl(log_q: torch.Tensor, log_r: torch.Tensor) -> torch.Tensor:
    """½ [KL(q‖r) + KL(r‖q)] of every aspect. L_cons of docs/msmo.md §2.2, before the mean.

    It equals ½ Σ (q - r)(log q - log r), so it is symmetric, never negative, and 0 only for
    equals. Gradients flow to both sides. Departures from the code: no threshold of confidence (the
    code's is always passed) and no limit of ten aspects per sentence.

    Args:
        log_q: (A, 5) log-probabilities of `span_distribution`, aspects of one view.
        log_r: (A, 5), the same aspects of another view, row by row.

    Returns:
        (A,) in nats, >= 0, in fp32 at least; at most 46.1 with `FLOOR`.
    """
    log_q, log_r = at_least_fp32(log_q), at_least_fp32(log_r)
    return 0.5 * ((log_q.exp() - log_r.exp()) * (log_q - log_r)).sum(-1)


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
    anchored, paired = _anchored(logits, classes)
    return -anchored.sum() / paired.sum().clamp(min=1)


PUBLISHED_TEMPERATURE, BASE_TEMPERATURE = 0.9, 0.07
"""τ of CL-XABSA where its loss is called, and the τ₀ that its value is scaled by: τ / τ₀."""


def published_contrast(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """CL-XABSA's contrastive term, of which it adds half to half of the cross-entropy.

    τ/τ₀ · 1/N · 1/N Σ_i -1/|P(i)| Σ_{p ∈ P(i)} log( exp(l_i·l_p / τ) / Σ_{a ≠ i} exp(l_i·l_a / τ) )
    with l the tagger's logits, not normalised, N the words, words without a partner counting 0:
    the mean over words, which its training loop divides by their number once more.

    Departure: words alone are compared. The code also compares padding, specials and later pieces
    of words, which its labels put into one class.

    Args:
        logits: (N, 13) float, one row a word of the batch, all views together.
        classes: (N,) int64: labels for its token level, `sentiment_classes` for the other.

    Returns:
        Scalar in fp32 at least; 0 when no two words share a class.
    """
    with torch.autocast(logits.device.type, enabled=False):
        wide = at_least_fp32(logits)
        anchored, _ = _anchored(wide @ wide.transpose(0, 1) / PUBLISHED_TEMPERATURE, classes)
    return -anchored.sum() * (PUBLISHED_TEMPERATURE / BASE_TEMPERATURE) / max(len(classes), 1) ** 2


def _anchored(
    similarities: torch.Tensor, classes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean log-share of each word's partners, (N,), 0 without any; and whether it has any, (N,)."""
    itself = torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    partners = (classes.unsqueeze(0) == classes.unsqueeze(1)) & ~itself
    # The least finite number, not -inf: a word alone in its batch would have NaN gradients.
    shares = similarities.masked_fill(itself, torch.finfo(similarities.dtype).min).log_softmax(-1)
    counts = partners.sum(-1)
    return shares.masked_fill(~partners, 0.0).sum(-1) / counts.clamp(min=1), counts > 0


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
        temperature: τ > 0.

    Returns:
        Scalar; see `supervised_contrast`.
    """
    return supervised_contrast(features, labels, temperature)


def sentiment_contrast(
    features: torch.Tensor, labels: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Sentiment level term: words of aspects of the same polarity attract each other.

    Words of no aspect are a fourth class, although the name does not suggest it: otherwise nothing
    would separate them from the aspects.

    Args:
        features: (N, H) float, hidden states of the words.
        labels: (N,) int64, indices into `tags.TAGS`.
        temperature: τ > 0.

    Returns:
        Scalar; see `supervised_contrast`.
    """
    return supervised_contrast(features, sentiment_classes(labels), temperature)
