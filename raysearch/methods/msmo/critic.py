"""The language critic Q: its network, the Wasserstein gap, and its updates.

Q maximises E f(source) - E f(target) with its weights clipped to [-c, c]; the encoder minimises λ
times the same gap (docs/msmo.md §2.1, §2.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from raysearch.methods.base import Update
from raysearch.methods.msmo.batches import CriticBatch
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.tensors import at_least_fp32

__all__ = [
    "Critic",
    "clip_weights",
    "critic_rate",
    "critic_rounds",
    "gap_between",
    "masked_mean",
    "ordered_share",
    "saturation",
    "train_critic",
    "wasserstein_gap",
]

BURST_STEPS, BURST_EVERY = 26, 500
"""The critic's updates are doubled in this many first steps, and every this many (code)."""


def masked_mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean hidden state of every sentence: the critic's input (docs/msmo.md §2.1).

    Departures from the code: padding does not count (docs/msmo.md §5.8), and every sentence has
    the same weight, while the code takes one mean over all positions of a batch. For a linear
    critic the mean of its scores is the score of the mean.

    Args:
        states: (B, T, H) float; values where the mask is False are ignored.
        mask: (B, T) bool, True = real piece, specials included.

    Returns:
        (B, H) in fp32 at least; zeros for a sentence without pieces.
    """
    kept = at_least_fp32(states).masked_fill(~mask.unsqueeze(-1), 0.0)
    return kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class Critic(nn.Module):
    """Q: a score of a sentence feature, high for the source language; no sigmoid.

    Linear as in the code with one layer; ReLU between several. The last layer has no bias, unlike
    the code's: it cancels in the gap, a difference of means. The critic computes in fp32: with
    c = 0.01 scores differ in digits that bf16 does not have.

    Args:
        hidden: H of the encoder.
        config: Depth, width, dropout, c.
    """

    def __init__(self, hidden: int, config: MsmoConfig) -> None:
        super().__init__()
        sizes = [hidden, *[config.critic_width] * (config.critic_layers - 1), 1]
        layers: list[nn.Module] = [nn.Dropout(config.dropout)]
        for number, (size, following) in enumerate(zip(sizes, sizes[1:], strict=False)):
            layers += [nn.ReLU()] * (number > 0)
            layers.append(nn.Linear(size, following, bias=number < len(sizes) - 2))
        self.layers = nn.Sequential(*layers)
        clip_weights(self, config.critic_clip)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Scores (P,) of features (P, H)."""
        with torch.autocast(features.device.type, enabled=False):
            scores: torch.Tensor = self.layers(at_least_fp32(features)).squeeze(-1)
        return scores


def wasserstein_gap(
    scores_source: torch.Tensor,
    scores_target: torch.Tensor,
    *,
    sources: float | None = None,
    targets: float | None = None,
) -> torch.Tensor:
    """E f(source) - E f(target). Implements J_q, and the mean in L_adv, of docs/msmo.md §2.2.

    The critic maximises it, the encoder minimises λ times it, which is the gradient that a
    reversal layer would produce. Scores have no sigmoid.

    Args:
        scores_source: (N,) float, f of source language sentences.
        scores_target: (M,) float, f of target language sentences.
        sources: Divisor of the source side's sum; by default N, which must then be >= 1. A
            worker with a part of the batch passes the whole batch's number over the workers.
        targets: The same for the target side.

    Returns:
        Scalar in fp32 at least; for a linear critic in [-c, c] at most c · |Δ mean|_1.
    """
    source = at_least_fp32(scores_source).sum() / (sources or len(scores_source))
    return source - at_least_fp32(scores_target).sum() / (targets or len(scores_target))


@torch.no_grad()
def clip_weights(module: nn.Module, c: float) -> None:
    """Clamp every parameter, biases too, to [-c, c], in place (docs/msmo.md §2.2).

    Args:
        module: The critic.
        c: > 0.
    """
    for parameter in module.parameters():
        parameter.clamp_(-c, c)


@torch.no_grad()
def saturation(module: nn.Module, c: float) -> torch.Tensor:
    """Scalar fraction in [0, 1] of a critic's parameters at -c or c.

    A critic with all parameters at the bounds has become the sign of the difference of means; one
    without any there has not begun to move (docs/msmo.md §5.7).

    Args:
        module: The critic, with one parameter at least.
        c: The bound of `clip_weights`.
    """
    bound = [(parameter.abs() >= c).flatten() for parameter in module.parameters()]
    return torch.cat(bound).float().mean()


def gap_between(
    critic: Critic, features: torch.Tensor, sides: CriticBatch
) -> tuple[torch.Tensor, torch.Tensor]:
    """E f(source) - E f(target) of the whole batch, and how well the critic separates them.

    Args:
        critic: f.
        features: (P, H) of this worker's sentences.
        sides: Which of them are source and target, and their total numbers.

    Returns:
        The gap, with a graph, and `ordered_share`.
    """
    source, target = critic(features[sides.source]), critic(features[sides.target])
    gap = wasserstein_gap(source, target, sources=sides.sources, targets=sides.targets)
    return gap, ordered_share(source, target)


@torch.no_grad()
def ordered_share(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Fraction of (source, target) pairs that the critic orders correctly: chance is 0.5.

    A critic without sigmoid has no threshold; this is the area under its ROC curve.
    """
    if not (len(source) and len(target)):
        return source.new_tensor(0.5)
    difference = source.unsqueeze(1) - target.unsqueeze(0)
    return ((difference > 0).float() + 0.5 * (difference == 0).float()).mean()


def critic_rounds(config: MsmoConfig, step: int) -> int:
    """Updates of the critic before the encoder's update of a step, from 0 in the stage."""
    burst = config.critic_burst and (step < BURST_STEPS or step % BURST_EVERY == 0)
    return config.critic_steps * (2 if burst else 1)


def critic_rate(config: MsmoConfig, step: int, steps: int) -> float:
    """Factor in [0, 1] on the critic's learning rate: linear to 0 over `critic_horizon`.

    Args:
        config: A horizon of 0 keeps the rate constant.
        step: From 0 within the stage.
        steps: Steps of the stage.
    """
    if config.critic_horizon == 0:
        return 1.0
    return max(0.0, 1 - step / (config.critic_horizon * steps))


def train_critic(
    critic: Critic,
    features: torch.Tensor,
    rounds: Sequence[CriticBatch],
    config: MsmoConfig,
    rate: float,
) -> Iterator[Update]:
    """The critic's updates of one step: max_Q E f(source) - E f(target), within [-c, c].

    Args:
        critic: Q.
        features: (P, H) of sentences, without a graph: the encoder is fixed meanwhile, so one
            forward pass serves all updates.
        rounds: The sides of each update.
        config: c.
        rate: Factor on the learning rate.
    """
    for sides in rounds:
        gap, _ = gap_between(critic, features, sides)
        yield Update("critic", -gap, rate=rate)
        clip_weights(critic, config.critic_clip)
