"""The training sentences of a trial, their alignment, and their padding.

`TrainingSet` holds every training sentence of a trial once, tokenised, and a table of *items*: an
item is one row of one language pair with the numbers of its views. In a multilingual trial all
pairs have the same source sentences; each counts once, as labelled by one of the pairs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from raysearch.corpora.absa.records import VIEWS, PairCorpus, TaggedSentence
from raysearch.encoders import Encoder
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.tokens import Rows, Tokenised, join, spans, tokenise
from raysearch.methods.tensors import on_device

__all__ = ["COLUMNS", "AlignedRows", "PackedBatch", "TrainingSet", "load_training_set", "pack"]

COLUMNS: tuple[str, ...] = (*VIEWS, "gold")
"""Columns of the table of items: the four views, and the target's own labelled sentences."""


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """Parts of sentences in padded chunks of similar length, on the device.

    Attributes:
        ids: Of each chunk, (B, T) int64.
        masks: Of each chunk, (B, T) bool, True = real piece, specials included.
        order: (P,) int64: index of part p in the concatenated rows of all chunks.
        words: (W,) int64: index of the piece of word w in the concatenated positions of all
            chunks; words in order of parts.
        pieces: (L,) int64: the same for every real piece of every part.
    """

    ids: tuple[torch.Tensor, ...]
    masks: tuple[torch.Tensor, ...]
    order: torch.Tensor
    words: torch.Tensor
    pieces: torch.Tensor


def pack(tokens: Tokenised, parts: Rows, device: torch.device, *, chunk: int = 0) -> PackedBatch:
    """Pad parts sorted by length, so that long ones share a chunk.

    Args:
        tokens: Contains the parts.
        parts: (P,) indices of parts; at least one.
        device: Device of the result.
        chunk: Most parts in a chunk; 0 puts all into one.
    """
    sizes = tokens.sizes[parts]
    ranked = np.argsort(-sizes, kind="stable")
    chunk = chunk or len(parts)
    order = np.empty(len(parts), dtype=np.int64)
    order[ranked] = np.arange(len(parts))
    offsets = np.empty(len(parts), dtype=np.int64)  # index of a part's first piece
    ids, masks, before = [], [], 0
    for start in range(0, len(ranked), chunk):
        rows = ranked[start : start + chunk]
        width = int(sizes[rows[0]])
        mask = np.arange(width) < sizes[rows, None]
        padded = np.full(mask.shape, tokens.pad_id, dtype=np.int64)
        padded[mask] = tokens.ids[spans(tokens.starts, parts[rows])]
        offsets[rows] = before + width * np.arange(len(rows))
        before += padded.size
        ids.append(on_device(padded, device))
        masks.append(on_device(mask, device))
    words = np.diff(tokens.word_starts)[parts]
    places = np.repeat(offsets, words) + tokens.firsts[spans(tokens.word_starts, parts)]
    inner = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return PackedBatch(
        ids=tuple(ids),
        masks=tuple(masks),
        order=on_device(order, device),
        words=on_device(places, device),
        pieces=on_device(np.repeat(offsets, sizes) + inner, device),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedRows:
    """Rows of language pairs.

    Attributes:
        table: (I, 5) int64 over `COLUMNS`: number of the sentence in the training set, -1 for none.
        owned: (I,) bool: whether the labels of the item's source sentence count here; with
            several pairs they count in only one of them.
    """

    table: Rows
    owned: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.table)

    def take(self, rows: Rows) -> AlignedRows:
        """Some of the items."""
        return AlignedRows(table=self.table[rows], owned=self.owned[rows])

    def sentences(self, views: Sequence[str] = COLUMNS) -> Rows:
        """Numbers of the sentences of some views, item by item, without duplicates."""
        columns = [COLUMNS.index(view) for view in views]
        return _distinct(self.table[:, columns])

    def homes(self, views: Sequence[str]) -> Rows:
        """For each of the `sentences` of some views the first item that has it."""
        table = self.table[:, [COLUMNS.index(view) for view in views]]
        _, first = np.unique(table[table >= 0], return_index=True)
        found: Rows = np.nonzero(table >= 0)[0][np.sort(first)]
        return found

    def labelled(self, views: Sequence[str] = COLUMNS) -> Rows:
        """Numbers of the sentences of some views whose labels count, without duplicates."""
        table = self.table.copy()
        table[~self.owned, 0] = -1
        return _distinct(table[:, [COLUMNS.index(view) for view in views]])

    def pairs(self, views: Sequence[str]) -> Rows:
        """(P, 2) numbers of sentences that are aligned as views such as ``s-t``."""
        found = [np.empty((0, 2), dtype=np.int64)]
        for pair in views:
            both = self.table[:, [COLUMNS.index(view) for view in pair.split("-")]]
            found.append(both[(both >= 0).all(1)])
        return np.concatenate(found)

    def has_pair(self, views: Sequence[str]) -> npt.NDArray[np.bool_]:
        """(I,) whether an item has both views of at least one such pair."""
        found = np.zeros(len(self), dtype=bool)
        for pair in views:
            found |= (self.table[:, [COLUMNS.index(v) for v in pair.split("-")]] >= 0).all(1)
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    """The training sentences of a trial: all of them tokenised, and their alignment."""

    tokens: Tokenised
    items: AlignedRows

    def select(self, views: Sequence[str], *, every_source: bool) -> AlignedRows:
        """Items with these views only; those that have none of them are left out.

        Args:
            views: Of `COLUMNS`.
            every_source: Whether a source sentence is also kept in the items that do not learn
                it, because other views are compared with it.
        """
        table = self.items.table.copy()
        for column, view in enumerate(COLUMNS):
            if view not in views:
                table[:, column] = -1
        if not every_source:
            table[~self.items.owned, 0] = -1
        kept = (table >= 0).any(1)
        return AlignedRows(table=table[kept], owned=self.items.owned[kept])


def load_training_set(
    corpora: Sequence[PairCorpus], encoder: Encoder, config: MsmoConfig, views: Collection[str]
) -> TrainingSet:
    """The training sentences of one or several pairs of the same source.

    Args:
        corpora: Opened with ``train``, or with ``target_train`` where `views` has ``gold``.
        encoder: Tokenizer and digest.
        config: Length of the sentences.
        views: Which of `COLUMNS` are needed; the others are not tokenised.

    Raises:
        DataError: A sentence is too long.
        EncoderError: `max_length` is more than the encoder has positions.
    """
    lists: list[Tokenised] = []
    tables, owned, before = [], [], 0
    for number, corpus in enumerate(corpora):
        rows = corpus.views() if {*views} & {*VIEWS} else ()
        table = np.full((len(rows), len(COLUMNS)), -1, dtype=np.int64)
        for column, view in enumerate(VIEWS):
            if view not in views:
                continue
            if view == "s" and number:
                table[:, column] = np.arange(len(rows))
                continue
            there = np.array([getattr(row, view) is not None for row in rows])
            sentences = [one for row in rows if (one := getattr(row, view)) is not None]
            table[there, column] = before + np.arange(len(sentences))
            before += len(sentences)
            lists.append(_train(encoder, sentences, config, f"{corpus.pair}, view {view}"))
        tables.append(table)
        owned.append(np.arange(len(rows)) % len(corpora) == number)
    if "gold" in views:
        for corpus in corpora:
            gold = corpus.sentences("target_train")
            table = np.full((len(gold), len(COLUMNS)), -1, dtype=np.int64)
            table[:, -1] = before + np.arange(len(gold))
            before += len(gold)
            lists.append(_train(encoder, gold, config, f"{corpus.pair}, role target_train"))
            tables.append(table)
            owned.append(np.full(len(gold), False))
    items = AlignedRows(table=np.concatenate(tables), owned=np.concatenate(owned))
    return TrainingSet(tokens=join(lists), items=items)


def _train(
    encoder: Encoder, sentences: Sequence[TaggedSentence], config: MsmoConfig, where: str
) -> Tokenised:
    return tokenise(
        encoder,
        sentences,
        max_length=config.max_length,
        long_sentences=config.long_sentences,
        where=f"{config.corpus}, {where}",
    )


def _distinct(table: Rows) -> Rows:
    """The numbers that are not -1, row by row, each at its first occurrence."""
    flat = table[table >= 0]
    _, first = np.unique(flat, return_index=True)
    return flat[np.sort(first)]
