"""Batches of rated sentences: tokenised once, bucketed by length, with little padding.

A batch keeps its size B, because B is a setting of the contrastive loss: the remainder of an
epoch is dropped (a different one in each epoch), unless a corpus is smaller than one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from raysearch.corpora import Corpus
from raysearch.distributed import divisor
from raysearch.encoders import Encoder, encode
from raysearch.methods.carl.classes import classes_of, cut_points
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.tensors import on_device

__all__ = [
    "LABEL_CENTRES",
    "Batch",
    "RatedSentences",
    "TokenisedTexts",
    "batches_per_epoch",
    "plan_epoch",
    "rated_sentences",
    "scaled_labels",
    "tokenise",
]

Rows = npt.NDArray[np.int64]

LABEL_CENTRES = {"scale": 0.5, "standardised": 0.0}
"""Centre of the labels, by `CarlConfig.label_scaling`."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One worker's share of a batch, on its device.

    Attributes:
        ids: (B, T) int64 token ids.
        mask: (B, T) bool, True = token of the text or special, False = padding.
        eligible: (B, T) bool, True = token of the text: may be perturbed, counts in detection.
        labels: (B, 2) float32, valence and arousal as used by the contrast.
        classes: (B,) int64, the discrete emotions of the labels.
        tokens: Eligible tokens of the whole batch over the number of workers: the divisor of a
            worker's sum, so that the average over workers is the batch's mean.
        rows: Rows of the whole batch, which need not be divisible by the workers.
        width: Tokens of its longest row; T of a worker may be less.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    eligible: torch.Tensor
    labels: torch.Tensor
    classes: torch.Tensor
    tokens: float
    rows: int
    width: int


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenisedTexts:
    """N texts as concatenated token ids.

    Attributes:
        ids: (L,) int64 ids of all texts.
        eligible: (L,) bool, True unless the token is special.
        starts: (N + 1,) int64; text n is ``ids[starts[n]:starts[n + 1]]``.
        pad_id: Id of padding.
    """

    ids: npt.NDArray[np.int64]
    eligible: npt.NDArray[np.bool_]
    starts: Rows
    pad_id: int

    @property
    def lengths(self) -> Rows:
        """(N,) tokens of each text, specials included."""
        return np.diff(self.starts)

    def padded(
        self, rows: Rows, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Ids, mask and eligible tokens, each (B, T) with T the longest of the rows."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        mask = np.arange(lengths.max()) < lengths[:, None]
        flat = np.concatenate([np.arange(self.starts[r], self.starts[r + 1]) for r in rows])
        ids = np.full(mask.shape, self.pad_id, dtype=np.int64)
        eligible = np.zeros(mask.shape, dtype=bool)
        ids[mask], eligible[mask] = self.ids[flat], self.eligible[flat]
        parts = [on_device(part, device) for part in (ids, mask, eligible)]
        return parts[0], parts[1], parts[2]


_TOKENISED: dict[tuple[str, int, tuple[str, ...]], TokenisedTexts] = {}
_KEPT = 64


def tokenise(encoder: Encoder, texts: Sequence[str], max_length: int) -> TokenisedTexts:
    """Tokenise texts, cached in the process by encoder, texts and length.

    Raises:
        DataError: A text has no token.
    """
    key = (encoder.digest, max_length, tuple(texts))
    if key not in _TOKENISED:
        records = encode(encoder.tokenizer, texts, max_length)
        lengths = [len(record.ids) for record in records]
        if len(_TOKENISED) >= _KEPT:
            _TOKENISED.pop(next(iter(_TOKENISED)))
        _TOKENISED[key] = TokenisedTexts(
            ids=np.array([i for record in records for i in record.ids], dtype=np.int64),
            eligible=~np.array([s for record in records for s in record.specials], dtype=bool),
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            pad_id=int(encoder.tokenizer.pad_token_id),
        )
    return _TOKENISED[key]


@dataclass(frozen=True, kw_only=True, eq=False)
class RatedSentences:
    """The sentences of one role of the training corpora.

    Attributes:
        texts: Tokenised, corpus after corpus.
        labels: (N, 2) float32.
        classes: (N,) int64, by `CarlConfig.class_cuts` of each corpus.
        groups: Rows among which batches are made: one array, or one per corpus.
    """

    texts: TokenisedTexts
    labels: npt.NDArray[np.float32]
    classes: Rows
    groups: tuple[Rows, ...]

    def batch(self, rows: Rows, device: torch.device, *, rank: int = 0, world: int = 1) -> Batch:
        """A worker's share of the batch of these rows: every `world`-th, from `rank` on."""
        starts = self.texts.starts
        tokens = sum(int(self.texts.eligible[starts[r] : starts[r + 1]].sum()) for r in rows)
        mine = rows[rank::world]
        ids, mask, eligible = self.texts.padded(mine, device)
        return Batch(
            ids=ids,
            mask=mask,
            eligible=eligible,
            labels=on_device(self.labels[mine], device),
            classes=on_device(self.classes[mine], device),
            tokens=divisor(tokens, world),
            rows=len(rows),
            width=int(self.texts.lengths[rows].max()),
        )


def rated_sentences(
    corpora: Sequence[Corpus], role: str, encoder: Encoder, config: CarlConfig
) -> RatedSentences:
    """The sentences of a role with labels scaled as the config says."""
    labels, classes, groups, start = [], [], [], 0
    texts: list[str] = []
    for corpus in corpora:
        split = corpus.split(role)
        labels.append(scaled_labels(corpus, role, config.label_scaling))
        points = cut_points(corpus.split("train").labels, config.class_cuts)
        classes.append(classes_of(split.labels, points))
        texts.extend(split.texts)
        groups.append(np.arange(start, start + len(split), dtype=np.int64))
        start += len(split)
    if config.batching == "mixed":
        groups = [np.concatenate(groups)]
    return RatedSentences(
        texts=tokenise(encoder, texts, config.max_length),
        labels=np.concatenate(labels),
        classes=np.concatenate(classes),
        groups=tuple(groups),
    )


def scaled_labels(corpus: Corpus, role: str, scaling: str) -> npt.NDArray[np.float32]:
    """Valence and arousal of a role as used by the contrast, (N, 2).

    Args:
        corpus: Of task ``va``, opened with the role and with train.
        role: The split.
        scaling: ``scale``: min-max by the end points of the rating scale (Eq. 12), as a corpus
            is loaded; ``standardised``: z-scores of these by the mean and sd of the train split.
    """
    labels = corpus.split(role).labels
    if scaling == "standardised":
        train = corpus.split("train").labels
        labels = (labels - train.mean(0)) / np.maximum(train.std(0), 1e-6)
    return labels.astype(np.float32)


def batches_per_epoch(groups: Sequence[Rows], batch_size: int) -> int:
    """Batches of one epoch; a group smaller than a batch makes one of its own size."""
    return sum(max(1, len(group) // batch_size) for group in groups)


def plan_epoch(
    groups: Sequence[Rows], lengths: Rows, batch_size: int, bucketing: int, seed: int
) -> list[Rows]:
    """The rows of every batch of an epoch, in an order that depends on `seed` only.

    Args:
        groups: Rows that may share a batch.
        lengths: (N,) tokens of every row.
        batch_size: B.
        bucketing: Number of batches whose rows are sorted by length before they are split.
        seed: Seed of the epoch.

    Returns:
        Arrays of B distinct rows, shuffled; no row occurs twice.
    """
    chance: Any = np.random.default_rng(seed)
    batches: list[Rows] = []
    for group in groups:
        count = max(1, len(group) // batch_size)
        rows = chance.permutation(group)[: count * batch_size]
        pool = bucketing * batch_size
        for start in range(0, len(rows), pool):
            near = rows[start : start + pool]
            near = near[np.argsort(lengths[near], kind="stable")]
            batches += [near[at : at + batch_size] for at in range(0, len(near), batch_size)]
    return [batches[index] for index in chance.permutation(len(batches))]
