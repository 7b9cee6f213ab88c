"""Corpora as embeddings for probes: the opened splits, from one pass of the encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raysearch.corpora.records import Corpus
from raysearch.methods.carl.corpora import hash_order

__all__ = ["Embed", "EmbeddedCorpus", "EmbeddedSplit", "embed_corpus", "join"]

Array = npt.NDArray[Any]

Embed = Callable[[Sequence[str]], Array]
"""Texts to sentence embeddings (N, H) float32, in the order of the texts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedSplit:
    """One role of a corpus.

    Attributes:
        rows: Embeddings (N, H) float32.
        labels: As in `corpora.records.Split`.
        texts: The N texts.
    """

    rows: Array
    labels: Array
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedCorpus:
    """A corpus whose `splits` (role to split) went through the encoder together."""

    name: str
    label_names: tuple[str, ...]
    splits: Mapping[str, EmbeddedSplit]


def embed_corpus(
    embed: Embed, corpus: Corpus, roles: Sequence[str], seed: int, train_limit: int
) -> EmbeddedCorpus:
    """Embed the named roles of a corpus with one call of `embed`.

    Args:
        embed: The encoder.
        corpus: Opened with at least `roles`.
        roles: Roles to read.
        seed: Determines the rows of train under a limit.
        train_limit: Most rows of train to use; 0 uses all. The choice depends on texts and
            seed, so that the trials of a cell use the same rows.

    Raises:
        RoleError: A role was not opened.
    """
    kept: dict[str, tuple[Array, tuple[str, ...]]] = {}
    for role in roles:
        split = corpus.split(role)
        labels, texts = split.labels, split.texts
        if role == "train" and 0 < train_limit < len(texts):
            chosen = sorted(hash_order(split, seed)[:train_limit])
            labels, texts = labels[chosen], tuple(texts[row] for row in chosen)
        kept[role] = (labels, texts)
    rows = embed([text for _, texts in kept.values() for text in texts])
    splits, start = {}, 0
    for role, (labels, texts) in kept.items():
        part = rows[start : start + len(texts)]
        splits[role] = EmbeddedSplit(rows=part, labels=labels, texts=texts)
        start += len(texts)
    return EmbeddedCorpus(name=corpus.name, label_names=corpus.label_names, splits=splits)


def join(splits: Sequence[EmbeddedSplit]) -> EmbeddedSplit:
    """Several splits as one."""
    return EmbeddedSplit(
        rows=np.concatenate([split.rows for split in splits]),
        labels=np.concatenate([split.labels for split in splits]),
        texts=tuple(text for split in splits for text in split.texts),
    )
