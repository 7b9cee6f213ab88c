"""How does a student learn from teachers: their probabilities, computed once, and its steps.

A teacher's probabilities are stored for every real piece of the unlabelled target sentences,
specials included, and for no padding (docs/msmo.md §2.2, §4.4). They know no weight and no
temperature, so that every setting of distillation shares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from raysearch.errors import StoreError
from raysearch.methods.base import Update
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.data.items import PackedBatch, pack
from raysearch.methods.msmo.data.sampling import Share, bucketed
from raysearch.methods.msmo.data.tokens import Tokenised, spans
from raysearch.methods.msmo.losses.distillation import distill_loss, mix, soften
from raysearch.methods.msmo.model import Network
from raysearch.methods.msmo.tags import TAGS
from raysearch.methods.tensors import on_device

__all__ = ["DistillBatch", "distill_batches", "distill_updates", "soft_labels", "teach"]

TAUGHT_PARTS = 64
"""Parts that a teacher reads at once, of like length."""


@dataclass(frozen=True, kw_only=True)
class DistillBatch:
    """This worker's part of a step on unlabelled sentences.

    Attributes:
        packed: The sentences.
        target: (L, 13) soft labels of their real pieces.
        share: Pieces of this worker over the mean number of pieces of a worker.
    """

    packed: PackedBatch
    target: torch.Tensor
    share: float


@torch.no_grad()
def teach(network: Network, tokens: Tokenised, device: torch.device) -> dict[str, Any]:
    """A teacher's probabilities on unlabelled sentences, in eval mode.

    Args:
        network: The teacher; its mode is left as it was.
        tokens: The sentences.
        device: Where the teacher is.

    Returns:
        ``probabilities`` (L, 13) fp32 on the CPU, of all pieces in order, and ``tags``.
    """
    training = network.training
    network.eval()
    found = torch.empty(len(tokens.ids), len(TAGS))
    order = np.argsort(-tokens.sizes, kind="stable")
    for start in range(0, len(order), TAUGHT_PARTS):
        parts = order[start : start + TAUGHT_PARTS]
        logits = network.tag(network(pack(tokens, parts, device)).pieces)
        found[torch.from_numpy(spans(tokens.starts, parts))] = logits.softmax(-1).float().cpu()
    network.train(training)
    return {"tags": list(TAGS), "probabilities": found}


def soft_labels(
    taught: Mapping[str, Mapping[str, Any]], tokens: Tokenised, config: MsmoConfig
) -> torch.Tensor:
    """The teachers' mean p = Σ w_k g_k, (L, 13), each softened by the temperature.

    Args:
        taught: What `teach` gave, by name of the stage, in order of the weights.
        tokens: The sentences that were taught on.
        config: Weights and temperature.

    Raises:
        StoreError: A teacher is of another tag set, or of other sentences.
    """
    for name, result in taught.items():
        if result.get("tags") != list(TAGS):
            labels = result.get("tags") or []
            raise StoreError(
                f"the teacher of stage {name} must have the {len(TAGS)} labels {TAGS[0]} to "
                f"{TAGS[-1]}, but has {len(labels)}: {' '.join(labels)[:60]}; train it again"
            )
        probabilities = result.get("probabilities")
        shape = (len(tokens.ids), len(TAGS))
        if probabilities is None or tuple(probabilities.shape) != shape:
            got = "none" if probabilities is None else str(tuple(probabilities.shape))
            raise StoreError(
                f"the probabilities of stage {name} must be of shape {shape}, one row for each "
                f"piece of the unlabelled sentences, but are {got}; remove the entry from the "
                "stage cache"
            )
    softened = [soften(r["probabilities"], config.distill_temperature) for r in taught.values()]
    return mix(softened, config.weights)


def distill_batches(
    tokens: Tokenised,
    target: torch.Tensor,
    config: MsmoConfig,
    seed: int,
    share: Share,
    device: torch.device,
    *,
    workers: int = 1,
) -> Iterator[DistillBatch]:
    """One epoch of this worker's batches of unlabelled sentences, of like length.

    Args:
        tokens: The sentences.
        target: (L, 13) soft labels of all their pieces, on the CPU.
        config: Batch size.
        seed: Seed of the epoch.
        share: Takes this worker's part.
        device: Where batches go.
        workers: Workers that share a step.
    """
    for rows in bucketed(tokens.longest, config.batch_size, seed):
        mine = share(rows)
        parts, whole = spans(tokens.parts, mine), spans(tokens.parts, rows)
        own = spans(tokens.starts, parts)
        yield DistillBatch(
            packed=pack(tokens, parts, device),
            target=on_device(target[torch.from_numpy(own)], device),
            share=len(own) * workers / tokens.sizes[whole].sum(),
        )


def distill_updates(network: Network, batch: DistillBatch, config: MsmoConfig) -> Iterator[Update]:
    """The student's update: its distance from the teachers at every real piece."""
    logits = network.tag(network(batch.packed).pieces)
    distance = distill_loss(logits, batch.target, config.distill_temperature, config.distill_loss)
    loss = batch.share * distance
    yield Update("main", loss, {"distillation": loss})
