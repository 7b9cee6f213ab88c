"""Draws the sentences of each step, as whole items or separately for every term.

``aligned``: a batch is some items with all views that the step reads, so that one forward pass
serves every term (docs/msmo.md §4.3). ``literal``: every term draws its own, as the code intends
(§2.4), from an endless cycle that visits every sentence before repeating any (§5.5). The critic
has sentences of its own in both. All depends only on the seed of the epoch.
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

HELD_OUT = 2
"""Batches on which the critic is judged before the encoder moves."""

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
        rounds: Source and target side of the critic's batches, of other items than all above:
            what the critic learns in a step says nothing of the sentences above.
        held_out: Source and target side on which the critic is judged, of other items again.
    """

    labelled: Rows
    source: Rows
    target: Rows
    pairs: Rows
    rounds: tuple[tuple[Rows, Rows], ...] = ()
    held_out: tuple[Rows, Rows] = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


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
        return len(items.labelled(terms.labelled))
    return max(len(items.sentences(terms.source)), len(items.sentences(terms.target)))


def aligned_draws(
    training_set: TrainingSet,
    terms: Terms,
    batch_size: int,
    seed: int,
    share: Share,
    *,
    rounds: int,
) -> Iterator[tuple[SampledRows, SampledRows]]:
    """One epoch of whole items: of every step the draw of all workers, and this worker's.

    Args:
        training_set: The sentences.
        terms: The terms of the step.
        batch_size: Sentences of a step, over all workers; the critic's batches have half as many
            of each side.
        seed: Seed of the epoch.
        share: Selects this worker's part.
        rounds: Batches to draw for the critic.
    """
    items = _items(training_set, terms)
    longest = np.append(training_set.tokens.longest, 0)  # index -1 (no sentence) has length 0
    lengths = longest[items.table].max(1)
    critic = _CriticDraws(items, terms, max(1, batch_size // 2), seed, rounds)
    for rows in bucketed(lengths, items_per_batch(terms, batch_size), seed):
        chosen = items.take(rows)
        whole, mine = _whole(chosen, terms), _part(chosen, terms, share(np.arange(len(rows))))
        drawn = critic.beside(whole)
        yield drawn.of(whole, _all), drawn.of(mine, share)


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
    batch, or all of it if `terms.mixed`, or a batch of its own if not all of its
    views are labelled.
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
    labelled = items.labelled(terms.labelled)
    source = items.sentences(terms.source) if terms.critic else none
    target = items.sentences(terms.target) if terms.critic else none
    # Source views that have no labels in the step are no part of its labelled batch.
    shared = terms.mixed or {*terms.source} <= {*terms.labelled}
    own_source = none if shared else source
    paired = np.flatnonzero(items.has_pair(terms.pairs))
    per_step = max(1, batch_size // max(1, len(terms.pairs)))
    labels, sources, targets, rows = (
        cycle(each, size, np.random.default_rng([seed, number]))
        for number, (each, size) in enumerate(
            (
                (labelled, batch_size),
                (own_source, batch_size),
                (target, batch_size),
                (paired, per_step),
            )
        )
    )
    critic = _CriticDraws(items, terms, batch_size, seed, rounds)
    counted = labelled if terms.mixed else source
    for _ in range(max(1, len(labelled if terms.supervised else source) // batch_size)):
        own = (next(labels), next(sources), next(targets), next(rows))

        def draw(take: Share, own: tuple[Rows, Rows, Rows, Rows] = own) -> SampledRows:
            learned = take(own[0])
            return SampledRows(
                labelled=learned,
                source=learned[np.isin(learned, counted)] if shared else take(own[1]),
                target=take(own[2]),
                pairs=items.take(take(own[3])).pairs(terms.pairs),
            )

        drawn = critic.beside(draw(_all))
        yield drawn.of(draw(_all), _all), drawn.of(draw(share), share)


@dataclass(frozen=True, kw_only=True)
class _CriticRows:
    """The critic's sentences of one step, of all workers; see `SampledRows`."""

    rounds: tuple[tuple[Rows, Rows], ...]
    held_out: tuple[Rows, Rows]

    def of(self, draw: SampledRows, take: Share) -> SampledRows:
        """The draw with these, or a worker's part of these."""
        rounds = tuple((take(one), take(other)) for one, other in self.rounds)
        return replace(
            draw, rounds=rounds, held_out=(take(self.held_out[0]), take(self.held_out[1]))
        )


class _CriticDraws:
    """Endless draws of the critic's sentences.

    Args:
        items: The items to draw from.
        terms: The terms of the step; without a critic nothing is drawn.
        size: Sentences of each side of a batch.
        seed: Seed of the epoch.
        rounds: Batches of a step.
    """

    def __init__(self, items: AlignedRows, terms: Terms, size: int, seed: int, rounds: int) -> None:
        self._table, self._rounds = items.table, rounds if terms.critic else 0
        sides = [items.sentences(views) for views in (terms.source, terms.target)]
        # Numbers 0 to 3 are those of the literal draws.
        self._sides, self._judged = (
            [
                cycle(rows, own, np.random.default_rng([seed, number + side]))
                for side, rows in enumerate(sides)
            ]
            for number, own in ((4, size), (6, HELD_OUT * size))
        )

    def beside(self, draw: SampledRows) -> _CriticRows:
        """The critic's sentences for a step with this draw, without those of its items."""
        if not self._rounds:
            return _CriticRows(rounds=(), held_out=SampledRows.held_out)
        used = (draw.labelled, draw.source, draw.target, draw.pairs.reshape(-1))
        barred = self._alike(np.concatenate(used))
        source, target = self._sides
        drawn = [
            (_without(next(source), barred), _without(next(target), barred))
            for _ in range(self._rounds)
        ]
        rounds = tuple(pair for pair in drawn if all(map(len, pair)))
        learned = np.concatenate([rows for pair in drawn for rows in pair])
        barred = np.concatenate([barred, self._alike(learned)])
        held_out = tuple(_without(next(rows), barred) for rows in self._judged)
        return _CriticRows(rounds=rounds, held_out=(held_out[0], held_out[1]))

    def _alike(self, sentences: Rows) -> Rows:
        """The sentences of all items that have one of these."""
        found = self._table[np.isin(self._table, sentences[sentences >= 0]).any(1)]
        return found[found >= 0]


def _without(rows: Rows, barred: Rows) -> Rows:
    return rows[~np.isin(rows, barred)]


def _all(rows: Rows) -> Rows:
    return rows


def _items(training_set: TrainingSet, terms: Terms) -> AlignedRows:
    compared = any("s" in pair.split("-") for pair in terms.pairs)
    return training_set.select(terms.views, every_source=compared)


def _whole(items: AlignedRows, terms: Terms) -> SampledRows:
    none = items.table[:0, 0]
    return SampledRows(
        labelled=items.labelled(terms.labelled),
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
    return terms.labelled if terms.mixed else terms.source
