"""Distillation: teachers' probabilities, computed once, and the steps of a student on them.

A teacher's probabilities are stored for every real piece of the unlabelled target sentences,
including specials but no padding (docs/msmo.md §2.2, §4.4). They are independent of weights and
temperature, so that every setting of distillation shares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from raysearch.distributed import divisor
from raysearch.errors import StoreError
from raysearch.methods.base import Update
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.items import PackedBatch, pack
from raysearch.methods.msmo.model import Network
from raysearch.methods.msmo.sampling import Share, bucketed
from raysearch.methods.msmo.tags import TAGS
from raysearch.methods.msmo.tokens import Tokenised, spans
from raysearch.methods.tensors import at_least_fp32, on_device

__all__ = [
    "DISTANCES",
    "DistillBatch",
    "distill_batches",
    "distill_loss",
    "distill_updates",
    "mix",
    "soft_labels",
    "soften",
    "teach",
]

TAUGHT_PARTS = 64
"""Parts that a teacher reads at once, of similar length."""


@dataclass(frozen=True, kw_only=True)
class DistillBatch:
    """This worker's part of a step on unlabelled sentences.

    Attributes:
        packed: The sentences.
        target: (L, 13) soft labels of their real pieces.
        share: Pieces of this worker relative to the mean number of pieces of a worker.
    """

    packed: PackedBatch
    target: torch.Tensor
    share: float


@torch.no_grad()
def teach(network: Network, tokens: Tokenised, device: torch.device) -> dict[str, Any]:
    """A teacher's probabilities on unlabelled sentences, in eval mode.

    Args:
        network: The teacher; its mode is restored.
        tokens: The sentences.
        device: Device of the teacher.

    Returns:
        ``probabilities`` (L, 13) fp32 on the CPU, of all pieces in order, and ``tags``.
    """
    training = network.training
    network.eval()
    found = torch.empty(len(tokens.ids), len(TAGS), dtype=torch.float32)
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
        taught: Results of `teach`, by name of the stage, in order of the weights.
        tokens: The same sentences.
        config: Weights and temperature.

    Raises:
        StoreError: A teacher has another tag set, or other sentences.
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


def soften(probs: torch.Tensor, temperature: float) -> torch.Tensor:
    """softmax(logits / T) from softmax(logits): p^(1/T), normalised to sum to 1.

    So teachers' probabilities are stored once, for every temperature.

    Args:
        probs: (P, 13) float, rows sum to 1; zeros stay zeros.
        temperature: T > 0; 1 changes nothing.

    Returns:
        (P, 13) in fp32 at least.
    """
    probs = at_least_fp32(probs)
    if temperature == 1:
        return probs
    # Scaled so that the largest is 1, so that no row underflows at a low temperature.
    powers = (probs / probs.amax(-1, keepdim=True)).pow(1 / temperature)
    return powers / powers.sum(-1, keepdim=True)


def mix(teacher_probs: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """Soft labels p = Σ w_k g_k: means of probabilities, not of logits (docs/msmo.md §2.2).

    With a temperature other than 1, each teacher passes through `soften` first.

    Args:
        teacher_probs: (P, 13) of each teacher at the same positions, rows sum to 1.
        weights: w_k >= 0 that sum to 1, one for each teacher. Code: 1/3 of three.

    Returns:
        (P, 13) in fp32 at least, rows sum to 1.

    Raises:
        ValueError: The numbers of weights and teachers differ.
    """
    shares = zip(teacher_probs, weights, strict=True)
    return torch.stack([at_least_fp32(probs) * weight for probs, weight in shares]).sum(0)


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
    """One epoch of this worker's batches of unlabelled sentences, of similar length.

    Args:
        tokens: The sentences.
        target: (L, 13) soft labels of all their pieces, on the CPU.
        config: Batch size.
        seed: Seed of the epoch.
        share: Selects this worker's part.
        device: Device of the batches.
        workers: Workers that share a step.
    """
    for rows in bucketed(tokens.longest, config.batch_size, seed):
        mine = share(rows)
        parts, whole = spans(tokens.parts, mine), spans(tokens.parts, rows)
        own = spans(tokens.starts, parts)
        yield DistillBatch(
            packed=pack(tokens, parts, device),
            target=on_device(target[torch.from_numpy(own)], device),
            share=len(own) / divisor(tokens.sizes[whole].sum(), workers),
        )


def distill_updates(network: Network, batch: DistillBatch, config: MsmoConfig) -> Iterator[Update]:
    """The student's update: its distance from the teachers at every real piece."""
    logits = network.tag(network(batch.packed).pieces)
    distance = distill_loss(logits, batch.target, config.distill_temperature, config.distill_loss)
    loss = batch.share * distance
    yield Update("main", loss, {"distillation": loss})


def distill_loss(
    logits: torch.Tensor, target: torch.Tensor, temperature: float, kind: str
) -> torch.Tensor:
    """Distance of a student from soft labels. Implements L_KD of docs/msmo.md §2.2.

    ``mse`` is the mean over positions and over the 13 classes of (softmax(logits / T) - p)²;
    paper and code have T = 1. ``kl``, which is not in the paper, is the mean over positions of
    KL(p ‖ softmax(logits / T)). Both are multiplied by T², as gradients of either shrink with
    1/T² (Hinton et al. 2015, Sec. 2), so that a temperature does not act as a step size.

    Args:
        logits: (P, 13) float, of the student at every real piece of the batch, not only at the
            first of a word, specials included; P >= 1.
        target: (P, 13), from `mix`, of teachers softened with the same temperature.
        temperature: T > 0.
        kind: A name in `DISTANCES`.

    Returns:
        Scalar >= 0 in fp32 at least.

    Raises:
        KeyError: No such distance.
    """
    log_student = (at_least_fp32(logits) / temperature).log_softmax(-1)
    return DISTANCES[kind](log_student, at_least_fp32(target)) * temperature**2


def _squared(log_student: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (log_student.exp() - target).square().mean()


def _divergence(log_student: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return functional.kl_div(log_student, target, reduction="none").sum(-1).mean()


DISTANCES: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = MappingProxyType(
    {"mse": _squared, "kl": _divergence}
)
"""Distance of the student's log-probabilities from the target probabilities, by name."""
