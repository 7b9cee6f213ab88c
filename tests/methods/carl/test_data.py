"""Batches: size, order, buckets, corpora apart, workers' shares."""

import numpy as np
import pytest
import torch

from raysearch import corpora, encoders
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import (
    batches_per_epoch,
    plan_epoch,
    rated_sentences,
    tokenise,
)

CPU = torch.device("cpu")


def test_batches_are_full_distinct_and_follow_the_seed() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 1000)
    groups = (np.arange(1000),)
    plan = plan_epoch(groups, lengths, 64, 4, seed=1)
    assert len(plan) == batches_per_epoch(groups, 64) == 15
    assert all(len(set(rows.tolist())) == 64 for rows in plan)
    assert len({row for rows in plan for row in rows.tolist()}) == 15 * 64
    again = plan_epoch(groups, lengths, 64, 4, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(plan, again, strict=True))
    other = plan_epoch(groups, lengths, 64, 4, seed=2)
    assert not all(np.array_equal(a, b) for a, b in zip(plan, other, strict=True))


def test_buckets_save_padding_and_are_shuffled() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 2048)
    padded = {}
    for bucketing in (1, 16):
        plan = plan_epoch((np.arange(2048),), lengths, 64, bucketing, seed=0)
        widths = [lengths[rows].max() for rows in plan]
        padded[bucketing] = sum(width * 64 for width in widths)
        assert widths != sorted(widths)
    assert padded[16] < 0.6 * padded[1]
    assert padded[16] < 1.1 * lengths.sum()


def test_groups_do_not_mix_and_a_small_one_is_one_batch() -> None:
    groups = (np.arange(100), np.arange(100, 110))
    plan = plan_epoch(groups, np.full(110, 5), 32, 16, seed=0)
    assert sorted(len(rows) for rows in plan) == [10, 32, 32, 32]
    for rows in plan:
        assert (rows < 100).all() or (rows >= 100).all()


@pytest.fixture
def config() -> CarlConfig:
    return CarlConfig(encoder="tiny", corpora=("sample",), max_length=32)


def test_padding_mask_and_eligible_tokens(config: CarlConfig) -> None:
    encoder = encoders.load("tiny")
    texts = ("good", "a much longer sentence than that", "x")
    tokens = tokenise(encoder, texts, 32)
    ids, mask, eligible = tokens.padded(np.array([2, 1]), CPU)
    assert ids.shape == (2, tokens.lengths[1])
    assert mask.sum(-1).tolist() == [tokens.lengths[2], tokens.lengths[1]]
    assert (ids[~mask] == tokens.pad_id).all()
    assert not eligible[:, 0].any()  # [CLS]
    assert eligible.sum(-1).tolist() == (mask.sum(-1) - 2).tolist()  # [CLS], [SEP]
    pieces = encoder.tokenizer.convert_ids_to_tokens(ids[1][eligible[1]].tolist())
    assert "".join(pieces).replace("\u0120", " ").strip() == texts[1]
    assert tokenise(encoder, list(texts), 32) is tokens


def test_workers_shares_make_the_batch(config: CarlConfig) -> None:
    corpus = corpora.load("sample", "nowhere", {"train", "dev"})
    sentences = rated_sentences([corpus], "train", encoders.load("tiny"), config)
    rows = np.arange(8)
    whole = sentences.batch(rows, CPU)
    parts = [sentences.batch(rows, CPU, rank=rank, world=2) for rank in (0, 1)]
    assert whole.tokens == float(whole.eligible.sum())
    assert [part.tokens for part in parts] == [whole.tokens / 2] * 2
    assert torch.equal(
        torch.cat([part.labels for part in parts]), whole.labels[[0, 2, 4, 6, 1, 3, 5, 7]]
    )
    assert sum(float(part.eligible.sum()) for part in parts) == whole.tokens


def test_standardised_labels_use_the_train_split(config: CarlConfig) -> None:
    corpus = corpora.load("sample", "nowhere", {"train", "dev"})
    standardised = CarlConfig(encoder="tiny", max_length=32, label_scaling="standardised")
    encoder = encoders.load("tiny")
    train = rated_sentences([corpus], "train", encoder, standardised).labels
    assert np.allclose(train.mean(0), 0, atol=1e-5)
    assert np.allclose(train.std(0), 1, atol=1e-4)
    dev = rated_sentences([corpus], "dev", encoder, standardised).labels
    raw = corpus.split("train").labels
    wanted = (corpus.split("dev").labels - raw.mean(0)) / raw.std(0)
    assert np.allclose(dev, wanted, atol=1e-5)


def test_mixed_batching_makes_one_group(config: CarlConfig) -> None:
    corpus = corpora.load("sample", "nowhere", {"train"})
    encoder = encoders.load("tiny")
    apart = rated_sentences([corpus, corpus], "train", encoder, config)
    mixed = CarlConfig(encoder="tiny", max_length=32, batching="mixed")
    together = rated_sentences([corpus, corpus], "train", encoder, mixed)
    assert [len(g) for g in apart.groups] == [len(corpus.split("train"))] * 2
    assert [len(g) for g in together.groups] == [2 * len(corpus.split("train"))]
