"""The language critic Q: its network, the Wasserstein gap, its updates, and when they suffice.

Q maximises E f(source) - E f(target) with its weights clipped to [-c, c]; the encoder minimises λ
times the same gap (docs/msmo.md §2.1, §2.2). Only a trained critic's gap is an estimate of a
distance, and then it is not negative: M. Arjovsky, S. Chintala, L. Bottou, Wasserstein GAN, ICML
2017, §3 and Algorithm 1, train the critic "till optimality" before each step of its opponent. An
encoder that outruns the critic makes the gap negative, and would be paid for driving the languages
apart.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from raysearch.distributed import gather_unequal
from raysearch.methods.base import Update
from raysearch.methods.msmo.batches import CriticBatch
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.tensors import at_least_fp32

__all__ = [
    "Critic",
    "Estimate",
    "Trained",
    "clip_weights",
    "critic_batches",
    "critic_optimizer",
    "critic_rate",
    "critic_updates",
    "estimate",
    "gap_between",
    "masked_mean",
    "ordered_share",
    "saturation",
    "train_critic",
    "wasserstein_gap",
]

BURST_STEPS, BURST_EVERY = 26, 500
"""The critic's updates are doubled in this many first steps, and every this many (code)."""

TRUST = 1.0
"""Standard errors above 0 from which on a gap on held-out sentences is trusted."""

RISE = 0.05
"""A gap that grows by less than this share between two judgements has stopped to rise."""

PATIENCE = 3
"""Judgements without a rise after which a critic that cannot be trusted yet is left as it is."""


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

    Linear as in the code with one layer; ReLU between several. The weights begin uniform in
    [-c, c], where clipping holds them, so that c counts from the first step. The last layer has no
    bias, unlike the code's: it cancels in the gap, a difference of means. The critic computes in
    fp32: with c = 0.01 scores differ in digits that bf16 does not have.

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
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -config.critic_clip, config.critic_clip)

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


def gap_between(critic: Critic, features: torch.Tensor, sides: CriticBatch) -> torch.Tensor:
    """E f(source) - E f(target) of the whole batch, with a graph.

    Over several workers it is this worker's part, whose mean over workers is the batch's.

    Args:
        critic: f.
        features: (P, H) of this worker's sentences.
        sides: Which of them are source and target, and their total numbers.
    """
    source, target = critic(features[sides.source]), critic(features[sides.target])
    return wasserstein_gap(source, target, sources=sides.sources, targets=sides.targets)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a critic says of sentences that it was not trained on.

    Attributes:
        gap: E f(source) - E f(target).
        error: Its standard error; infinite with fewer than two sentences on a side.
        accuracy: `ordered_share`.
    """

    gap: float
    error: float
    accuracy: float

    @property
    def trusted(self) -> bool:
        """Whether the gap is above its standard error."""
        return self.gap > TRUST * self.error


@torch.no_grad()
def estimate(critic: Critic, features: torch.Tensor, sides: CriticBatch) -> Estimate:
    """The critic's estimate over the sentences of all workers, without dropout.

    Args:
        critic: f; its mode is restored.
        features: (P, H) of this worker's sentences.
        sides: Which of them are source and target, and their total numbers.
    """
    training = critic.training
    critic.eval()
    source = gather_unequal(critic(features[sides.source]))
    target = gather_unequal(critic(features[sides.target]))
    critic.train(training)
    square = source.new_tensor(math.inf)
    if min(len(source), len(target)) > 1:
        square = source.var() / len(source) + target.var() / len(target)
    found = [source.mean() - target.mean(), square.sqrt(), ordered_share(source, target)]
    gap, error, accuracy = torch.stack(found).tolist()
    return Estimate(gap=gap, error=error, accuracy=accuracy)


@torch.no_grad()
def ordered_share(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Fraction of (source, target) pairs that the critic orders correctly: chance is 0.5.

    A critic without sigmoid has no threshold; this is the area under its ROC curve.
    """
    if not (len(source) and len(target)):
        return source.new_tensor(0.5)
    difference = source.unsqueeze(1) - target.unsqueeze(0)
    return ((difference > 0).to(source.dtype) + 0.5 * (difference == 0).to(source.dtype)).mean()


def critic_batches(config: MsmoConfig) -> int:
    """Batches of its own that the critic has in a step; more updates go through them again."""
    burst = config.critic_burst and config.critic_training == "fixed"
    return config.critic_steps * (2 if burst else 1)


def critic_updates(config: MsmoConfig, step: int) -> tuple[int, int]:
    """Least and most updates of the critic before the encoder's update of a step.

    Args:
        config: The trial's settings.
        step: From 0 within the stage.
    """
    first = config.critic_first_steps if step == 0 else 0
    if config.critic_training == "fixed":
        burst = config.critic_burst and (step < BURST_STEPS or step % BURST_EVERY == 0)
        count = max(first, config.critic_steps * (2 if burst else 1))
        return count, count
    least = max(first, config.critic_steps)
    return least, max(least, config.critic_most_steps)


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


def critic_optimizer(critic: Critic, config: MsmoConfig) -> torch.optim.Optimizer:
    """The critic's optimizer at its peak rate, with torch's other defaults."""
    kinds: dict[str, type[torch.optim.Optimizer]] = {
        "adam": torch.optim.Adam,
        "rmsprop": torch.optim.RMSprop,
        "sgd": torch.optim.SGD,
    }
    return kinds[config.critic_optimizer](  # type: ignore[call-arg]
        critic.parameters(), lr=config.critic_learning_rate
    )


@dataclass(frozen=True, kw_only=True)
class Trained:
    """How the critic's training of one step ended.

    Attributes:
        updates: Their number.
        trusted: Whether the encoder may follow the critic.
    """

    updates: int
    trusted: bool


def train_critic(
    critic: Critic,
    features: torch.Tensor,
    rounds: Sequence[CriticBatch],
    held_out: CriticBatch,
    config: MsmoConfig,
    *,
    step: int,
    rate: float,
) -> Generator[Update, None, Trained]:
    """The critic's updates of one step: max_Q E f(source) - E f(target), within [-c, c].

    Where `critic_training` is ``converged`` they end once the gap of the held-out sentences has
    stopped to rise and is above its standard error, or at the most; where it never is, as mostly
    with two sides of one distribution, the critic is not to be trusted.

    Args:
        critic: Q.
        features: (P, H) of sentences, without a graph: the encoder is fixed meanwhile, so one
            forward pass serves all updates.
        rounds: The sides of each batch; used in turn.
        held_out: The sides that the critic is judged on.
        config: c, numbers of updates.
        step: From 0 within the stage.
        rate: Factor on the learning rate.
    """
    least, most = critic_updates(config, step)
    converged = config.critic_training == "converged"
    best = estimate(critic, features, held_out).gap if converged else 0.0
    done, still, target = 0, 0, least
    while True:
        for number in range(done, target):
            gap = gap_between(critic, features, rounds[number % len(rounds)])
            yield Update("critic", -gap, rate=rate)
            clip_weights(critic, config.critic_clip)
        done = target
        if not converged:
            return Trained(updates=done, trusted=True)
        found = estimate(critic, features, held_out)
        still = 0 if found.gap > best + RISE * abs(best) else still + 1
        best = max(best, found.gap)
        if done == most or still >= (1 if found.trusted else PATIENCE):
            return Trained(updates=done, trusted=found.trusted)
        target = min(most, done + config.critic_steps)
