"""How is the language critic trained, how far does it see the languages apart, and when?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from raysearch.methods.base import Update
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.data.batches import CriticBatch
from raysearch.methods.msmo.losses.adversarial import clip_weights, wasserstein_gap
from raysearch.methods.msmo.model import Critic

__all__ = ["critic_rate", "critic_rounds", "gap_between", "ordered_share", "train_critic"]

BURST_STEPS, BURST_EVERY = 26, 500
"""The critic has twice as many updates in so many first steps, and once in so many (code)."""


def critic_rounds(config: MsmoConfig, step: int) -> int:
    """Updates of the critic before the encoder's update of a step, from 0 in the stage."""
    burst = config.critic_burst and (step < BURST_STEPS or step % BURST_EVERY == 0)
    return config.critic_steps * (2 if burst else 1)


def critic_rate(config: MsmoConfig, step: int, steps: int) -> float:
    """Factor in [0, 1] on the critic's learning rate: linear to 0 over `critic_horizon`.

    Args:
        config: A horizon of 0 keeps the rate.
        step: From 0 within the stage.
        steps: Steps of the stage.
    """
    if config.critic_horizon == 0:
        return 1.0
    return max(0.0, 1 - step / (config.critic_horizon * steps))


def gap_between(
    critic: Critic, features: torch.Tensor, sides: CriticBatch
) -> tuple[torch.Tensor, torch.Tensor]:
    """E f(source) - E f(target) of the whole batch, and how far the critic tells them apart.

    Args:
        critic: f.
        features: (P, H) of this worker's sentences.
        sides: Which of them are source and target, and how many there are in all.

    Returns:
        The gap, with a graph, and `ordered_share`.
    """
    source, target = critic(features[sides.source]), critic(features[sides.target])
    gap = wasserstein_gap(source, target, sources=sides.sources, targets=sides.targets)
    return gap, ordered_share(source, target)


@torch.no_grad()
def ordered_share(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Share of (source, target) pairs that the critic orders rightly: chance is 0.5.

    A critic without sigmoid has no threshold of its own; this is the area under its curve.
    """
    if not (len(source) and len(target)):
        return source.new_tensor(0.5)
    difference = source.unsqueeze(1) - target.unsqueeze(0)
    return ((difference > 0).float() + 0.5 * (difference == 0).float()).mean()


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
        features: (P, H) of sentences, without a graph: the encoder rests meanwhile, so one
            forward pass serves all updates.
        rounds: What each update sees of them.
        config: c.
        rate: Factor on the learning rate.
    """
    for sides in rounds:
        gap, _ = gap_between(critic, features, sides)
        yield Update("critic", -gap, rate=rate)
        clip_weights(critic, config.critic_clip)
