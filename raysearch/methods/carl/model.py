"""The networks of CARL: online encoder with heads, momentum target, discriminator.

The word embeddings are looked up separately from the encoder, before position and normalisation:
saliency is read and the perturbation added there (carl.md §4.4).
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.weights import given_names

__all__ = ["CarlModel", "MaskedHead", "Target", "momentum_at", "pool"]


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Sentence states from token states.

    Args:
        states: (B, T, H) float.
        mask: (B, T) bool, True = real token, specials included.
        pooling: ``cls`` for the first token, ``mean`` for the mean over real tokens.

    Returns:
        (B, H).
    """
    if pooling == "cls":
        return states[:, 0]
    weights = mask.to(states.dtype).unsqueeze(-1)
    return (states * weights).sum(1) / weights.sum(1)


def momentum_at(step: int, steps: int, gap: float) -> float:
    """Momentum m_s = 1 - (1 - m₀)(1 + cos(πs/S))/2, from m₀ to 1. Schedule of Eq. (3).

    Args:
        step: s, steps done before this one.
        steps: S, all steps of the trial.
        gap: 1 - m₀ in [0, 1].
    """
    return 1 - gap * (1 + math.cos(math.pi * step / steps)) / 2


class _Branch(nn.Module):
    """Encoder and projection, the common part of online and target."""

    def __init__(self, encoder: Any, config: CarlConfig) -> None:
        super().__init__()
        self.pooling = config.pooling
        self.encoder = encoder
        self.projection: nn.Module | None = None
        if config.variant_spec.objective in ("soft", "discrete", "dropout"):
            hidden = int(encoder.config.hidden_size)
            self.projection = nn.Sequential(
                nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, config.projection_size)
            )

    def lookup(self, ids: torch.Tensor) -> torch.Tensor:
        """Word embeddings e (B, T, H) of ids (B, T), before position and normalisation."""
        embeddings: torch.Tensor = self.encoder.get_input_embeddings()(ids)
        return embeddings

    def states(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Last hidden states (B, T, H) from word embeddings (B, T, H)."""
        output = self.encoder(inputs_embeds=embeddings, attention_mask=mask.long())
        states: torch.Tensor = output.last_hidden_state
        return states

    def layers(self, embeddings: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Hidden states (B, T, H) of every layer, first those that the first one reads."""
        output = self.encoder(
            inputs_embeds=embeddings, attention_mask=mask.long(), output_hidden_states=True
        )
        # Some encoders normalise their last states once more.
        return (*output.hidden_states[:-1], output.last_hidden_state)

    def project(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Projections g(f(x)) (B, D) from token states."""
        assert self.projection is not None
        projected: torch.Tensor = self.projection(pool(states, mask, self.pooling))
        return projected


class Target(nn.Module):
    """The momentum branch: a copy of online encoder and projection without gradients.

    Parameters that the online branch does not train are shared with it, not copied. It is in
    eval mode whatever the model around it is in, unless the config gives it dropout.

    Its steps are below the rounding of fp32: with the paper's momentum a weight of 1 that moves by
    2e-5 moves the target by 8e-9, and 1 has no neighbour nearer than 6e-8. What a step loses in
    rounding is therefore kept and added to the next one (compensated summation, Kahan 1965).
    """

    def __init__(self, online: _Branch, *, dropout: bool) -> None:
        super().__init__()
        self.dropout = dropout
        frozen = [p for p in online.parameters() if not p.requires_grad]
        self.branch = copy.deepcopy(online, {id(p): p for p in frozen}).requires_grad_(False)
        self.rounding: list[torch.Tensor] = []
        """What rounding has kept from each followed parameter; none before the first step."""
        self.train(False)

    def train(self, mode: bool = True) -> Target:
        """Stay in eval mode; with dropout follow the model."""
        super().train(mode and self.dropout)
        return self

    @torch.no_grad()
    def keys(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Keys k (B, D). Implements Eq. (2)."""
        return self.branch.project(self.branch.states(self.branch.lookup(ids), mask), mask)

    @torch.no_grad()
    def follow(self, online: _Branch, momentum: float) -> None:
        """θ_t ← mθ_t + (1 - m)θ_o on parameters; buffers are copied. Implements Eq. (3)."""
        pairs = [
            (mine, other)
            for mine, other in zip(self.branch.parameters(), online.parameters(), strict=True)
            if other.requires_grad
        ]
        targets: list[torch.Tensor] = [mine for mine, _ in pairs]
        leaders: list[torch.Tensor] = [other for _, other in pairs]
        if momentum == 0:  # a copy, exactly
            torch._foreach_copy_(targets, leaders)
            self.rounding = []
        owed = self.rounding = self.rounding or [torch.zeros_like(mine) for mine in targets]
        apart = torch._foreach_sub(leaders, targets)
        torch._foreach_sub_(apart, owed)
        torch._foreach_add_(owed, apart, alpha=1 - momentum)
        torch._foreach_copy_(apart, targets)
        torch._foreach_add_(targets, owed)
        torch._foreach_sub_(apart, targets)
        torch._foreach_add_(owed, apart)
        for mine, other in zip(self.branch.buffers(), online.buffers(), strict=True):
            mine.copy_(other)


class MaskedHead(nn.Module):
    """Scores over the vocabulary from token states: dense, GELU, LayerNorm, tied embeddings.

    BERT's head for masked words, from random weights: an encoder comes without one.

    Args:
        encoder: A transformers model; its word embeddings (V, E) stay its own.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        vocabulary, width = encoder.get_input_embeddings().weight.shape
        self.transform = nn.Sequential(
            nn.Linear(int(encoder.config.hidden_size), width), nn.GELU(), nn.LayerNorm(width)
        )
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, states: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """Logits (N, V) from states (N, H) and word embeddings (V, E)."""
        return functional.linear(self.transform(states), embeddings, self.bias)


class CarlModel(nn.Module):
    """All networks of one trial, without those that its variant does not train.

    Args:
        encoder: A transformers model without pooler, which is not copied.
        config: Sizes, pooling, variant.
    """

    def __init__(self, encoder: Any, config: CarlConfig) -> None:
        super().__init__()
        hidden = int(encoder.config.hidden_size)
        weights = encoder.get_input_embeddings().weight
        weights.requires_grad_(not config.freeze_embeddings)
        self.embedding_sd = float(weights.detach().std())
        """Sd of the word embeddings before training: the unit of a relative perturbation."""
        if config.variant == "frozen":
            encoder.requires_grad_(False)
        self.online = _Branch(encoder, config)
        self.prediction: nn.Module | None = None
        self.target: Target | None = None
        self.discriminator: nn.Module | None = None
        self.regression: nn.Module | None = None
        self.masked: MaskedHead | None = None
        spec = config.variant_spec
        if spec.objective in ("soft", "discrete"):
            size = config.projection_size
            self.prediction = nn.Sequential(
                nn.Linear(size, config.prediction_hidden),
                nn.GELU(),
                nn.Linear(config.prediction_hidden, size),
            )
            if not spec.contrasts:  # the heads only pass a gradient to the tokens
                self.online.projection.requires_grad_(False)  # type: ignore[union-attr]
                self.prediction.requires_grad_(False)
            self.target = Target(self.online, dropout=config.target_dropout)
        if spec.detects:
            self.discriminator = nn.Sequential(
                nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, 1)
            )
        if spec.objective == "regression":
            self.regression = nn.Linear(hidden, 2)
        if config.masked_epochs > 0 and config.variant != "frozen":
            self.masked = MaskedHead(encoder)
        self.given = given_names(self, encoder)
        """Names of the weights that are the encoder's own, since they are not trained."""

    def heads(self) -> list[nn.Module]:
        """All trained parts that started from random weights."""
        found = (
            *(self.online.projection, self.prediction, self.discriminator),
            *(self.regression, self.masked),
        )
        return [head for head in found if head is not None]

    @property
    def encoder(self) -> Any:
        """The online encoder, the result of the trial."""
        return self.online.encoder

    def queries(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Predictions p (B, D) from the online token states. Implements Eq. (1)."""
        assert self.prediction is not None
        predicted: torch.Tensor = self.prediction(self.online.project(states, mask))
        return predicted

    def detect(self, states: torch.Tensor) -> torch.Tensor:
        """Logits (B, T) that a token was perturbed, from the online token states."""
        assert self.discriminator is not None
        logits: torch.Tensor = self.discriminator(states).squeeze(-1)
        return logits

    def ratings(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Valence and arousal (B, 2) from the online token states, of plain fine-tuning."""
        assert self.regression is not None
        rated: torch.Tensor = self.regression(pool(states, mask, self.online.pooling))
        return rated
