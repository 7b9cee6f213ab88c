"""How much do two views of a sentence disagree on an aspect that they share?"""

from __future__ import annotations

import math

import torch

from raysearch.corpora.absa.records import POLARITIES
from raysearch.methods.msmo.tags import OUTSIDE, PLACES, TAGS
from raysearch.methods.tensors import at_least_fp32

__all__ = ["FLOOR", "OUTCOMES", "bidirectional_kl", "span_distribution"]


def bidirectional_kl(log_q: torch.Tensor, log_r: torch.Tensor) -> torch.Tensor:
    """½ [KL(q‖r) + KL(r‖q)] of every aspect. L_cons of docs/msmo.md §2.2, before the mean.

    It equals ½ Σ (q - r)(log q - log r), so it is symmetric, never negative, and 0 only for
    equals. Both sides get gradient. Departures from the code: no threshold of confidence (the
    code's is always passed) and no limit of ten aspects per sentence.

    Args:
        log_q: (A, 5) log-probabilities of `spans.span_distribution`, aspects of one view.
        log_r: (A, 5), the same aspects of another view, row by row.

    Returns:
        (A,) in nats, >= 0, in fp32 at least; at most 46.1 with the floor of `spans`.
    """
    log_q, log_r = at_least_fp32(log_q), at_least_fp32(log_r)
    return 0.5 * ((log_q.exp() - log_r.exp()) * (log_q - log_r)).sum(-1)


OUTCOMES: tuple[str, ...] = (*POLARITIES, "O", "REST")
"""What a tagger can say of a span: an aspect of a polarity, no aspect, or anything else."""

FLOOR = 1e-20
"""About the smallest probability of an outcome, as in the code."""


def _columns() -> torch.Tensor:
    """(4, 4) int64: label that a word has at a place (row, as `PLACES`) under an outcome."""
    return torch.tensor(
        [[*(TAGS.index(f"{place}-{p}") for p in POLARITIES), OUTSIDE] for place in PLACES]
    )


def span_distribution(
    log_probs: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """Log-probabilities of the five outcomes of every aspect (docs/msmo.md §2.2, consistency).

    A span of one word has q(z) = p(S-z), a longer one q(z) = p_1(B-z) Π p_j(I-z) p_n(E-z); in
    both q(O) = Π p_j(O), and REST is what is left of 1.

    Departures from the code: the words of the aspect are read (docs/msmo.md §5.1); all is
    computed on logarithms, and 1e-20 is added to every one of the first four probabilities, so
    that the floor is smooth, where the code adds it below 1e-20 only; REST is never less than
    the distance of 1 from its neighbour (1.2e-7 in fp32), where the code stops the training.
    Saturated probabilities thus have finite values and gradients.

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
