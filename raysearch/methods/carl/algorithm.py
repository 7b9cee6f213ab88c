"""The steps of CARL, as updates that the loop performs.

See docs/carl.md §5 and §7. The seven-forward step is `_contrast_and_detect`: the backward pass of
the contrastive term also leaves its gradient on the word embeddings, which provides the saliency
and the first ascent step for free; as the perturbation is a constant, the two backward passes
add up to the gradient of 0.8 L_MCCL + 0.2 L_PTD.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from raysearch.distributed import divisor, gather, norm, world_size
from raysearch.methods.base import Update
from raysearch.methods.carl import health
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import Batch
from raysearch.methods.carl.losses import (
    Contrast,
    ContrastiveObjective,
    class_targets,
    embedding_similarity,
    focal_detection_loss,
    soft_contrast,
)
from raysearch.methods.carl.model import CarlModel
from raysearch.methods.carl.perturbation import Adversary
from raysearch.methods.tensors import at_least_fp32

__all__ = ["CarlAlgorithm", "batch_geometry", "length_of_gradient"]


def length_of_gradient(tensor: torch.Tensor, minus: torch.Tensor | None = None) -> torch.Tensor:
    """A scalar that the next backward pass fills with the norm of the tensor's gradient.

    Used at the word embeddings, the deepest point that both terms reach. Over several workers it
    is the norm of the whole batch's gradient.

    Args:
        tensor: Has a graph.
        minus: A part of the gradient to leave out.
    """
    length = torch.zeros((), device=tensor.device)

    def measure(gradient: torch.Tensor) -> None:
        rest = gradient if minus is None else gradient - minus
        length.copy_(_norm_of_batch(rest))

    tensor.register_hook(measure)  # type: ignore[no-untyped-call]
    return length


def _norm_of_batch(gradient: torch.Tensor) -> torch.Tensor:
    """Norm of the whole batch's gradient, from that of a worker's part of the loss.

    That part is as many times too large as there are workers, which are averaged (`distributed`).
    """
    return norm(gradient) / world_size()


@torch.no_grad()
def batch_geometry(queries: torch.Tensor, keys: torch.Tensor) -> dict[str, torch.Tensor]:
    """Statistics of the batch on the sphere, in which collapse shows first.

    ``branch_alignment`` is the mean squared distance of a sentence's query and key,
    ``uniformity`` the log mean of exp(-2 d²) over pairs of queries, ``prediction_sd`` the mean
    sd of a coordinate times √D: 1 when spread evenly, 0 when collapsed.
    """
    queries = functional.normalize(at_least_fp32(queries), dim=-1)
    keys = functional.normalize(at_least_fp32(keys), dim=-1)
    spread = torch.pdist(queries).square().mul(-2).exp().mean().log()
    return {
        "branch_alignment": (queries - keys).square().sum(-1).mean(),
        "uniformity": spread,
        "prediction_sd": queries.std(0).mean() * math.sqrt(queries.shape[-1]),
    }


Terms = dict[str, torch.Tensor | float]


@dataclass(frozen=True, kw_only=True)
class _Clean:
    """The clean forward pass, which the contrastive term was computed from."""

    embeddings: torch.Tensor  # (B, T, H)
    states: torch.Tensor  # (B, T, H)
    keys: torch.Tensor  # (B of all workers, D)
    targets: torch.Tensor  # (B, B) of all workers
    contrast: Contrast
    terms: Terms


class CarlAlgorithm:
    """The steps of CARL and of its baselines.

    Args:
        model: The trial's networks.
        config: The trial's settings.
        objective: The contrastive term.
    """

    def __init__(
        self, model: CarlModel, config: CarlConfig, objective: ContrastiveObjective
    ) -> None:
        self.model, self.config, self.objective = model, config, objective
        self.adversary = Adversary(model, config, objective)

    def updates(
        self, batch: Batch, step: int, *, momentum: float, detects: bool
    ) -> Iterator[Update]:
        """The step of the variant.

        Args:
            batch: This worker's share.
            step: Counts from 0 within the stage; at step 0 the perturbation is checked.
            momentum: m_s of this step.
            detects: Whether perturbed token detection trains now.
        """
        spec = self.config.variant_spec
        if spec.objective == "regression":
            return self._regress(batch)
        if spec.objective == "dropout":
            return self._contrast_views(batch)
        if not detects:
            return self._contrast(batch, momentum)
        if not spec.perturbs:
            return self._contrast_and_predict_saliency(batch, momentum)
        return self._contrast_and_detect(batch, step, momentum)

    def _contrast_and_detect(self, batch: Batch, step: int, momentum: float) -> Iterator[Update]:
        """CARL: 7 forward passes' worth of work, and 2 more for each further ascent step."""
        model, config, adversary = self.model, self.config, self.adversary
        clean = self._forward_clean(batch, momentum)
        if config.variant_spec.contrasts:
            clean.embeddings.retain_grad()
            loss = config.contrastive_weight * clean.contrast.loss
            yield Update("main", loss, clean.terms, step=False)
            assert clean.embeddings.grad is not None
            gradient = clean.embeddings.grad / config.contrastive_weight
            terms: Terms = {}
        else:
            (gradient,) = torch.autograd.grad(clean.contrast.loss, clean.embeddings)
            terms = clean.terms
        embeddings, keys, targets = clean.embeddings.detach(), clean.keys, clean.targets
        del clean  # free the clean graph before building the perturbed one

        chosen = adversary.choose(gradient, batch)
        delta = adversary.perturb(embeddings, gradient, chosen, batch, keys, targets)
        changed = adversary.share_changed(embeddings, delta, chosen, batch.mask)
        if step == 0:
            health.check_perturbation(float(changed), config)

        perturbed = model.online.lookup(batch.ids) + delta
        if not perturbed.requires_grad:  # frozen word embeddings; its gradient is still measured
            perturbed.requires_grad_()
        loss = self._detection_loss(model.online.states(perturbed, batch.mask), chosen, batch)
        terms |= {
            "ptd_loss": loss,
            "chosen_share": chosen.sum() / batch.tokens,
            "perturbation_changed": changed,
            "detection_gradient": length_of_gradient(perturbed),
        }
        yield Update("main", config.detection_weight * loss, terms)
        self._move_target(momentum)

    def _contrast_and_predict_saliency(self, batch: Batch, momentum: float) -> Iterator[Update]:
        """ε = 0: the discriminator reads the clean states. 5 forward passes' worth of work."""
        config = self.config
        clean = self._forward_clean(batch, momentum)
        (gradient,) = torch.autograd.grad(clean.contrast.loss, clean.embeddings, retain_graph=True)
        chosen = self.adversary.choose(gradient, batch)
        detection = self._detection_loss(clean.states, chosen, batch)
        loss = config.contrastive_weight * clean.contrast.loss + config.detection_weight * detection
        own = config.contrastive_weight * gradient
        terms = {
            **clean.terms,
            "ptd_loss": detection,
            "chosen_share": chosen.sum() / batch.tokens,
            "contrastive_gradient": _norm_of_batch(own),
            "detection_gradient": length_of_gradient(clean.embeddings, minus=own),
        }
        yield Update("main", loss, terms)
        self._move_target(momentum)

    def _contrast(self, batch: Batch, momentum: float) -> Iterator[Update]:
        """The contrastive term alone: the warm-up, CARL without PTD, and discrete labels."""
        clean = self._forward_clean(batch, momentum)
        yield Update("main", self.config.contrastive_weight * clean.contrast.loss, clean.terms)
        self._move_target(momentum)

    def _contrast_views(self, batch: Batch) -> Iterator[Update]:
        """SimCSE: two dropout views of each sentence, InfoNCE in both directions; no target."""
        online, mask = self.model.online, batch.mask.repeat(2, 1)
        states = online.states(online.lookup(batch.ids.repeat(2, 1)), mask)
        first, second = (gather(v, batch.rows) for v in online.project(states, mask).chunk(2))
        similarity = embedding_similarity(first, second)
        itself = torch.eye(len(similarity), device=similarity.device)
        contrast = soft_contrast(similarity, itself, self.config.temperature)
        terms = {"mccl_loss": contrast.loss, **batch_geometry(first, second)}
        yield Update("main", contrast.loss, terms)

    def _regress(self, batch: Batch) -> Iterator[Update]:
        """Plain fine-tuning: mean squared error on valence and arousal."""
        model = self.model
        states = model.online.states(model.online.lookup(batch.ids), batch.mask)
        loss = functional.mse_loss(at_least_fp32(model.ratings(states, batch.mask)), batch.labels)
        loss = loss * (len(batch.ids) / divisor(batch.rows))
        yield Update("main", loss, {"regression_loss": loss})

    def _forward_clean(self, batch: Batch, momentum: float) -> _Clean:
        """e, h, p, k, P and the contrastive term of the whole batch. Eq. (1)-(6)."""
        model = self.model
        assert model.target is not None
        embeddings = model.online.lookup(batch.ids)
        if not embeddings.requires_grad:  # frozen word embeddings still carry the saliency
            embeddings.requires_grad_()
        states = model.online.states(embeddings, batch.mask)
        queries = gather(model.queries(states, batch.mask), batch.rows)
        keys = gather(model.target.keys(batch.ids, batch.mask), batch.rows)
        if self.config.variant_spec.objective == "discrete":
            targets = class_targets(gather(batch.classes, batch.rows))
            similarity = embedding_similarity(queries, keys)
            contrast = soft_contrast(similarity, targets, self.config.temperature)
        else:
            targets = self.objective.targets(gather(batch.labels, batch.rows))
            contrast = self.objective(queries, keys, targets)
        terms: Terms = {
            "mccl_loss": contrast.loss,
            "mccl_ce": contrast.cross_entropy,
            "mccl_kl": contrast.divergence,
            "momentum": momentum,
            **batch_geometry(queries, keys),
        }
        if self.config.variant_spec.contrasts:
            terms["contrastive_gradient"] = length_of_gradient(embeddings)
        return _Clean(
            embeddings=embeddings,
            states=states,
            keys=keys,
            targets=targets,
            contrast=contrast,
            terms=terms,
        )

    def _detection_loss(
        self, states: torch.Tensor, chosen: torch.Tensor, batch: Batch
    ) -> torch.Tensor:
        return focal_detection_loss(
            self.model.detect(states),
            chosen,
            batch.eligible,
            gamma=self.config.focal_gamma,
            alpha=self.config.focal_alpha,
            tokens=batch.tokens,
        )

    def _move_target(self, momentum: float) -> None:
        assert self.model.target is not None
        self.model.target.follow(self.model.online, momentum)
