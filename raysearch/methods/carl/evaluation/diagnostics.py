"""Diagnostics of detection on fixed development batches: the discriminator's skill, and saliency.

The label "is among the salient tokens" can be predicted from the clean sentence (docs/carl.md
§4.2), so a detection score alone proves nothing. It is measured twice on the same tokens: with the
perturbation, and with the same labels but the perturbation removed. The gap is the skill.

Where tokens are chosen by saliency alone, the same batches show how much of the choice is noise:
each sentence's gradient is computed again beside other sentences, and the choices are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from raysearch import metrics
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import Batch, RatedSentences
from raysearch.methods.carl.losses import ContrastiveObjective
from raysearch.methods.carl.model import CarlModel
from raysearch.methods.carl.perturbation import Adversary
from raysearch.methods.tensors import at_least_fp32

__all__ = [
    "PARTS",
    "Agreement",
    "BatchContext",
    "detection_skill",
    "fixed_batches",
    "gradient_in_other_context",
]

PARTS = 4
"""A sentence keeps one in this many of its batch as companions; the others are replaced."""


@dataclass(frozen=True, kw_only=True)
class BatchContext:
    """The other sentences of a batch in the contrastive term; all constants.

    Attributes:
        queries: (B, D) float.
        keys: (B, D) float.
        labels: (B, 2) float32.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    labels: torch.Tensor


def gradient_in_other_context(
    own: BatchContext, other: BatchContext, objective: ContrastiveObjective
) -> torch.Tensor:
    """∂L_MCCL/∂q of every sentence of a batch, in batches filled up from another one.

    Sentences are split into `PARTS` parts; each part forms a batch with the other batch's sentences
    from all other positions. The encoder need not run again: its backward pass takes this gradient.

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
    """Counts, over batches, of tokens that are chosen in both contexts."""

    def __init__(self) -> None:
        self._chosen, self._both, self._expected = 0, 0, 0.0

    def add(self, first: torch.Tensor, second: torch.Tensor, eligible: torch.Tensor) -> None:
        """Count a batch.

        Args:
            first: (B, T) bool, the choice in one context.
            second: (B, T) bool, in the other; in each sentence as many as in `first`.
            eligible: (B, T) bool, the tokens to choose from.
        """
        chosen = first.sum(-1).double()
        self._chosen += int(chosen.sum())
        self._both += int((first & second).sum())
        self._expected += float((chosen.square() / eligible.sum(-1).clamp(min=1)).sum())

    def shares(self) -> dict[str, float]:
        """The counts as fractions of the chosen tokens in [0, 1]; empty when none was chosen.

        ``saliency_agreement`` is the fraction chosen both times, ``saliency_chance`` that of
        two random choices: for k among n tokens, k² / n in common on average.
        """
        if self._chosen == 0:
            return {}
        return {
            "saliency_agreement": self._both / self._chosen,
            "saliency_chance": self._expected / self._chosen,
        }


BATCHES = 4
"""Most development batches to evaluate; spread evenly over each corpus."""


def fixed_batches(
    sentences: RatedSentences, batch_size: int, device: torch.device
) -> list[list[Batch]]:
    """At most `BATCHES` batches of development rows, always the same ones, a list per corpus.

    Every corpus has at least one batch; rows are spread evenly over the corpus. The batches of a
    corpus have one size.
    """
    groups = []
    share = max(1, BATCHES // len(sentences.groups))
    for group in [group for group in sentences.groups if len(group)][:BATCHES]:
        size = min(batch_size, len(group))
        count = min(share, len(group) // size)
        spread = group[np.linspace(0, len(group) - 1, count * size).round().astype(np.int64)]
        groups.append([sentences.batch(spread[part::count], device) for part in range(count)])
    return groups


def detection_skill(
    model: CarlModel,
    groups: Sequence[Sequence[Batch]],
    config: CarlConfig,
    objective: ContrastiveObjective,
    seed: int,
) -> dict[str, float]:
    """AUC of the discriminator over the tokens of some batches.

    Args:
        model: In eval mode, with target and discriminator.
        groups: Whole batches, a list per corpus; those of a list have one size.
        config: Choice of tokens and radius.
        objective: Its gradient chooses and perturbs.
        seed: Seed of random choices; training's generators are not used.

    Returns:
        ``detection_auc`` with the perturbation, ``detection_auc_removed`` with the same labels
        on the clean sentences (a variant without perturbation has both from the clean ones),
        ``mccl_kl``, and ``perturbation_changed`` if something is perturbed. If tokens are
        chosen by saliency alone also ``saliency_agreement`` and ``saliency_chance``, of the
        batches that follow one of their corpus: its sentences are their other companions.
    """
    assert model.target is not None
    adversary = Adversary(model, config, objective)
    generator = torch.Generator(groups[0][0].ids.device).manual_seed(seed)
    logits: list[torch.Tensor] = []
    removed: list[torch.Tensor] = []
    truths: list[torch.Tensor] = []
    changed, divergence = [], []
    agreement = Agreement()
    context: BatchContext | None = None
    for first, batch in [(batch is group[0], batch) for group in groups for batch in group]:
        clean = model.online.lookup(batch.ids).detach().requires_grad_()
        keys, targets = model.target.keys(batch.ids, batch.mask), objective.targets(batch.labels)
        states = model.online.states(clean, batch.mask)
        queries = model.queries(states, batch.mask)
        contrast = objective(queries, keys, targets)
        before = None if first else context
        context = BatchContext(queries=queries.detach(), keys=keys, labels=batch.labels)
        again = before is not None and config.choice == "salient"
        (gradient,) = torch.autograd.grad(contrast.loss, clean, retain_graph=again)
        chosen = adversary.choose(gradient, batch, generator)
        if before is not None and again:
            other = gradient_in_other_context(context, before, objective)
            (gradient_there,) = torch.autograd.grad(queries, clean, other.to(queries.dtype))
            agreement.add(chosen, adversary.choose(gradient_there, batch), batch.eligible)
        with torch.no_grad():
            seen = states
            if config.variant_spec.perturbs:
                delta = adversary.perturb(clean.detach(), gradient, chosen, batch, keys, targets)
                changed.append(float(adversary.share_changed(clean, delta, chosen, batch.mask)))
                seen = model.online.states(clean + delta, batch.mask)
            logits.append(at_least_fp32(model.detect(seen))[batch.eligible])
            removed.append(at_least_fp32(model.detect(states))[batch.eligible])
        truths.append(chosen[batch.eligible])
        divergence.append(float(contrast.divergence))
    truth = torch.cat(truths).cpu().numpy()
    found = {
        "detection_auc": metrics.auc(torch.cat(logits).cpu().numpy(), truth),
        "detection_auc_removed": metrics.auc(torch.cat(removed).cpu().numpy(), truth),
        "mccl_kl": float(np.mean(divergence)),
    }
    if changed:
        found["perturbation_changed"] = float(np.mean(changed))
    return found | agreement.shares()
