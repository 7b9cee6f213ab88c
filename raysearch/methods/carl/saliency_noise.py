"""How much does the choice of salient tokens hang on which sentences share the batch?

A sentence's gradient depends on its companions: with others beside it, other tokens may be the
salient ones. What a token says about affect cannot change with them, so that part of the choice
is noise. The same sentences are compared with two sets of companions, and what is chosen both
times is set beside what a random choice of as many tokens would have in common.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from raysearch.methods.carl.losses.contrastive import ContrastiveObjective

__all__ = ["PARTS", "Agreement", "Company", "gradient_in_other_company"]

PARTS = 4
"""A sentence keeps one in so many of its batch as companions; the others are replaced."""


@dataclass(frozen=True, kw_only=True)
class Company:
    """What the sentences of a batch are to each other in the contrastive term; all constants.

    Attributes:
        queries: (B, D) float.
        keys: (B, D) float.
        labels: (B, 2) float32.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    labels: torch.Tensor


def gradient_in_other_company(
    own: Company, other: Company, objective: ContrastiveObjective
) -> torch.Tensor:
    """∂L_MCCL/∂q of every sentence of a batch, in batches that another one fills up.

    Sentences take turns in `PARTS` parts; each part stands in a batch of its own beside the
    other batch's sentences from all other places. The encoder need not run again: its backward
    pass is fed with this gradient.

    Args:
        own: The batch.
        other: A batch of the same size.
        objective: The contrastive term.

    Returns:
        (B, D) float.
    """
    queries = own.queries.detach().requires_grad_()
    places = torch.arange(len(queries), device=queries.device).unsqueeze(-1) % PARTS
    loss = queries.new_zeros(())
    for part in range(PARTS):
        mine = places == part
        labels = torch.where(mine, own.labels, other.labels)
        loss = (
            loss
            + objective(
                torch.where(mine, queries, other.queries),
                torch.where(mine, own.keys, other.keys),
                objective.targets(labels),
            ).loss
        )
    (gradient,) = torch.autograd.grad(loss, queries)
    return gradient


class Agreement:
    """Counts, over batches, of tokens that are chosen in both companies."""

    def __init__(self) -> None:
        self._chosen, self._both, self._expected = 0, 0, 0.0

    def add(self, first: torch.Tensor, second: torch.Tensor, eligible: torch.Tensor) -> None:
        """Count a batch.

        Args:
            first: (B, T) bool, the choice in one company.
            second: (B, T) bool, in the other; in each sentence as many as in `first`.
            eligible: (B, T) bool, the tokens there were to choose from.
        """
        chosen = first.sum(-1).double()
        self._chosen += int(chosen.sum())
        self._both += int((first & second).sum())
        self._expected += float((chosen.square() / eligible.sum(-1).clamp(min=1)).sum())

    def shares(self) -> dict[str, float]:
        """What was counted, as shares of the chosen tokens in [0, 1]; nothing when none was.

        ``saliency_agreement`` is the share that is chosen both times, ``saliency_chance`` what
        two random choices would have: of k among n tokens, k² / n in common on average.
        """
        if self._chosen == 0:
            return {}
        return {
            "saliency_agreement": self._both / self._chosen,
            "saliency_chance": self._expected / self._chosen,
        }
