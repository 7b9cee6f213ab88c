"""What is the encoder worth at a point of the trial: downstream probes and detection skill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from raysearch.corpora import Corpus
from raysearch.corpora.seen import SeenTexts
from raysearch.encoders import Encoder
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import rated_sentences, tokenise
from raysearch.methods.carl.evaluation.diagnostics import detection_skill, fixed_batches
from raysearch.methods.carl.evaluation.downstream import downstream
from raysearch.methods.carl.evaluation.embedded import EmbeddedCorpus, embed_corpus
from raysearch.methods.carl.losses.contrastive import ContrastiveObjective
from raysearch.methods.carl.model import CarlModel, pool

__all__ = ["Evaluation", "embed"]

EMBEDDED_ROWS = 128
"""Sentences that are embedded at once, of like length."""


@torch.no_grad()
def embed(
    model: CarlModel, encoder: Encoder, texts: Sequence[str], config: CarlConfig
) -> npt.NDArray[Any]:
    """Sentence states f(x) of the online encoder, before any head.

    Args:
        model: In eval mode.
        encoder: Whose tokenizer and digest count; its weights may have moved since.
        texts: N sentences.
        config: Pooling and length.

    Returns:
        (N, H) float32 in the order of the texts.
    """
    tokens = tokenise(encoder, texts, config.max_length)
    device = next(model.parameters()).device
    order = np.argsort(tokens.lengths, kind="stable")
    rows = np.empty((len(texts), encoder.hidden_size), dtype=np.float32)
    for start in range(0, len(order), EMBEDDED_ROWS):
        chosen = order[start : start + EMBEDDED_ROWS]
        ids, mask, _ = tokens.padded(chosen, device)
        states = model.online.states(model.online.lookup(ids), mask)
        rows[chosen] = pool(states, mask, config.pooling).float().cpu().numpy()
    return rows


class Evaluation:
    """Everything that a report measures, for one trial.

    Args:
        model: The trial's model.
        encoder: Its tokenizer and digest.
        training: The training corpora, whose rows of other roles detection skill is measured on.
        probed: The corpora of the probes. The other roles of both are without the rows that the
            encoder is trained on.
        seen: What that is.
        config: The trial's settings.
        objective: The contrastive term.
        seed: The cell's seed.
    """

    def __init__(
        self,
        model: CarlModel,
        encoder: Encoder,
        *,
        training: Sequence[Corpus],
        probed: Sequence[Corpus],
        seen: SeenTexts,
        config: CarlConfig,
        objective: ContrastiveObjective,
        seed: int,
    ) -> None:
        self._model, self._encoder = model, encoder
        self._training, self._probed, self._seen = training, probed, seen
        self._config, self._objective, self._seed = config, objective, seed

    def run(self, role: str) -> dict[str, float]:
        """Metrics on a role, each prefixed by it; the model is in eval mode.

        Raises:
            RoleError: The role was not opened.
        """
        limit = self._config.probe_rows if role == "dev" else 0
        found = downstream(self._embed, self._probed, role, self._seed, limit, seen=self._seen)
        if self._config.recipe.detects:
            found |= {f"{role}/{name}": value for name, value in self._detection(role).items()}
        return found

    def embeddings(self, role: str) -> list[EmbeddedCorpus]:
        """Every probed corpus with the one split of a role; the model is in eval mode.

        Raises:
            RoleError: The role was not opened.
        """
        return [
            embed_corpus(self._embed, corpus, (role,), self._seed, train_limit=0)
            for corpus in self._probed
        ]

    def _embed(self, texts: Sequence[str]) -> npt.NDArray[Any]:
        return embed(self._model, self._encoder, texts, self._config)

    def _detection(self, role: str) -> dict[str, float]:
        config = self._config
        sentences = rated_sentences(self._training, role, self._encoder, config)
        device = next(self._model.parameters()).device
        groups = fixed_batches(sentences, config.batch_size, device)
        if not groups:  # the encoder is trained on all of the role
            return {}
        return detection_skill(self._model, groups, config, self._objective, self._seed)
