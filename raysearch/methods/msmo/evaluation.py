"""How good is a tagger on labelled sentences: every word's best label, decoded and counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from raysearch.corpora.absa.records import PairCorpus, TaggedSentence
from raysearch.encoders import Encoder
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.data.items import pack
from raysearch.methods.msmo.data.tokens import Rows, Tokenised, spans, tokenise
from raysearch.methods.msmo.model import Network
from raysearch.methods.msmo.tags import bieos, decode, micro_f1

__all__ = ["evaluate", "predict"]

PREDICTED_PIECES = 2048
"""Pieces, padding included, that are predicted at once."""


@torch.no_grad()
def predict(network: Network, tokens: Tokenised, device: torch.device) -> Rows:
    """Label of every word, (W,) in order: the best one at its first piece (docs/msmo.md §1.6).

    The longest sentences come first: they share batches with long ones, and what does not fit
    into memory fails at once.

    Args:
        network: Its mode is left as it was; nothing is drawn.
        tokens: The sentences.
        device: Where the network is.
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
    network: Network, encoder: Encoder, corpus: PairCorpus, role: str, config: MsmoConfig
) -> dict[str, float]:
    """Scores on a role of a pair, see `scores.micro_f1`.

    Args:
        network: The tagger.
        encoder: Tokenizer and digest.
        corpus: Opened with the role.
        role: ``dev``, ``target_dev`` or ``test``.
        config: Length of the sentences.

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
    return micro_f1([decode(bieos(sentence)) for sentence in sentences], predicted)
