"""The networks of MSMO: encoder F, tagger P, and the critic Q of `critic` (docs/msmo.md §2.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from raysearch.errors import StoreError
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.critic import Critic, masked_mean
from raysearch.methods.msmo.items import PackedBatch
from raysearch.methods.msmo.tags import TAGS
from raysearch.methods.tensors import at_least_fp32
from raysearch.methods.weights import given_names, load_trained, trained

__all__ = ["Network", "Outputs", "frozen"]


@dataclass(frozen=True)
class Outputs:
    """The encoder's output for some parts of sentences.

    Attributes:
        states: Of each chunk, (B, T, H) last hidden states.
        packed: The input.
    """

    states: tuple[torch.Tensor, ...]
    packed: PackedBatch

    @cached_property
    def words(self) -> torch.Tensor:
        """(W, H) states of the pieces that represent the words, in order of parts."""
        return self._flat()[self.packed.words]

    @cached_property
    def pieces(self) -> torch.Tensor:
        """(L, H) states of all real pieces, specials included, in order of parts."""
        return self._flat()[self.packed.pieces]

    @cached_property
    def features(self) -> torch.Tensor:
        """(P, H) fp32 features for the critic: the mean over a part's real pieces.

        For a linear critic f the mean of f over the pieces, which the code takes, is f of the
        mean: f(x) = w·x + b, and the weights 1/T of the mean sum to 1.
        """
        means = zip(self.states, self.packed.masks, strict=True)
        return torch.cat([masked_mean(states, mask) for states, mask in means])[self.packed.order]

    def _flat(self) -> torch.Tensor:
        return torch.cat([states.flatten(0, 1) for states in self.states])


class Network(nn.Module):
    """Encoder, tagger and, optionally, critic.

    Args:
        encoder: A transformers model without pooler, which is not copied.
        config: Dropout, critic, whether word embeddings are trained.
        critic: Whether there is a critic.
    """

    def __init__(self, encoder: Any, config: MsmoConfig, *, critic: bool) -> None:
        super().__init__()
        hidden = int(encoder.config.hidden_size)
        embeddings = encoder.get_input_embeddings().weight
        embeddings.requires_grad_(not config.freeze_embeddings)
        self.encoder = encoder
        self.dropout = nn.Dropout(config.dropout)
        self.tagger = nn.Linear(hidden, len(TAGS))
        self.critic = Critic(hidden, config) if critic else None
        self._given = given_names(self, encoder)

    def forward(self, packed: PackedBatch) -> Outputs:
        """Hidden states of some parts of sentences."""
        states = tuple(
            self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
            for ids, mask in zip(packed.ids, packed.masks, strict=True)
        )
        return Outputs(states, packed)

    def tag(self, states: torch.Tensor) -> torch.Tensor:
        """Logits (N, 13) fp32 of hidden states (N, H)."""
        return at_least_fp32(self.tagger(self.dropout(states)))

    def result(self) -> dict[str, Any]:
        """A copy of encoder and tagger on the CPU, for later stages and for evaluation.

        Without word embeddings that are not trained, which the encoder has.
        """
        weights = {
            name: tensor.to("cpu", copy=True)
            for name, tensor in self.trained().items()
            if not name.startswith("critic.")
        }
        return {"tags": list(TAGS), "weights": weights}

    def trained(self) -> dict[str, torch.Tensor]:
        """References to all weights except word embeddings that are not trained."""
        return trained(self, self._given)

    def load_trained(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Load the weights of `trained`."""
        load_trained(self, weights, self._given)

    def load_result(self, result: Mapping[str, Any], *, what: str) -> None:
        """Load the weights of `result`, from this trial or another.

        Args:
            result: Of a network with the same encoder.
            what: Its name, for messages.

        Raises:
            StoreError: It has another tag set or encoder, or is damaged.
        """
        tags = result.get("tags")
        if tags != list(TAGS):
            raise StoreError(
                f"the result of {what} must be of a tagger with the {len(TAGS)} labels "
                f"{TAGS[0]} to {TAGS[-1]}, but its labels are {_shown(tags)}; train it again"
            )
        weights, own = dict(result.get("weights", {})), self.state_dict()
        wanted = {n for n in own if not n.startswith("critic.")} - self._given
        wrong = sorted(wanted ^ set(weights))
        wrong += sorted(n for n in wanted & set(weights) if weights[n].shape != own[n].shape)
        if wrong:
            raise StoreError(
                f"the result of {what} must have the weights of this encoder and tagger, but "
                f"{len(wrong)} are missing, unknown or of another shape, such as {wrong[0]}; "
                "remove it from the stage cache, or train it again"
            )
        self.load_state_dict(weights, strict=False)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Disable gradients of the module's parameters inside, but not those that flow through it."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


def _shown(tags: Any) -> str:
    return f"{len(tags)}: {' '.join(map(str, tags))[:60]}" if isinstance(tags, list) else "unknown"
