"""The steps of MSMO, as updates that the loop performs.

See docs/msmo.md §2.2 and §2.4. A step has the critic's updates, then one update of encoder and
tagger from the sum of all terms: one forward pass, one backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional

from raysearch.distributed import gather, world_size
from raysearch.methods.base import Update
from raysearch.methods.msmo.batches import IGNORE_INDEX, Batch
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.critic import (
    critic_rate,
    critic_rounds,
    gap_between,
    saturation,
    train_critic,
)
from raysearch.methods.msmo.losses import (
    OUTCOMES,
    bidirectional_kl,
    sentiment_contrast,
    span_distribution,
    token_contrast,
    token_cross_entropy,
)
from raysearch.methods.msmo.model import Network, Outputs, frozen
from raysearch.methods.msmo.stages import Terms

__all__ = ["Algorithm"]

Named = dict[str, torch.Tensor | float]

_CONTRAST = {"sentiment": sentiment_contrast, "token": token_contrast}


class Algorithm:
    """The steps of one stage of one network.

    Args:
        network: Encoder, tagger, critic.
        config: The trial's settings.
        terms: The terms of this stage's steps.
        steps: Steps of the stage.
    """

    def __init__(self, network: Network, config: MsmoConfig, terms: Terms, steps: int) -> None:
        self.network, self.config, self.terms, self.steps = network, config, terms, steps

    def updates(self, batch: Batch, step: int) -> Iterator[Update]:
        """One step: the critic's updates, then L = w·L_CE + λ·gap + β·L_cons + contrast."""
        outputs = self.network(batch.main)
        plays = self.terms.critic and batch.sides.opposed
        if plays:
            yield from self._train_critic(batch, outputs, step)

        terms: Named = {}
        loss = 0.0 * outputs.features.sum()  # has a graph even if a side is empty in this step
        if self.terms.supervised:
            loss = loss + self._learn(batch, outputs, terms)
        if plays:
            loss = loss + self._oppose(batch, outputs, terms)
        if self.terms.contrast:
            loss = loss + self._contrast(batch, outputs, terms)
        yield Update("main", loss, terms)

    def _train_critic(self, batch: Batch, outputs: Outputs, step: int) -> Iterator[Update]:
        """n_critic updates with a fixed encoder, on sentences of their own or this step's."""
        critic, config = self.network.critic, self.config
        assert critic is not None
        packed, rounds = batch.rounds(critic_rounds(config, step))
        if packed is None:
            features = outputs.features.detach()
        else:
            with torch.no_grad():
                features = self.network(packed).features
        rate = critic_rate(config, step, self.steps)
        yield from train_critic(critic, features, rounds, config, rate)

    def _learn(self, batch: Batch, outputs: Outputs, terms: Named) -> torch.Tensor:
        """w·L_CE over the labelled words, and β·L_cons over aligned aspects."""
        logits = self.network.tag(outputs.words)
        supervised = token_cross_entropy(logits, batch.labels, words=batch.words)
        terms["supervised"] = supervised
        loss = self.terms.supervised_weight * supervised
        if not self.terms.pairs:
            return loss
        aspects = batch.aspects
        log_probs = logits.log_softmax(-1)
        one, other = (
            span_distribution(log_probs, aspects.starts[side], aspects.lengths[side])
            for side in (0, 1)
        )
        count = aspects.count or 1.0
        consistency = bidirectional_kl(one, other).sum() / count
        rest = torch.cat([one, other])[:, OUTCOMES.index("REST")].detach().exp()
        terms |= {"consistency": consistency, "rest_mass": rest.sum() / (2 * count)}
        return loss + self.config.consistency_weight * consistency

    def _oppose(self, batch: Batch, outputs: Outputs, terms: Named) -> torch.Tensor:
        """λ·(E f(source) - E f(target)) with a fixed critic: the encoder closes the gap."""
        critic = self.network.critic
        assert critic is not None
        with frozen(critic):
            gap, accuracy = gap_between(critic, outputs.features, batch.sides)
        share = saturation(critic, self.config.critic_clip)
        terms |= {"gap": gap, "critic_accuracy": accuracy, "saturation": share}
        return self.config.adversarial_weight * gap

    def _contrast(self, batch: Batch, outputs: Outputs, terms: Named) -> torch.Tensor:
        """CL-XABSA's term over the labelled words of all workers."""
        counted = batch.labels != IGNORE_INDEX
        features, labels = outputs.words[counted], batch.labels[counted]
        if world_size() > 1:
            features, labels = _of_all(features, labels, round(batch.words * world_size()))
        contrast = _CONTRAST[self.terms.contrast](
            features, labels, self.config.contrastive_temperature
        )
        terms["contrastive"] = contrast
        return self.config.contrastive_weight * contrast


def _of_all(
    features: torch.Tensor, labels: torch.Tensor, most: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and labels of all workers' words, padded to the largest worker's number."""
    padding = most - len(labels)
    features = gather(functional.pad(features, (0, 0, 0, padding)))
    labels = gather(functional.pad(labels, (0, padding), value=IGNORE_INDEX))
    return features[labels != IGNORE_INDEX], labels[labels != IGNORE_INDEX]
