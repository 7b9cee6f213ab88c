"""Items of one and of several pairs, and padding that changes nothing."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from raysearch import encoders
from raysearch.corpora.absa.records import PairCorpus
from raysearch.encoders import Encoder
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.items import COLUMNS, TrainingSet, load_training_set, pack

MakeConfig = Callable[..., MsmoConfig]
ALL = ("s", "st", "ts", "t")


@pytest.fixture
def tiny() -> Encoder:
    return encoders.load("tiny", layers=1)


def aspect_counts(training_set: TrainingSet) -> list[int]:
    return np.diff(training_set.tokens.aspects).tolist()


def test_one_pair_by_hand(spanish: PairCorpus, tiny: Encoder, make_config: MakeConfig) -> None:
    training_set = load_training_set([spanish], tiny, make_config(), ALL)
    # s of all rows, then st, ts and t of those that have them
    assert training_set.items.table[:, :4].tolist() == [[0, 3, 5, 7], [1, 4, 6, 8], [2, -1, -1, -1]]
    assert training_set.items.owned.all()
    assert aspect_counts(training_set) == [2, 0, 1, 2, 0, 2, 0, 2, 0]
    items = training_set.select(("s", "t"), every_source=False)
    assert items.sentences().tolist() == [0, 7, 1, 8, 2]
    assert items.sentences(("t",)).tolist() == [7, 8]
    assert items.pairs(("s-t", "s-st")).tolist() == [[0, 7], [1, 8]]
    assert items.has_pair(("s-t",)).tolist() == [True, True, False]
    assert len(training_set.select(("t",), every_source=False)) == 2


def test_views_that_nobody_reads_are_not_tokenised(
    spanish: PairCorpus, tiny: Encoder, make_config: MakeConfig
) -> None:
    training_set = load_training_set([spanish], tiny, make_config(), ("s",))
    assert len(training_set.tokens) == 3
    assert (training_set.items.table[:, 1:] == -1).all()


def test_source_sentences_of_several_pairs_count_once(
    spanish: PairCorpus, french: PairCorpus, tiny: Encoder, make_config: MakeConfig
) -> None:
    training_set = load_training_set([spanish, french], tiny, make_config(), ALL)
    items = training_set.select(ALL, every_source=True)
    assert items.table[:, 0].tolist() == [0, 1, 2, 0, 1, 2]  # one sentence, two pairs
    labelled = items.labelled()
    assert sorted(labelled) == list(range(3 + 6 + 6))  # every sentence once
    # Rows 0 and 2 learn their source with Spanish, row 1 with French.
    assert items.take(np.array([0])).labelled().tolist() == [0, 3, 5, 7]
    assert items.take(np.array([3])).labelled().tolist() == []
    assert items.take(np.array([1, 4])).labelled().tolist() == [4, 6, 8, 1, 9, 11, 13]
    # Where nothing is compared with it, the source stands only where it is labelled.
    alone = training_set.select(("s", "t"), every_source=False)
    assert alone.table[:, 0].tolist() == [0, -1, 2, 1, -1]
    assert sorted(alone.labelled()) == sorted(alone.table[alone.table >= 0])


def test_the_targets_own_sentences_are_a_column(
    spanish: PairCorpus, french: PairCorpus, tiny: Encoder, make_config: MakeConfig
) -> None:
    training_set = load_training_set([spanish, french], tiny, make_config(), ("gold",))
    items = training_set.select(("gold",), every_source=False)
    assert items.table[:, COLUMNS.index("gold")].tolist() == [0, 1, 2]
    assert items.labelled().tolist() == [0, 1, 2]
    assert aspect_counts(training_set) == [1, 0, 0]


@pytest.mark.parametrize("chunk", [0, 2, 3])
def test_packed_places_are_those_of_the_pieces(
    spanish: PairCorpus, tiny: Encoder, make_config: MakeConfig, chunk: int
) -> None:
    tokens = load_training_set([spanish], tiny, make_config(max_length=12), ALL).tokens
    parts = np.array([8, 0, 5, 3, 1])
    packed = pack(tokens, parts, torch.device("cpu"), chunk=chunk)
    flat = torch.cat([ids.flatten() for ids in packed.ids])
    wanted = [tokens.ids[tokens.starts[p] : tokens.starts[p + 1]].tolist() for p in parts]
    assert flat[packed.pieces].tolist() == sum(wanted, [])
    firsts = [
        tokens.ids[tokens.starts[p] + tokens.firsts[w]]
        for p in parts
        for w in range(tokens.word_starts[p], tokens.word_starts[p + 1])
    ]
    assert flat[packed.words].tolist() == firsts
    rows = [
        ids[mask].tolist()
        for i, m in zip(packed.ids, packed.masks, strict=True)
        for ids, mask in zip(i, m, strict=True)
    ]
    assert [rows[place] for place in packed.order] == wanted
    longest = [mask.sum(1).tolist() for mask in packed.masks]
    assert sum(longest, []) == sorted((len(row) for row in wanted), reverse=True)
    assert all(mask[0].all() for mask in packed.masks)  # no wider than the longest
    assert len(packed.ids) == -(-len(parts) // (chunk or len(parts)))
