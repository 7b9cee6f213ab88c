"""What is drawn, per term and step, under both schedules and both samplings (msmo.md §2.4)."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raysearch.methods.msmo.items import COLUMNS
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.methods.msmo.sampling import (
    SampledRows,
    aligned_draws,
    bucketed,
    cycle,
    items_per_batch,
    literal_draws,
)
from raysearch.methods.msmo.stages import Terms, terms_of

Make = Callable[..., MsmoMethod]
SIZE = 16


def everything(rows: Any) -> Any:
    return rows


def terms(method: MsmoMethod, stage: str) -> Terms:
    return terms_of(method.config, next(s for s in method.stages() if s.name == stage))


def draws(
    method: MsmoMethod, stage: str, seed: int = 0, share: Any = everything
) -> list[SampledRows]:
    """An epoch's draws; with a share, those of that worker."""
    asked = terms(method, stage)
    if asked.literal:
        found = literal_draws(method.training_set, asked, SIZE, seed, share, rounds=5)
    else:
        found = aligned_draws(method.training_set, asked, SIZE, seed, share, rounds=5)
    return [mine for _, mine in found]


def views_of(method: MsmoMethod, sentences: Any) -> Counter[str]:
    """How many of the sentences stand in which view."""
    column = np.full(len(method.training_set.tokens), -1)
    table = method.training_set.items.table
    for index in range(len(COLUMNS)):
        rows = table[:, index]
        column[rows[rows >= 0]] = index
    return Counter(COLUMNS[index] for index in column[sentences])


def test_a_cycle_comes_to_every_row_before_any_comes_again() -> None:
    stream = cycle(np.arange(7), 3, np.random.default_rng(0))
    drawn = np.concatenate([next(stream) for _ in range(14)])
    for start in range(0, 42, 7):
        assert sorted(drawn[start : start + 7]) == list(range(7))
    assert drawn[:7].tolist() != drawn[7:14].tolist()


def test_a_cycle_of_few_rows_or_none() -> None:
    assert sorted(next(cycle(np.arange(2), 5, np.random.default_rng(0)))) == [0, 1]
    nothing = cycle(np.arange(0), 5, np.random.default_rng(0))
    assert [len(next(nothing)) for _ in range(3)] == [0, 0, 0]


def test_buckets_hold_every_row_once_and_rows_of_like_length() -> None:
    chance = np.random.default_rng(1)
    lengths = chance.integers(5, 60, size=331)
    batches = bucketed(lengths, 10, 3)
    assert len(batches) == 33 and {len(batch) for batch in batches} == {10}
    rows = np.concatenate(batches)
    assert len(set(rows.tolist())) == 330
    padded = sum(lengths[batch].max() * 10 for batch in batches)
    shuffled = sum(lengths[rows[at : at + 10]].max() * 10 for at in range(0, 330, 10))
    plain = lengths[np.random.default_rng(0).permutation(330)]
    loose = sum(plain[at : at + 10].max() * 10 for at in range(0, 330, 10))
    assert padded == shuffled < 0.7 * loose
    assert [b.tolist() for b in bucketed(lengths, 10, 3)] == [b.tolist() for b in batches]
    assert [b.tolist() for b in bucketed(lengths, 10, 4)] != [b.tolist() for b in batches]
    assert sorted(bucketed(np.array([3, 1]), 10, 0)[0]) == [0, 1]


# Literal sampling: every term its own sentences.


def test_literal_interleaved_draws_what_the_code_means_to_draw(make_method: Make) -> None:
    method = make_method(sampling="literal", schedule="interleaved")
    found = draws(method, "train-main")
    training_set = method.training_set
    labelled = sorted(np.concatenate([draw.labelled for draw in found]).tolist())
    assert len(labelled) == len(set(labelled))  # no sentence twice in an epoch
    assert len(training_set.tokens) - len(labelled) < SIZE  # and all but a rest of all four views
    for draw in found:
        assert len(draw.labelled) == SIZE  # CE: the mixed union
        assert len(draw.rounds) == 5  # n_critic updates, each with batches of its own
        for source, target in draw.rounds:
            assert SIZE // 2 < len(source) <= SIZE >= len(target) > SIZE // 2  # without the step's
            assert set(views_of(method, source)) <= {"s", "st"}
            assert set(views_of(method, target)) <= {"t", "ts"}
        assert len({tuple(source) for source, _ in draw.rounds}) == 5
        # Encoder: one target batch, against the source language part of the labelled batch.
        assert len(draw.target) == SIZE
        assert set(views_of(method, draw.target)) <= {"t", "ts"}
        sides = views_of(method, draw.labelled)
        assert len(draw.source) == sides["s"] + sides["st"]
        # Consistency: as many pairs as rows times kinds of pairs go into a batch.
        assert len(draw.pairs) == SIZE // 3 * 3
    seen = np.concatenate([s for draw in found for s, _ in draw.rounds])
    counts = Counter(seen.tolist())
    rounds = -(-len(found) * 5 * SIZE // len(counts))
    assert max(counts.values()) <= rounds  # the critic's cycle comes to all before any again


def test_literal_mixed_opposes_the_whole_labelled_batch(make_method: Make) -> None:
    method = make_method(sampling="literal", schedule="interleaved", adversarial_source="mixed")
    for draw in draws(method, "train-main"):
        assert draw.source.tolist() == draw.labelled.tolist()
        assert len(draw.target) == SIZE


def test_literal_sequential_draws_for_one_step_after_the_other(make_method: Make) -> None:
    method = make_method(sampling="literal", schedule="sequential")
    for draw in draws(method, "align-main"):
        assert len(draw.labelled) == len(draw.pairs) == 0
        assert len(draw.source) == len(draw.target) == SIZE and len(draw.rounds) == 5
        assert set(views_of(method, draw.source)) <= {"s", "st"}
    for draw in draws(method, "train-main"):
        assert len(draw.labelled) == SIZE and len(draw.pairs) == 15
        assert len(draw.source) == len(draw.target) == len(draw.rounds) == 0


def test_pairs_are_views_of_one_row(make_method: Make) -> None:
    method = make_method(sampling="literal", consistency_pairs="s-t,st-ts")
    table = method.training_set.items.table
    for draw in draws(method, "train-main"):
        assert len(draw.pairs) == SIZE
        for left, right in draw.pairs:
            (row,) = np.flatnonzero((table == left).any(1))
            views = [COLUMNS[np.flatnonzero(table[row] == one)[0]] for one in (left, right)]
            assert views in (["s", "t"], ["st", "ts"])


# Aligned sampling: whole items serve every term.


@pytest.mark.parametrize("schedule", ["sequential", "interleaved"])
def test_aligned_batches_are_whole_items(make_method: Make, schedule: str) -> None:
    method = make_method(schedule=schedule)
    critic = schedule == "interleaved"
    table = method.training_set.items.table[:, :4]
    for draw in draws(method, "train-main"):
        rows = np.flatnonzero(np.isin(table[:, 0], draw.labelled))
        assert len(rows) == 4  # 16 sentences of four views
        assert sorted(draw.labelled) == sorted(table[rows][table[rows] >= 0])
        both = (table[rows] >= 0).all(1).sum()
        assert len(draw.pairs) == 3 * both
        assert len(draw.source) == (4 + both if critic else 0)
        assert len(draw.target) == (2 * both if critic else 0)
        assert len(draw.rounds) == (5 if critic else 0)
        for source, target in draw.rounds:
            assert 0 < len(source) <= 8 >= len(target) > 0  # half a batch of each side
    if schedule == "sequential":
        for draw in draws(method, "align-main"):
            assert len(draw.labelled) == len(draw.pairs) == 0
            assert set(views_of(method, draw.source)) == {"s", "st"}
            assert set(views_of(method, draw.target)) == {"t", "ts"}


@pytest.mark.parametrize(
    "variant, views, sides",
    [
        ("zero_shot", {"s"}, None),
        ("translate_train", {"t"}, None),
        ("bilingual", {"s", "t"}, None),
        ("acs", {"s", "st", "ts", "t"}, None),
        ("no_code_switch", {"s", "t"}, ({"s"}, {"t"})),
        ("no_translation", {"s", "st"}, ({"s"}, {"st"})),
        ("msmo", {"s", "st", "ts", "t"}, ({"s", "st"}, {"t", "ts"})),
    ],
)
@pytest.mark.parametrize("sampling", ["aligned", "literal"])
def test_variants_read_their_views_only(
    make_method: Make, variant: str, views: set[str], sides: Any, sampling: str
) -> None:
    method = make_method(variant=variant, schedule="interleaved", sampling=sampling)
    found = draws(method, "train-main")
    read = views_of(method, np.concatenate([draw.labelled for draw in found]))
    assert set(read) == views
    if sides:
        draw = found[0]
        assert set(views_of(method, draw.source)) == sides[0]
        assert set(views_of(method, draw.target)) == sides[1]
    else:
        assert all(len(draw.source) == len(draw.target) == 0 for draw in found)


@pytest.mark.parametrize("sampling", ["aligned", "literal"])
@pytest.mark.parametrize("stage", ["align-main", "train-main"])
def test_the_critic_is_judged_on_items_that_it_has_not_learned_from(
    make_method: Make, sampling: str, stage: str
) -> None:
    schedule = "sequential" if stage == "align-main" else "interleaved"
    method = make_method(sampling=sampling, schedule=schedule)
    table = method.training_set.items.table

    def items(*sentences: Any) -> set[int]:
        return set(np.flatnonzero(np.isin(table, np.concatenate(sentences)).any(1)).tolist())

    for draw in draws(method, stage):
        learned = items(*(rows for pair in draw.rounds for rows in pair))
        judged = items(*draw.held_out)
        followed = items(draw.source, draw.target, draw.labelled, draw.pairs.reshape(-1))
        assert learned and judged and followed
        assert not learned & judged and not learned & followed and not judged & followed
        assert set(views_of(method, draw.held_out[0])) <= {"s", "st"}
        assert set(views_of(method, draw.held_out[1])) <= {"t", "ts"}


@pytest.mark.parametrize("sampling", ["aligned", "literal"])
def test_the_order_depends_on_the_seed_of_the_epoch_only(make_method: Make, sampling: str) -> None:
    method = make_method(sampling=sampling, schedule="interleaved")

    def labelled(seed: int) -> list[list[int]]:
        return [draw.labelled.tolist() for draw in draws(method, "train-main", seed)]

    assert labelled(3) == labelled(3)
    assert labelled(3) != labelled(4)


@pytest.mark.parametrize("sampling", ["aligned", "literal"])
def test_workers_share_what_one_worker_draws(make_method: Make, sampling: str) -> None:
    method = make_method(sampling=sampling, schedule="interleaved")
    whole = draws(method, "train-main")
    shares = [draws(method, "train-main", share=lambda r, n=n: r[n::2]) for n in (0, 1)]
    for every, *parts in zip(whole, *shares, strict=True):
        for name in ("labelled", "source", "target", "pairs"):
            together = np.concatenate([getattr(part, name) for part in parts])
            assert sorted(together.tolist()) == sorted(getattr(every, name).tolist()), name
        for number, (source, _) in enumerate(every.rounds):
            assert sorted(source) == sorted(np.concatenate([p.rounds[number][0] for p in parts]))
        for side in (0, 1):
            together = np.concatenate([part.held_out[side] for part in parts])
            assert sorted(together) == sorted(every.held_out[side])


def test_a_multilingual_batch_learns_every_source_sentence_once(make_method: Make) -> None:
    method = make_method(pairs="en-es,en-fr", multilingual=True, sampling="literal")
    labelled = np.concatenate([draw.labelled for draw in draws(method, "train-main")])
    assert len(labelled) == len(set(labelled.tolist()))
    tokens = method.training_set.tokens
    assert len(tokens) - len(labelled) < SIZE
    assert items_per_batch(terms(method, "train-main"), SIZE) == 4


def test_the_students_start_reads_translations_alone(make_method: Make) -> None:
    alone = make_method(distillation="single")
    assert set(terms(alone, "student").views) == {"t"}
    several = make_method(distillation="single", pairs="en-es,en-fr", multilingual=True)
    assert set(terms(several, "student").views) == {"s", "t"}
    found = draws(alone, "student")
    assert set(views_of(alone, found[0].labelled)) == {"t"}
    assert all(len(draw.pairs) == len(draw.source) == 0 for draw in found)
