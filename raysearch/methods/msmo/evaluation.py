"""Evaluates a tagger: predictions, scores, and the selection of a report's weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from raysearch.corpora.absa.records import PairCorpus, TaggedSentence
from raysearch.corpora.seen import marks
from raysearch.encoders import Encoder
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.items import pack
from raysearch.methods.msmo.model import Network
from raysearch.methods.msmo.tags import bieos, decode, micro_f1
from raysearch.methods.msmo.tokens import Rows, Tokenised, spans, tokenise

__all__ = ["CheckpointSelection", "evaluate", "predict"]

PREDICTED_PIECES = 2048
"""Pieces, including padding, that are predicted at once."""


@torch.no_grad()
def predict(network: Network, tokens: Tokenised, device: torch.device) -> Rows:
    """Label of every word, (W,) in order: the best one at its first piece (docs/msmo.md §1.6).

    The longest sentences come first: they share batches with long ones, and running out of memory
    fails at once.

    Args:
        network: Its mode is restored; nothing is drawn.
        tokens: The sentences.
        device: Device of the network.
    """
    training = network.training
    network.eval()
    labels = np.empty(len(tokens.firsts), dtype=np.int64)
    sizes = tokens.sizes
    order = np.argsort(-sizes, kind="stable")
    start = 0
    while start < len(order):
        parts = order[start : start + max(1, PREDICTED_PIECES // int(sizes[order[start]]))]
        logits = network.tag(network(pack(tokens, parts, device)).words)
        labels[spans(tokens.word_starts, parts)] = logits.argmax(-1).cpu().numpy()
        start += len(parts)
    network.train(training)
    return labels


def evaluate(
    network: Network,
    encoder: Encoder,
    corpus: PairCorpus,
    role: str,
    config: MsmoConfig,
    *,
    apart: Collection[str] | None = None,
) -> dict[str, float]:
    """Scores on a role of a pair, see `tags.micro_f1`.

    Args:
        network: The tagger.
        encoder: Tokenizer and digest.
        corpus: Opened with the role.
        role: ``dev``, ``target_dev`` or ``test``.
        config: Length of the sentences.
        apart: `corpora.seen.marks` of sentences that are not scored, as the encoder was trained
            on them; None scores all.

    Returns:
        The scores; with `apart` also ``in_training``, the number of sentences left out, and
        ``all_f1``, the F1 over all of them, as in published results.

    Raises:
        RoleError: The role was not opened.
    """
    sentences: Sequence[TaggedSentence] = corpus.sentences(role)
    tokens = tokenise(
        encoder,
        sentences,
        max_length=config.max_length,
        long_sentences=config.long_sentences,
        where=f"{config.corpus}, {corpus.pair}, role {role}",
        marked=False,
    )
    device = next(network.parameters()).device
    labels = predict(network, tokens, device)
    words = tokens.words
    predicted = [decode(labels[words[n] : words[n + 1]].tolist()) for n in range(len(sentences))]
    gold = [decode(bieos(sentence)) for sentence in sentences]
    if apart is None:
        return micro_f1(gold, predicted)
    kept = [
        at for at, one in enumerate(sentences) if marks([" ".join(one.words)]).isdisjoint(apart)
    ]
    scores = micro_f1([gold[at] for at in kept], [predicted[at] for at in kept])
    left_out = float(len(sentences) - len(kept))
    return {**scores, "all_f1": micro_f1(gold, predicted)["f1"], "in_training": left_out}


class CheckpointSelection:
    """A stage's reports and selected weights on one worker; all of it is in the checkpoint.

    Args:
        steps: Steps of the stage.
        selection: ``best`` or ``last``.
        selection_from: Fraction of the steps after which a report may be selected.
    """

    def __init__(self, steps: int, selection: str, selection_from: float) -> None:
        self.steps, self.step = steps, 0
        self.reports: list[dict[str, float]] = []
        """Numbers of every report of the stage so far, with the ``step`` within the stage."""
        self.best: dict[str, Any] | None = None
        """The selected result of the network, once a report could be selected."""
        self.best_f1 = 0.0
        self._selects, self._from = selection == "best", selection_from * steps
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0

    def add(self, terms: Mapping[str, torch.Tensor | float]) -> None:
        """Add the terms of one step; does not synchronise with the device."""
        for name, value in terms.items():
            value = torch.as_tensor(value).detach().double()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += 1

    def means(self) -> dict[str, float]:
        """Means of the terms since the last call, or since the start of the stage."""
        found = {name: float(value) / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        return found

    def selectable(self, f1: float) -> bool:
        """Whether a report with this F1, at the current step, replaces the selected one.

        The first of equals stays (docs/msmo.md §2.3).
        """
        if not self._selects or self.step < self._from:
            return False
        return self.best is None or f1 > self.best_f1

    def state_dict(self) -> dict[str, Any]:
        """Plain containers and tensors."""
        return {
            "step": self.step,
            "reports": [dict(report) for report in self.reports],
            "best": self.best,
            "best_f1": self.best_f1,
            "sums": {name: float(value) for name, value in self._sums.items()},
            "count": self._count,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`."""
        self.step, self.best, self.best_f1 = state["step"], state["best"], state["best_f1"]
        self.reports = [dict(report) for report in state["reports"]]
        self._sums = {
            name: torch.tensor(value, dtype=torch.float64) for name, value in state["sums"].items()
        }
        self._count = state["count"]
