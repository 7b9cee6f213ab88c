"""Masked language modelling on the training sentences, which may precede CARL's own steps.

The digest of the paper names it as a remedy for saliency that is noise early in training, and says
no more of it. Masks are those of BERT (Devlin et al., NAACL 2019, §3.1), drawn anew in each step.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional

from raysearch.distributed import divisor, rand_rows, total
from raysearch.methods.base import Update
from raysearch.methods.carl.data import Batch
from raysearch.methods.carl.model import CarlModel
from raysearch.methods.tensors import at_least_fp32

__all__ = ["MASKED_SHARE", "mask_tokens", "masked_updates"]

MASKED_SHARE = 0.15
"""Share of a sentence's tokens that are to be predicted."""
_REPLACED, _RANDOM = 0.8, 0.1


def mask_tokens(
    ids: torch.Tensor,
    eligible: torch.Tensor,
    *,
    mask_id: int,
    vocabulary: int,
    whole: tuple[int, int] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose tokens, and replace 80 % of them by the mask and 10 % by any token.

    Args:
        ids: (B, T) int64.
        eligible: (B, T) bool, tokens of the text.
        mask_id: Id of the mask.
        vocabulary: V; random tokens are drawn from all of it.
        whole: Rows and width of the whole batch, of which several workers have a part each.

    Returns:
        The ids with replacements, and the chosen tokens, both (B, T). At least one token is
        chosen where there is one.
    """
    rows, width = whole or ids.shape
    draw = rand_rows(ids, rows, width).masked_fill(~eligible, 2.0)
    chosen = draw < MASKED_SHARE
    if not total(chosen.sum()):
        chosen = (draw == draw.min()) & eligible
    fate = rand_rows(ids, rows, width)
    other = (rand_rows(ids, rows, width) * vocabulary).long()
    masked = ids.masked_fill(chosen & (fate < _REPLACED), mask_id)
    random = chosen & (fate >= _REPLACED) & (fate < _REPLACED + _RANDOM)
    return torch.where(random, other, masked), chosen


def masked_updates(model: CarlModel, batch: Batch, *, mask_id: int) -> Iterator[Update]:
    """A step: mean cross-entropy over the chosen tokens of the whole batch.

    The momentum target is a copy of the online branch throughout, so that the contrast begins with
    both alike.

    Args:
        model: Has a `masked` head.
        batch: This worker's share.
        mask_id: Id of the tokenizer's mask.
    """
    assert model.masked is not None
    words = model.encoder.get_input_embeddings().weight
    ids, chosen = mask_tokens(
        batch.ids,
        batch.eligible,
        mask_id=mask_id,
        vocabulary=words.shape[0],
        whole=(batch.rows, batch.width),
    )
    states = model.online.states(model.online.lookup(ids), batch.mask)
    logits = at_least_fp32(model.masked(states[chosen], words))
    entropy = functional.cross_entropy(logits, batch.ids[chosen], reduction="sum")
    loss = entropy / (divisor(1) * total(chosen.sum()).clamp(min=1))
    yield Update("main", loss, {"masked_loss": loss})
    if model.target is not None:
        model.target.follow(model.online, 0.0)
