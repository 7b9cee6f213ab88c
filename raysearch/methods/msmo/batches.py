"""Turns draws into batches of tensors, in which each sentence is forwarded once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from raysearch.distributed import divisor
from raysearch.methods.msmo.items import PackedBatch, pack
from raysearch.methods.msmo.sampling import SampledRows
from raysearch.methods.msmo.tokens import Rows, Tokenised, spans
from raysearch.methods.tensors import on_device

__all__ = ["Aspects", "Batch", "Collator", "CriticBatch"]

FROZEN_CHUNK = 32
"""Parts that are forwarded at once without gradient, of similar length."""

IGNORE_INDEX = -100
"""Label of an ignored word, as in `torch.nn.functional.cross_entropy`."""


@dataclass(frozen=True, kw_only=True)
class CriticBatch:
    """The two sides of a critic update. A part of a split sentence counts as a sentence.

    Attributes:
        source: (N,) int64 rows of sentence features, of this worker.
        target: (M,) int64.
        sources: N of all workers over the number of workers: this worker's divisor, so that
            the mean over workers is the batch's mean.
        targets: The same for M.
    """

    source: torch.Tensor
    target: torch.Tensor
    sources: float
    targets: float

    @property
    def opposed(self) -> bool:
        """Whether both sides have something, on any worker."""
        return self.sources > 0 and self.targets > 0


@dataclass(frozen=True, kw_only=True)
class Aspects:
    """Aligned aspects: row k of one side is the same aspect as row k of the other.

    Attributes:
        starts: (2, A) int64 on the batch's word axis.
        lengths: (2, A) int64 >= 1.
        count: A of all workers over the number of workers.
    """

    starts: torch.Tensor
    lengths: torch.Tensor
    count: float


@dataclass(frozen=True, kw_only=True)
class Batch:
    """This worker's part of a step.

    Attributes:
        main: Every sentence that needs gradients, once.
        labels: (W,) int64 of the words of `main`; `IGNORE_INDEX` for ignored ones.
        words: Labelled words of all workers over the number of workers.
        sides: For the encoder's term against the critic.
        aspects: For consistency.
        collator: Made it, and makes the critic's own batches.
        draws: Of all workers, and this worker's.
    """

    main: PackedBatch
    labels: torch.Tensor
    words: float
    sides: CriticBatch
    aspects: Aspects
    collator: Collator
    draws: tuple[SampledRows, SampledRows]

    @property
    def opposed(self) -> bool:
        """Whether critic and encoder have sentences of both sides, on any worker."""
        whole, _ = self.draws
        return self.sides.opposed and bool(whole.rounds) and all(map(len, whole.held_out))

    def critic_batches(self) -> tuple[PackedBatch, list[CriticBatch], CriticBatch]:
        """The critic's own sentences, to forward without gradient, and their sides.

        Returns:
            The sentences; the sides of each batch that it learns from; those that it is judged on.
        """
        return self.collator.critic_batches(*self.draws)


class Collator:
    """Makes batches from draws.

    Args:
        tokens: The sentences that draws refer to.
        device: Device of the batches.
        workers: Workers that share a step.
        chunk: Most parts that are padded together in `Batch.main`; 0 pads all of them.
    """

    def __init__(
        self, tokens: Tokenised, device: torch.device, *, workers: int = 1, chunk: int = 0
    ) -> None:
        self.tokens, self.device, self.workers, self.chunk = tokens, device, workers, chunk

    def batch(self, whole: SampledRows, mine: SampledRows) -> Batch:
        """The tensors of a worker's draw; `whole` is that of all workers."""
        tokens = self.tokens
        kept = self._with_aspects(mine.pairs)
        drawn = (mine.labelled, mine.source, mine.target, kept.reshape(-1))
        main = np.unique(np.concatenate(drawn))
        words = np.concatenate([[0], np.cumsum(_counts(tokens.words, main))])
        labels = np.full(words[-1], IGNORE_INDEX, dtype=np.int64)
        labelled = np.searchsorted(main, mine.labelled)
        labels[spans(words, labelled)] = tokens.labels[spans(tokens.words, mine.labelled)]
        begins = words[np.searchsorted(main, kept)]
        return Batch(
            main=self._pack(main, self.chunk),
            labels=self._tensor(labels),
            words=divisor(_counts(tokens.words, whole.labelled).sum(), self.workers),
            sides=self._sides(main, (whole.source, whole.target), (mine.source, mine.target)),
            aspects=self._aspects(kept, begins, self._with_aspects(whole.pairs)),
            collator=self,
            draws=(whole, mine),
        )

    def critic_batches(
        self, whole: SampledRows, mine: SampledRows
    ) -> tuple[PackedBatch, list[CriticBatch], CriticBatch]:
        """See `Batch.critic_batches`; each sentence is there once."""
        own = (*mine.rounds, mine.held_out)
        main = np.unique(np.concatenate([rows for pair in own for rows in pair]))
        every = (*whole.rounds, whole.held_out)
        sides = [self._sides(main, *each) for each in zip(every, own, strict=True)]
        return self._pack(main, FROZEN_CHUNK), sides[:-1], sides[-1]

    def _pack(self, main: Rows, chunk: int) -> PackedBatch:
        return pack(self.tokens, spans(self.tokens.parts, main), self.device, chunk=chunk)

    def _with_aspects(self, pairs: Rows) -> Rows:
        return pairs[_counts(self.tokens.aspects, pairs[:, 0]) > 0]

    def _sides(self, main: Rows, whole: tuple[Rows, Rows], mine: tuple[Rows, Rows]) -> CriticBatch:
        parts = np.concatenate([[0], np.cumsum(_counts(self.tokens.parts, main))])
        rows = [self._tensor(spans(parts, np.searchsorted(main, one))) for one in mine]
        counts = [divisor(_counts(self.tokens.parts, one).sum(), self.workers) for one in whole]
        return CriticBatch(source=rows[0], target=rows[1], sources=counts[0], targets=counts[1])

    def _aspects(self, pairs: Rows, begins: Rows, whole: Rows) -> Aspects:
        """Aspects of pairs of sentences whose words begin at `begins` (P, 2)."""
        tokens, starts, lengths = self.tokens, [], []
        for side in (0, 1):
            own = spans(tokens.aspects, pairs[:, side])
            offsets = np.repeat(begins[:, side], _counts(tokens.aspects, pairs[:, side]))
            starts.append(offsets + tokens.begins[own])
            lengths.append(tokens.lengths[own])
        return Aspects(
            starts=self._tensor(np.stack(starts)),
            lengths=self._tensor(np.stack(lengths)),
            count=divisor(_counts(tokens.aspects, whole[:, 0]).sum(), self.workers),
        )

    def _tensor(self, values: Rows) -> torch.Tensor:
        return on_device(values, self.device)


def _counts(starts: Rows, rows: Rows) -> Rows:
    return starts[rows + 1] - starts[rows]
