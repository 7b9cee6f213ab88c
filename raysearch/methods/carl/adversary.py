"""How does a trial's setting turn a gradient into chosen tokens and a perturbation of them."""

from __future__ import annotations

import math

import torch

from raysearch.distributed import gather
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import Batch
from raysearch.methods.carl.losses.contrastive import ContrastiveObjective
from raysearch.methods.carl.model import CarlModel
from raysearch.methods.carl.perturb import ascend, choose_tokens, saliency, share_changed

__all__ = ["Adversary"]


class Adversary:
    """Eq. (7)-(9) for one trial: `perturb`'s functions with the trial's settings.

    Args:
        model: Further ascent steps (K > 1) go through its online branch.
        config: Choice, share, radius, norm, steps.
        objective: The loss to ascend.
    """

    def __init__(
        self, model: CarlModel, config: CarlConfig, objective: ContrastiveObjective
    ) -> None:
        self.model, self.config, self.objective = model, config, objective

    @property
    def radius(self) -> float:
        """Radius of the ball on word embeddings: of a coordinate (sign), of a token (L2).

        A relative radius ρ is a root mean square over coordinates in units of the embeddings'
        sd, so that ρ means the same size in both norms.
        """
        config, model = self.config, self.model
        if config.perturbation == "absolute":
            return config.epsilon
        radius = config.relative_epsilon * model.embedding_sd
        if config.perturbation_norm == "sign":
            return radius
        return radius * math.sqrt(int(model.encoder.config.hidden_size))

    def choose(
        self, gradient: torch.Tensor, batch: Batch, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """The tokens to perturb, (B, T) bool, from ∂L/∂e (B, T, H). Implements Eq. (7)-(8)."""
        scores = saliency(gradient, batch.eligible)
        config = self.config
        return choose_tokens(scores, batch.eligible, config.top_k, config.choice, generator)

    def perturb(
        self,
        clean: torch.Tensor,
        gradient: torch.Tensor,
        chosen: torch.Tensor,
        batch: Batch,
        keys: torch.Tensor,
        targets: torch.Tensor,
    ) -> torch.Tensor:
        """The perturbation (B, T, H), a constant. Implements Eq. (9).

        The first step is free: its gradient is the one that saliency was read from. Each
        further step is a forward and a backward pass to the embeddings only.

        Args:
            clean: (B, T, H) float word embeddings.
            gradient: (B, T, H) float, ∂L_MCCL/∂e at `clean`.
            chosen: (B, T) bool.
            batch: This worker's share.
            keys: (B of all workers, D) float, fixed.
            targets: (B, B) of all workers, fixed.
        """
        config, delta = self.config, torch.zeros_like(clean)
        for step in range(config.pgd_steps):
            if step > 0:
                gradient = self._gradient(clean + delta, batch, keys, targets)
            delta = ascend(
                delta,
                gradient,
                chosen,
                epsilon=self.radius,
                step_size=config.pgd_step_size,
                norm=config.perturbation_norm,
            )
        return delta

    def share_changed(
        self, clean: torch.Tensor, delta: torch.Tensor, chosen: torch.Tensor
    ) -> torch.Tensor:
        """Share of coordinates that change in the number format of the matrix products.

        Under autocast the word embeddings are fp32 still, but the first product rounds them.
        """
        kind = clean.device.type
        autocast = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if autocast else clean.dtype
        return share_changed(clean, delta, chosen, dtype)

    @torch.enable_grad()
    def _gradient(
        self,
        embeddings: torch.Tensor,
        batch: Batch,
        keys: torch.Tensor,
        targets: torch.Tensor,
    ) -> torch.Tensor:
        embeddings = embeddings.detach().requires_grad_()
        states = self.model.online.states(embeddings, batch.mask)
        queries = gather(self.model.queries(states, batch.mask), batch.rows)
        (gradient,) = torch.autograd.grad(self.objective(queries, keys, targets).loss, embeddings)
        return gradient
