"""Which rows is CARL itself trained on, and with which ratings?

Probes do not look here: they see the corpora as they were loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from raysearch.corpora.records import Corpus, Split, frozen
from raysearch.methods.carl.embedded import hash_order

__all__ = ["training_corpora"]

NEUTRAL_AROUSAL = 0.5
"""What a polarity corpus does not tell: the middle of the scaled axis, for every row."""


def training_corpora(corpora: Sequence[Corpus], rows: int, seed: int) -> list[Corpus]:
    """The training corpora as CARL sees them: rated, and `rows` rows of train at most.

    Negative and positive become valence 0 and 1 with arousal 0.5. That is an extension: the
    paper's training corpora have valence-arousal ratings.

    Under a limit every corpus gives its share, at least one row. Its rows stand in the order of
    a hash of text, id and seed, and the corpora take turns such that row r of a corpus of N is
    due at r / N (Adams's method), so that a smaller choice lies within a larger one.

    Args:
        corpora: `inputs.rateable`, opened with train.
        rows: Most rows of train over all corpora; 0 takes all. At least one for each corpus.
        seed: Chooses the rows.
    """
    rated = [_rated(corpus) for corpus in corpora]
    sizes = [len(corpus.split("train")) for corpus in rated]
    if not 0 < rows < sum(sizes):
        return rated
    due = sorted((row / size, at) for at, size in enumerate(sizes) for row in range(size))
    turns = [at for _, at in due[:rows]]
    return [_limited(corpus, turns.count(at), seed) for at, corpus in enumerate(rated)]


def _rated(corpus: Corpus) -> Corpus:
    if corpus.task == "va":
        return corpus
    splits = []
    for role in corpus.roles:
        split = corpus.split(role)
        arousal = np.full(len(split), NEUTRAL_AROUSAL)
        labels = np.stack([split.labels, arousal], axis=1).astype(np.float32)
        splits.append((role, replace(split, labels=frozen(labels))))
    names = ("valence", "arousal")
    return replace(corpus, task="va", label_names=names, scale=(0.0, 1.0), _splits=tuple(splits))


def _limited(corpus: Corpus, rows: int, seed: int) -> Corpus:
    """The corpus with so many rows of train, in the order of the corpus; other roles whole."""
    splits = []
    for role in corpus.roles:
        split = corpus.split(role)
        if role == "train":
            chosen = sorted(hash_order(split, seed)[:rows])
            split = Split(
                texts=tuple(split.texts[row] for row in chosen),
                labels=frozen(split.labels[chosen]),
                ids=tuple(split.ids[row] for row in chosen),
            )
        splits.append((role, split))
    return replace(corpus, _splits=tuple(splits))
