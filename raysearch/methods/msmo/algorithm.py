"""The steps of MSMO, as updates that the loop performs.

See docs/msmo.md §2.2 and §2.4. A step has the critic's updates, then one update of encoder and
tagger from the sum of all terms: one forward pass, one backward pass.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import torch

from raysearch.distributed import gather_unequal
from raysearch.methods.base import Update
from raysearch.methods.msmo.batches import IGNORE_INDEX, Batch
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.critic import (
    Trained,
    critic_rate,
    estimate,
    gap_between,
    saturation,
    train_critic,
)
from raysearch.methods.msmo.losses import (
    OUTCOMES,
    bidirectional_kl,
    published_contrast,
    sentiment_classes,
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
_PUBLISHED = {"cl_sentiment": sentiment_classes, "cl_token": torch.Tensor.long}
"""CL-XABSA's terms, by the classes that their words have."""


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
        trained = None
        if self.terms.critic and batch.opposed:
            trained = yield from self._train_critic(batch, step)

        terms: Named = {}
        losses = []
        if self.terms.supervised:
            losses.append(self._learn(batch, outputs, terms))
        if trained is not None:
            losses += self._oppose(batch, outputs, trained, terms)
        if self.terms.contrast in _CONTRAST:
            losses.append(self._contrast(batch, outputs, terms))
        if losses:
            # A graph on every worker, even if its part of a side or of the labels is empty.
            loss = torch.stack(losses).sum() + 0.0 * outputs.features.sum()
        else:
            # No gradient at all: the optimizer's momentum must not go on driving the encoder.
            loss = outputs.features.new_zeros((), requires_grad=True)
        yield Update("main", loss, terms)

    def _train_critic(self, batch: Batch, step: int) -> Generator[Update, None, Trained]:
        """The critic's updates with a fixed encoder, on sentences of their own."""
        critic, config = self.network.critic, self.config
        assert critic is not None
        packed, rounds, held_out = batch.critic_batches()
        with torch.no_grad():
            features = self.network(packed).features
        rate = critic_rate(config, step, self.steps)
        return (
            yield from train_critic(
                critic, features, rounds, held_out, config, step=step, rate=rate
            )
        )

    def _learn(self, batch: Batch, outputs: Outputs, terms: Named) -> torch.Tensor:
        """w·L_CE over the labelled words, and β·L_cons over aligned aspects.

        In CL-XABSA's variants half of L_CE and half of their term.
        """
        logits = self.network.tag(outputs.words)
        supervised = token_cross_entropy(logits, batch.labels, words=batch.words)
        terms["supervised"] = supervised
        loss = self.terms.supervised_weight * supervised
        if self.terms.contrast in _PUBLISHED:
            counted, labels = self._labelled(batch, logits)
            contrast = published_contrast(counted, _PUBLISHED[self.terms.contrast](labels))
            terms["contrastive"] = contrast
            loss = 0.5 * loss + 0.5 * contrast
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

    def _oppose(
        self, batch: Batch, outputs: Outputs, trained: Trained, terms: Named
    ) -> list[torch.Tensor]:
        """λ·(E f(source) - E f(target)) with a fixed critic: the encoder closes the gap.

        The sentences are not those that the critic learned from. Empty unless the critic can be
        trusted and finds a gap here: below 0 the encoder would be paid for the critic's error.
        """
        critic = self.network.critic
        assert critic is not None
        found = estimate(critic, outputs.features.detach(), batch.sides)
        follows = trained.trusted and found.gap > 0
        terms |= {
            "gap": found.gap,
            "critic_accuracy": found.accuracy,
            "critic_updates": float(trained.updates),
            "critic_followed": float(follows),
            "saturation": saturation(critic, self.config.critic_clip),
        }
        if not follows:
            return []
        with frozen(critic):
            gap = gap_between(critic, outputs.features, batch.sides)
        return [(self.config.adversarial_weight if self.terms.supervised else 1.0) * gap]

    def _contrast(self, batch: Batch, outputs: Outputs, terms: Named) -> torch.Tensor:
        """The contrast of hidden states over the labelled words of all workers."""
        features, labels = self._labelled(batch, outputs.words)
        contrast = _CONTRAST[self.terms.contrast](
            features, labels, self.config.contrastive_temperature
        )
        terms["contrastive"] = contrast
        return self.config.contrastive_weight * contrast

    def _labelled(self, batch: Batch, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of the labelled words of all workers, and their labels."""
        counted = batch.labels != IGNORE_INDEX
        return gather_unequal(rows[counted]), gather_unequal(batch.labels[counted])
