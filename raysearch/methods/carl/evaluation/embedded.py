"""Corpora as embeddings for probes: the opened splits, from one pass of the encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raysearch.corpora.records import Corpus
from raysearch.methods.carl.classes import cut_points
from raysearch.methods.carl.corpora import hash_order

__all__ = ["Embed", "EmbeddedCorpus", "EmbeddedSplit", "embed_corpus", "join"]

Array = npt.NDArray[Any]

Embed = Callable[[Sequence[str]], Array]
"""Texts to sentence embeddings (N, H) float32, in the order of the texts; or to those of all hidden
layers (N, L, H), the last of which is the embedding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedSplit:
    """One role of a corpus.

    Attributes:
        rows: Embeddings (N, H) float32.
        labels: As in `corpora.records.Split`.
        texts: The N texts.
        layers: Of all hidden layers (N, L, H) float32; None where probes read the last alone.
    """

    rows: Array
    labels: Array
    texts: tuple[str, ...]
    layers: Array | None = None

    @property
    def states(self) -> Array:
        """What probes read: `layers`, or `rows`."""
        return self.rows if self.layers is None else self.layers

    def taken(self, chosen: npt.NDArray[np.bool_]) -> EmbeddedSplit:
        """The chosen rows (N,)."""
        return EmbeddedSplit(
            rows=self.rows[chosen],
            labels=self.labels[chosen],
            texts=tuple(self.texts[row] for row in np.flatnonzero(chosen)),
            layers=None if self.layers is None else self.layers[chosen],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedCorpus:
    """A corpus whose `splits` (role to split) went through the encoder together.

    Attributes:
        name: Name of the corpus.
        label_names: Names of its dimensions or classes.
        splits: Role to split.
        quadrant_cuts: Training means (1, 2) of valence and arousal, which cut quadrants; None for
            a corpus with classes.
    """

    name: str
    label_names: tuple[str, ...]
    splits: Mapping[str, EmbeddedSplit]
    quadrant_cuts: Array | None = None


def embed_corpus(
    embed: Embed, corpus: Corpus, roles: Sequence[str], seed: int, train_limit: int
) -> EmbeddedCorpus:
    """Embed the named roles of a corpus with one call of `embed`.

    Args:
        embed: The encoder.
        corpus: Opened with at least `roles`, and with train if it has ratings.
        roles: Roles to embed.
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
    found = embed([text for _, texts in kept.values() for text in texts])
    layers = found if found.ndim == 3 else None
    rows = found if layers is None else layers[:, -1]
    splits, start = {}, 0
    for role, (labels, texts) in kept.items():
        part = slice(start, start + len(texts))
        splits[role] = EmbeddedSplit(
            rows=rows[part],
            labels=labels,
            texts=texts,
            layers=None if layers is None else layers[part],
        )
        start += len(texts)
    cuts = cut_points(corpus.split("train").labels, "mean") if corpus.task == "va" else None
    return EmbeddedCorpus(
        name=corpus.name, label_names=corpus.label_names, splits=splits, quadrant_cuts=cuts
    )


def join(splits: Sequence[EmbeddedSplit]) -> EmbeddedSplit:
    """Several splits as one."""
    layers = [split.layers for split in splits if split.layers is not None]
    return EmbeddedSplit(
        rows=np.concatenate([split.rows for split in splits]),
        labels=np.concatenate([split.labels for split in splits]),
        texts=tuple(text for split in splits for text in split.texts),
        layers=np.concatenate(layers) if layers else None,
    )
