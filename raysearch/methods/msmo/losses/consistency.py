"""How much do two views of a sentence disagree on an aspect that they share?"""

from __future__ import annotations

import torch

from raysearch.methods.numerics import widened

__all__ = ["bidirectional_kl"]


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
    log_q, log_r = widened(log_q), widened(log_r)
    return 0.5 * ((log_q.exp() - log_r.exp()) * (log_q - log_r)).sum(-1)
