"""Perturbation of tokens: saliency, choice and ascent, Eq. (7)-(9).

Nothing here has a graph; the perturbation is a constant of the update.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from raysearch.distributed import gather, rand_rows, total
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import Batch
from raysearch.methods.carl.losses import ContrastiveObjective
from raysearch.methods.carl.model import CarlModel

__all__ = [
    "Adversary",
    "ascend",
    "ball_radius",
    "choose_tokens",
    "first_operand",
    "saliency",
    "share_changed",
]


def saliency(gradient: torch.Tensor, eligible: torch.Tensor) -> torch.Tensor:
    """Norm of the gradient at each token. Implements Eq. (7).

    Args:
        gradient: (B, T, H) float, ∂L/∂e.
        eligible: (B, T) bool, True = real token that is not special.

    Returns:
        (B, T) float, -inf at tokens that are not eligible.
    """
    lengths: torch.Tensor = torch.linalg.vector_norm(gradient, dim=-1)
    return lengths.masked_fill(~eligible, -torch.inf)


def choose_tokens(
    scores: torch.Tensor,
    eligible: torch.Tensor,
    share: float,
    choice: str = "salient",
    generator: torch.Generator | None = None,
    *,
    whole: tuple[int, int] | None = None,
) -> torch.Tensor:
    """The tokens to perturb. Implements Eq. (8), with k = max(1, ⌈share · n⌉) per sentence.

    Rounding up departs from a plain fraction: a good quarter of EmoBank's sentences have fewer than
    ten tokens, and rounding down would perturb nothing there (carl.md §4.4).

    Args:
        scores: (B, T) float saliency.
        eligible: (B, T) bool; a sentence without any gets no token.
        share: In (0, 1].
        choice: ``salient`` takes the k highest, ties by position; ``half_random`` half of these
            at random (for an odd k one more or one less, by a coin) and the rest from the other
            tokens while they last; ``random`` any k.
        generator: Random generator; torch's own by default.
        whole: Rows and width of the whole batch, of which several workers have a part each.

    Returns:
        (B, T) bool.
    """
    counts = eligible.sum(-1)
    wanted = (counts * share - 1e-6).ceil().clamp(min=1).minimum(counts)  # (B,)
    if choice == "salient":
        return _highest(scores, eligible, wanted)
    rows, width = whole or scores.shape
    chance = rand_rows(scores, rows, width, generator)
    if choice == "random":
        return _highest(chance, eligible, wanted)
    salient = _highest(scores, eligible, wanted)
    coins = rand_rows(wanted, rows, generator=generator)
    kept = _highest(chance, salient, (wanted / 2 + coins * 0.999).floor().minimum(wanted))
    return _highest(chance + 2 * kept + (~salient).float(), eligible, wanted)


def _highest(scores: torch.Tensor, allowed: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """(B, T) bool: the `counts` highest allowed tokens of each row, the earlier of equals."""
    order = (
        scores.masked_fill(~allowed, -torch.inf).sort(dim=-1, descending=True, stable=True).indices
    )
    ranks = torch.empty_like(order)
    ranks.scatter_(-1, order, torch.arange(order.shape[-1], device=order.device).expand_as(order))
    return (ranks < counts.unsqueeze(-1)) & allowed


def ball_radius(epsilon: float, dtype: torch.dtype) -> float:
    """The largest number of `dtype` that is not above `epsilon`.

    So no rounding leaves the ball; the fp32 number nearest to 5e-9 is outside.
    """
    nearest = torch.tensor(epsilon, dtype=dtype)
    if nearest.item() > epsilon:
        nearest = torch.nextafter(nearest, torch.zeros_like(nearest))
    return float(nearest.item())


def ascend(
    delta: torch.Tensor,
    gradient: torch.Tensor,
    chosen: torch.Tensor,
    *,
    epsilon: float,
    step_size: float,
    norm: str,
) -> torch.Tensor:
    """One step up the loss and back into the ball. Implements Eq. (9).

    Args:
        delta: (B, T, H) float, the perturbation so far.
        gradient: (B, T, H) float, ∂L/∂e at the perturbed point.
        chosen: (B, T) bool; other tokens get 0.
        epsilon: Radius >= 0 of the ball around the clean embedding.
        step_size: α, in units of `epsilon`.
        norm: ``sign`` steps by the gradient's sign, the ball is that of the maximum norm;
            ``l2`` steps along the gradient of each token, the ball is Euclidean.

    Returns:
        (B, T, H), nowhere outside the ball, exactly.
    """
    radius = ball_radius(epsilon, delta.dtype)
    if norm == "sign":
        moved = (delta + step_size * radius * gradient.sign()).clamp(-radius, radius)
    else:
        lengths = gradient.norm(dim=-1, keepdim=True)
        tiny = torch.finfo(gradient.dtype).tiny
        moved = delta + step_size * radius * gradient / lengths.clamp(min=tiny)
        outer = moved.norm(dim=-1, keepdim=True).clamp(min=tiny)
        # The factor keeps the rounding of the division inside the ball.
        moved = moved * (radius * (1 - 1e-6) / outer).clamp(max=1)
    return torch.where(chosen.unsqueeze(-1), moved, torch.zeros_like(moved))


class _Reached(Exception):
    """The first matrix product of an encoder is about to be computed."""


@torch.no_grad()
def first_operand(encoder: Any, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What an encoder multiplies first: word embeddings with position, normalised.

    Args:
        encoder: A transformers model; without dropout meanwhile, and not run any further.
        embeddings: (B, T, H) float word embeddings.
        mask: (B, T) bool, True = real token.

    Returns:
        (B, T, H'), or as the encoder has it; the word embeddings themselves where it has no linear
        layer.
    """
    found = [embeddings]

    def keep(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        found.append(inputs[0])
        raise _Reached

    training = encoder.training
    linear = (module for module in encoder.modules() if isinstance(module, nn.Linear))
    hooks = [module.register_forward_pre_hook(keep) for module in linear]
    encoder.eval()
    try:
        encoder(inputs_embeds=embeddings, attention_mask=mask.long())
    except _Reached:
        pass
    finally:
        encoder.train(training)
        for hook in hooks:
            hook.remove()
    return found[-1]


def share_changed(
    clean: torch.Tensor, perturbed: torch.Tensor, chosen: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """Share of the chosen tokens' coordinates that differ in a number format.

    Args:
        clean: (..., H) float, a state of each token; padded or transposed as an encoder has it
            (Longformer).
        perturbed: The same, of which only chosen tokens may differ.
        chosen: (B, T) bool.
        dtype: Number format that the encoder computes in; under autocast not that of the inputs.

    Returns:
        Scalar in [0, 1], of all workers' tokens; 0 when no token is chosen.
    """
    count = (perturbed.to(dtype) != clean.to(dtype)).sum()
    count, among = total(torch.stack([count, chosen.sum() * clean.shape[-1]]))
    share: torch.Tensor = count / among.clamp(min=1)
    return share


class Adversary:
    """Eq. (7)-(9) for one trial, with its settings.

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
        # Word embeddings may be narrower than hidden states (ALBERT, ELECTRA).
        return radius * math.sqrt(model.encoder.get_input_embeddings().weight.shape[1])

    def choose(
        self, gradient: torch.Tensor, batch: Batch, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """The tokens to perturb, (B, T) bool, from ∂L/∂e (B, T, H). Implements Eq. (7)-(8)."""
        scores = saliency(gradient, batch.eligible)
        config = self.config
        return choose_tokens(
            scores,
            batch.eligible,
            config.top_k,
            config.choice,
            generator,
            whole=(batch.rows, batch.width),
        )

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

        The first step is free: its gradient is the one of the saliency. Each further step is a
        forward and a backward pass to the embeddings only.

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
        self, clean: torch.Tensor, delta: torch.Tensor, chosen: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Fraction of coordinates that are others where the encoder first multiplies.

        There the sum with position embeddings, whose digits are larger, and the normalisation have
        rounded, and under autocast the product rounds to its own format: with MiniLM and a radius
        of 1e-9 the addition changes 51 % of the coordinates, and 37 % are left.

        Args:
            clean: (B, T, H) float word embeddings.
            delta: (B, T, H) float.
            chosen: (B, T) bool.
            mask: (B, T) bool, True = real token.
        """
        kind = clean.device.type
        autocast = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if autocast else clean.dtype
        encoder = self.model.encoder
        before, after = (
            first_operand(encoder, each, mask) for each in (clean, clean.detach() + delta)
        )
        return share_changed(before, after, chosen, dtype)

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
