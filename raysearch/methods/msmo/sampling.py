"""Draws the sentences of each step, as whole items or separately for every term.

``aligned``: a batch is some items with all views that the step reads, so that one forward pass
serves every term (docs/msmo.md §4.3). ``literal``: every term draws its own, as the code intends
(§2.4), from an endless cycle that visits every sentence before repeating any (§5.5). Both depend
only on the seed of the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from raysearch.methods.msmo.items import AlignedRows, TrainingSet
from raysearch.methods.msmo.stages import Terms
from raysearch.methods.msmo.tokens import Rows

__all__ = [
    "SampledRows",
    "Share",
    "aligned_draws",
    "bucketed",
    "cycle",
    "draws_from",
    "items_per_batch",
    "literal_draws",
]

POOL = 16
"""Batches whose rows are sorted by length before they are split: a quarter of the padding."""

Share = Callable[[Rows], Rows]
"""Selects a worker's part of the rows that were drawn."""


@dataclass(frozen=True, kw_only=True)
class SampledRows:
    """Numbers of the sentences of one step, term by term.

    Attributes:
        labelled: Sentences whose labels count.
        source: Source side of the encoder's term against the critic.
        target: Its target side.
        pairs: (P, 2) sentences whose k-th aspects are drawn together.
        rounds: Source and target side of every critic update; empty when the critic uses the
            sides above.
    """

    labelled: Rows
    source: Rows
    target: Rows
    pairs: Rows
    rounds: tuple[tuple[Rows, Rows], ...] = ()


def cycle(rows: Rows, size: int, chance: Any) -> Iterator[Rows]:
    """Endless batches: every row occurs once before any repeats.

    Args:
        rows: The rows to draw from; at least one.
        size: Rows of a batch; if there are fewer, all of them.
        chance: A numpy generator.
    """
    size = min(size, len(rows))
    waiting = chance.permutation(rows)
    while True:
        while len(waiting) < size:
            waiting = np.concatenate([waiting, chance.permutation(rows)])
        yield waiting[:size]
        waiting = waiting[size:]


def bucketed(lengths: Rows, size: int, seed: int) -> list[Rows]:
    """The rows of every batch of an epoch, of similar length; the remainder is dropped.

    Args:
        lengths: (N,) pieces of each row; N >= 1.
        size: Rows of a batch; a smaller N makes one batch.
        seed: Seed of the epoch.
    """
    chance: Any = np.random.default_rng(seed)
    count = max(1, len(lengths) // size)
    rows = next(cycle(np.arange(len(lengths)), count * size, chance))
    batches = []
    for start in range(0, len(rows), POOL * size):
        near = rows[start : start + POOL * size]
        near = near[np.argsort(lengths[near], kind="stable")]
        batches += [near[at : at + size] for at in range(0, len(near), size)]
    return [batches[index] for index in chance.permutation(len(batches))]


def items_per_batch(terms: Terms, batch_size: int) -> int:
    """Items whose views together have `batch_size` sentences; at least one item."""
    return max(1, batch_size // len(terms.views))


def draws_from(training_set: TrainingSet, terms: Terms) -> int:
    """Least number that a step draws from: items if aligned, else sentences of a term."""
    items = _items(training_set, terms)
    if not terms.literal:
        return len(items)
    if terms.supervised:
        return len(items.labelled())
    return max(len(items.sentences(terms.source)), len(items.sentences(terms.target)))


def aligned_draws(
    training_set: TrainingSet, terms: Terms, batch_size: int, seed: int, share: Share
) -> Iterator[tuple[SampledRows, SampledRows]]:
    """One epoch of whole items: of every step the draw of all workers, and this worker's.

    Args:
        training_set: The sentences.
        terms: The terms of the step.
        batch_size: Sentences of a step, over all workers.
        seed: Seed of the epoch.
        share: Selects this worker's part.
    """
    items = _items(training_set, terms)
    longest = np.append(training_set.tokens.longest, 0)  # index -1 (no sentence) has length 0
    lengths = longest[items.table].max(1)
    for rows in bucketed(lengths, items_per_batch(terms, batch_size), seed):
        whole = items.take(rows)
        yield _whole(whole, terms), _part(whole, terms, share(np.arange(len(rows))))


def literal_draws(
    training_set: TrainingSet,
    terms: Terms,
    batch_size: int,
    seed: int,
    share: Share,
    *,
    rounds: int,
) -> Iterator[tuple[SampledRows, SampledRows]]:
    """One epoch in which every term draws its own sentences; see `aligned_draws`.

    Labels: a mixed batch of all views. Critic: for each of `rounds` updates a batch of each
    side. Encoder: one batch of the target side, against the source side's part of the labelled
    batch, or all of it if `terms.mixed`, or a batch of its own if nothing is labelled.
    Consistency: `batch_size` pairs of views, by rows; as in the code rows without an aspect are
    drawn too, but nothing is computed for them.

    Args:
        training_set: The sentences.
        terms: The terms of the step.
        batch_size: Sentences, or pairs of them, of a draw, over all workers.
        seed: Seed of the epoch.
        share: Selects this worker's part.
        rounds: Critic updates to draw for.
    """
    items = _items(training_set, terms)
    none = items.table[:0, 0]
    labelled = items.labelled() if terms.supervised else none
    source = items.sentences(terms.source) if terms.critic else none
    target = items.sentences(terms.target) if terms.critic else none
    own_source = none if terms.supervised else source
    paired = np.flatnonzero(items.has_pair(terms.pairs))
    per_step = max(1, batch_size // max(1, len(terms.pairs)))
    labels, sources, targets, rows, first, second = (
        cycle(each, size, np.random.default_rng([seed, number]))
        for number, (each, size) in enumerate(
            (
                (labelled, batch_size),
                (own_source, batch_size),
                (target, batch_size),
                (paired, per_step),
                (source, batch_size),
                (target, batch_size),
            )
        )
    )
    counted = labelled if terms.mixed else source
    for _ in range(max(1, len(labelled if terms.supervised else source) // batch_size)):
        own = (next(labels), next(sources), next(targets), next(rows))
        played = [(next(first), next(second)) for _ in range(rounds if terms.critic else 0)]
        yield tuple(  # type: ignore[misc]
            SampledRows(
                labelled=take(own[0]),
                source=take(own[0])[np.isin(take(own[0]), counted)]
                if terms.supervised
                else take(own[1]),
                target=take(own[2]),
                pairs=items.take(take(own[3])).pairs(terms.pairs),
                rounds=tuple((take(one), take(other)) for one, other in played),
            )
            for take in (_all, share)
        )


def _all(rows: Rows) -> Rows:
    return rows


def _items(training_set: TrainingSet, terms: Terms) -> AlignedRows:
    compared = any("s" in pair.split("-") for pair in terms.pairs)
    return training_set.select(terms.views, every_source=compared)


def _whole(items: AlignedRows, terms: Terms) -> SampledRows:
    none = items.table[:0, 0]
    return SampledRows(
        labelled=items.labelled() if terms.supervised else none,
        source=items.sentences(_source(terms)) if terms.critic else none,
        target=items.sentences(terms.target) if terms.critic else none,
        pairs=items.pairs(terms.pairs),
    )


def _part(items: AlignedRows, terms: Terms, own: Rows) -> SampledRows:
    """`_whole` for some of the items; a side's sentence counts only in its first item."""
    draw = _whole(items.take(own), terms)
    if not terms.critic:
        return draw
    source, target = (
        items.sentences(views)[np.isin(items.homes(views), own)]
        for views in (_source(terms), terms.target)
    )
    return replace(draw, source=source, target=target)


def _source(terms: Terms) -> Sequence[str]:
    """Views of the encoder's source side."""
    return terms.views if terms.mixed else terms.source
