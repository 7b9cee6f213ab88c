from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from raysearch import corpora, encoders
from raysearch.corpora import Corpus, Split
from raysearch.corpora.seen import SeenTexts
from raysearch.errors import DataError, RoleError, RunError
from raysearch.methods.carl.evaluation.downstream import downstream
from raysearch.methods.carl.evaluation.embedded import embed_corpus

NOTHING = SeenTexts([])
WIDTH = 6
SIZES = {"train": 240, "dev": 60, "test": 60}


class Space:
    """A pretended encoder: every text has a random vector, and calls are counted."""

    def __init__(self) -> None:
        self.vectors: dict[str, np.ndarray] = {}
        self.calls: list[int] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(len(texts))
        return np.stack([self.vectors[text] for text in texts])

    def corpus(
        self,
        name: str,
        task: str = "va",
        roles: Sequence[str] = ("train", "dev"),
        *,
        classes: int = 2,
        constant: bool = False,
    ) -> Corpus:
        random = np.random.default_rng(sum(name.encode()))
        splits = {}
        weights = np.random.default_rng(7).standard_normal((WIDTH, 2 if task == "va" else classes))
        for role in roles:
            texts = tuple(f"{name} {role} {index}" for index in range(SIZES[role]))
            rows = random.standard_normal((len(texts), WIDTH)).astype(np.float32)
            self.vectors |= dict(zip(texts, np.zeros_like(rows) if constant else rows, strict=True))
            labels = (rows @ weights).astype(np.float32)
            labels = 0.5 + 0.05 * labels if task == "va" else labels.argmax(1).astype(np.int64)
            splits[role] = Split(texts=texts, labels=labels, ids=texts)
        label_names = tuple(f"class {index}" for index in range(weights.shape[1]))
        return Corpus(
            name=name,
            task=task,  # type: ignore[arg-type]
            digest=name,
            label_names=label_names,
            scale=(0, 1),
            _splits=tuple(splits.items()),
        )


ALL = ("train", "dev", "test")


def test_metric_names_and_means_on_a_linear_space() -> None:
    space = Space()
    opened = [
        space.corpus("emobank"),
        space.corpus("facebook"),
        space.corpus("goemotions", "classes", classes=4),
        space.corpus("mr", "polarity"),
        space.corpus("sst2", "polarity"),
    ]
    found = downstream(space.embed, opened, "dev", 0, seen=NOTHING)
    assert set(found) == {
        *(
            f"dev/{name}/{score}"
            for name in ("emobank", "facebook")
            for score in (
                *("valence_pearson", "valence_spearman", "arousal_pearson", "arousal_spearman"),
                *("alignment", "alignment_pairs", "uniformity", "silhouette_quadrant"),
            )
        ),
        *(
            f"dev/{name}/{score}"
            for name in ("goemotions", "mr", "sst2")
            for score in (
                *("accuracy", "macro_f1", "silhouette"),
                *("alignment", "alignment_pairs", "uniformity"),
            )
        ),
        *(f"dev/{p}/{score}" for p in ("mr>sst2", "sst2>mr") for score in ("accuracy", "rows")),
        *("dev/va_pearson", "dev/va_spearman", "dev/class_accuracy"),
        *("dev/polarity_accuracy", "dev/transfer_accuracy"),
    }
    assert found["dev/emobank/valence_pearson"] > 0.99
    assert found["dev/goemotions/accuracy"] > 0.9
    parts = [
        found[f"dev/{name}/{dimension}_spearman"]
        for name in ("emobank", "facebook")
        for dimension in ("valence", "arousal")
    ]
    assert found["dev/va_spearman"] == pytest.approx(np.mean(parts))
    assert found["dev/transfer_accuracy"] == pytest.approx(
        (found["dev/mr>sst2/accuracy"] + found["dev/sst2>mr/accuracy"]) / 2
    )
    assert len(space.calls) == len(opened)  # one pass per corpus serves all probes
    assert space.calls == [300] * 5
    assert downstream(space.embed, opened, "dev", 0, seen=NOTHING) == found


def test_a_shuffled_space_tells_nothing() -> None:
    space = Space()
    opened = [space.corpus("emobank"), space.corpus("goemotions", "classes", classes=4)]
    texts = list(space.vectors)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = {text: space.vectors[texts[i]] for text, i in zip(texts, order, strict=True)}
    space.vectors = shuffled
    found = downstream(space.embed, opened, "dev", 0, seen=NOTHING)
    assert abs(found["dev/va_pearson"]) < 0.25
    assert found["dev/class_accuracy"] < 0.45


def test_dev_reads_train_and_dev_only_and_test_needs_the_test_role() -> None:
    space = Space()
    for task in ("va", "classes", "polarity"):
        opened = [space.corpus("mr", task)]
        assert downstream(space.embed, opened, "dev", 0, seen=NOTHING)
        with pytest.raises(RoleError, match="role `test` of corpus mr"):
            downstream(space.embed, opened, "test", 0, seen=NOTHING)


def test_test_scores_fixed_splits_or_cross_validates_the_whole_corpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = Space()
    folded: list[int] = []

    def cross_validate(rows: np.ndarray, labels: np.ndarray, *_: object) -> np.ndarray:
        folded.append(len(rows))
        return labels

    monkeypatch.setattr(
        "raysearch.methods.carl.evaluation.downstream.cross_validate", cross_validate
    )
    opened = [
        space.corpus("emobank", roles=ALL),
        space.corpus("goemotions", "classes", ALL),
        *(space.corpus(name, "polarity", ALL) for name in ("mr", "sst2", "subj")),
    ]
    found = downstream(space.embed, opened, "test", 0, seen=NOTHING)
    assert folded == [360, 360]
    assert found["test/mr/accuracy"] == found["test/subj/accuracy"] == 1.0
    assert space.calls == [360] * 5  # dev chooses the penalties of a test
    assert found["test/va_pearson"] > 0.99
    assert all(name.startswith("test/") for name in found)


@pytest.mark.parametrize("role", ["dev", "test"])
def test_every_probe_reads_the_layers_that_tell(role: str) -> None:
    """The last layer is noise; the one before has what the labels are made of."""
    space = Space()
    chance = np.random.default_rng(3)

    def embed(texts: Sequence[str]) -> np.ndarray:
        rows = space.embed(texts)
        noise = chance.standard_normal((2, *rows.shape)).astype(np.float32)
        return np.stack([noise[0], rows, noise[1]], axis=1)

    opened = [
        space.corpus("emobank", roles=ALL),
        space.corpus("goemotions", "classes", ALL, classes=3),
        *(space.corpus(name, "polarity", ALL) for name in ("mr", "sst2")),
    ]
    mix = downstream(embed, opened, role, 0, seen=NOTHING)
    last = downstream(lambda texts: embed(texts)[:, -1], opened, role, 0, seen=NOTHING)
    assert mix.keys() == last.keys()
    for name in ("class_accuracy", "polarity_accuracy", "transfer_accuracy", "va_pearson"):
        assert mix[f"{role}/{name}"] > 0.85 > 0.7 > last[f"{role}/{name}"], name


def test_a_test_is_never_of_a_part_of_the_train_split() -> None:
    with pytest.raises(ValueError, match="train_limit 10"):
        downstream(Space().embed, [], "test", 0, train_limit=10, seen=NOTHING)


def test_a_train_limit_takes_the_same_rows_whatever_their_order() -> None:
    space = Space()
    opened = space.corpus("emobank")
    limited = embed_corpus(space.embed, opened, ("train", "dev"), 0, 50)
    assert space.calls == [110]
    train = opened.split("train")
    order = np.random.default_rng(0).permutation(len(train))
    shuffled = Split(
        texts=tuple(train.texts[i] for i in order),
        labels=train.labels[order],
        ids=tuple(train.ids[i] for i in order),
    )
    other = Corpus(
        name="emobank",
        task="va",
        digest="",
        label_names=opened.label_names,
        scale=(0, 1),
        _splits=(("train", shuffled), ("dev", opened.split("dev"))),
    )
    again = embed_corpus(space.embed, other, ("train", "dev"), 0, 50)
    assert set(again.splits["train"].texts) == set(limited.splits["train"].texts)
    other_seed = embed_corpus(space.embed, opened, ("train", "dev"), 1, 50)
    assert set(other_seed.splits["train"].texts) != set(limited.splits["train"].texts)
    for split in (limited.splits["train"], again.splits["train"]):
        for text, row in zip(split.texts, split.rows, strict=True):
            np.testing.assert_array_equal(row, space.vectors[text])
    assert (
        downstream(space.embed, [opened], "dev", 0, train_limit=50, seen=NOTHING)["dev/va_pearson"]
        > 0.9
    )


def test_constant_embeddings_give_nan_and_the_mean_does_not_hide_it() -> None:
    space = Space()
    opened = [space.corpus("emobank", constant=True), space.corpus("facebook")]
    found = downstream(space.embed, opened, "dev", 0, seen=NOTHING)
    assert math.isnan(found["dev/emobank/valence_pearson"])
    assert found["dev/facebook/valence_pearson"] > 0.99
    assert math.isnan(found["dev/va_pearson"])


def test_constant_embeddings_classify_at_chance() -> None:
    space = Space()
    opened = [space.corpus("mr", "polarity", constant=True)]
    found = downstream(space.embed, opened, "dev", 0, seen=NOTHING)
    assert 0.2 < found["dev/polarity_accuracy"] < 0.8


def test_an_embedding_that_is_not_finite_fails_the_trial() -> None:
    space = Space()
    opened = [space.corpus("emobank")]
    space.vectors["emobank dev 5"][1] = np.nan
    with pytest.raises(RunError, match="1 of 30 hold NaN"):
        downstream(space.embed, opened, "dev", 0, seen=NOTHING)


def test_a_tiny_train_split_is_said_to_be_too_small() -> None:
    space = Space()
    opened = space.corpus("mr", "polarity", ALL)
    small = opened.split("train")
    small = Split(texts=small.texts[:12], labels=np.arange(12) % 2, ids=small.ids[:12])
    nothing = Split(texts=(), labels=small.labels[:0], ids=())
    tiny = Corpus(
        name="mr",
        task="polarity",
        digest="",
        label_names=opened.label_names,
        scale=(0, 1),
        _splits=(("train", small), ("dev", small), ("test", nothing)),
    )
    small = replace(small, labels=small.labels * 0)
    one = replace(tiny, _splits=(("train", small), ("dev", opened.split("dev"))))
    with pytest.raises(DataError, match="at least 2 classes"):
        downstream(space.embed, [one], "dev", 0, seen=NOTHING)
    with pytest.raises(DataError, match="at least 10 different texts in some class"):
        downstream(space.embed, [tiny], "test", 0, seen=NOTHING)


def test_the_bundled_corpora_pass_through_a_bag_of_words() -> None:
    def embed(texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), 256), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().replace(".", " ").split():
                row[sum(letter * 31**i for i, letter in enumerate(word.encode())) % 256] += 1
        return rows

    names = ("sample", "sample_polarity", "sample_emotions")
    opened = [corpora.load(name, ".", {"train", "dev"}) for name in names]
    found = downstream(embed, opened, "dev", 0, seen=NOTHING)
    assert np.isfinite(list(found.values())).all()
    assert found["dev/polarity_accuracy"] > 0.4  # the sample's words differ between splits


# Real data and a real encoder, where both are at hand.


def minilm(texts: Sequence[str]) -> np.ndarray:
    """Mean-pooled states of the frozen MiniLM."""
    encoder = encoders.load("package:minilm")
    encoded = [record.ids for record in encoders.encode(encoder.tokenizer, texts, 128)]
    rows = np.empty((len(texts), encoder.hidden_size), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda row: len(encoded[row]))
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        longest = len(encoded[chosen[-1]])
        ids = torch.zeros(len(chosen), longest, dtype=torch.long)
        mask = torch.zeros(len(chosen), longest, dtype=torch.long)
        for at, row in enumerate(chosen):
            ids[at, : len(encoded[row])] = torch.tensor(encoded[row])
            mask[at, : len(encoded[row])] = 1
        with torch.no_grad():
            states = encoder.model(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1)
        rows[chosen] = ((states * weights).sum(1) / weights.sum(1)).numpy()
    return rows


@pytest.mark.slow
@pytest.mark.real_data
def test_frozen_minilm_on_a_part_of_emobank_and_mr(real_data: Path) -> None:
    emobank = corpora.load("emobank", real_data, ALL)
    mr = corpora.load("mr", real_data, {"train", "dev"})
    found = downstream(minilm, [emobank], "dev", 0, train_limit=3000, seen=NOTHING)
    found |= downstream(minilm, [mr], "dev", 0, train_limit=1000, seen=NOTHING)
    # The reference, .619 and .397, was taken on another thousand sentences.
    assert found["dev/emobank/valence_pearson"] == pytest.approx(0.619, abs=0.06)
    assert found["dev/emobank/arousal_pearson"] == pytest.approx(0.397, abs=0.06)
    assert found["dev/mr/accuracy"] > 0.7
    assert -4.5 < found["dev/emobank/uniformity"] < -2


class Memory(Space):
    """An encoder that knows the labels of some texts by heart, and nothing of the others."""

    def learn(self, corpus: Corpus) -> None:
        train = corpus.split("train")
        for text, label in zip(train.texts, train.labels.tolist(), strict=True):
            if corpus.task == "va":
                self.vectors[text][:2] = 10.0 * (2 * np.array(label) - 1)
            else:
                self.vectors[text][:] = 10.0 * (2 * label - 1)


@pytest.mark.parametrize("role", ["dev", "test"])
@pytest.mark.parametrize("probe_layers", ["last", "mix"])
def test_ratings_that_an_encoder_knows_by_heart_are_no_gain(role: str, probe_layers: str) -> None:
    """The probe fits memory perfectly; on rows new to the encoder nothing is left of it."""
    space = Memory()
    va = space.corpus("emobank", roles=ALL)
    chance = np.random.default_rng(5)
    splits = tuple((r, replace(va.split(r), labels=chance.random((SIZES[r], 2)))) for r in ALL)
    va = replace(va, _splits=splits)
    space.learn(va)

    def embed(texts: Sequence[str]) -> np.ndarray:
        rows = space.embed(texts)
        return rows if probe_layers == "last" else np.stack([0 * rows, rows[:, ::-1], rows], axis=1)

    seen = SeenTexts([va])
    found = downstream(embed, [seen.apart(va)], role, 0, seen=seen)
    assert abs(found[f"{role}/va_pearson"]) < 2.5 / math.sqrt(2 * SIZES[role])
    known = va.split("train")
    leak = replace(va, _splits=(("train", known), ("dev", known), ("test", known)))
    assert downstream(embed, [leak], role, 0, seen=NOTHING)[f"{role}/va_pearson"] > 0.99
    # The same rows as dev: they are taken out, and nothing is left to score.
    nothing = downstream(embed, [seen.apart(leak)], role, 0, seen=seen)
    assert f"{role}/va_pearson" not in nothing and nothing[f"{role}/emobank/left_out"] == 240


def test_a_half_of_dev_is_scored_with_what_the_other_chose() -> None:
    """Random labels of dev: a penalty chosen on the scored rows would find the luckiest one."""
    space = Space()
    va, classes = space.corpus("emobank"), space.corpus("goemotions", "classes")
    found: dict[str, list[float]] = {"dev/va_pearson": [], "dev/class_accuracy": []}
    for seed in range(40):
        chance = np.random.default_rng(seed)
        drawn = chance.random((60, 2)), chance.permutation(np.arange(60) % 2)
        opened = []
        for corpus, labels in zip((va, classes), drawn, strict=True):
            dev = replace(corpus.split("dev"), labels=labels)
            opened.append(replace(corpus, _splits=(("train", corpus.split("train")), ("dev", dev))))
        scores = downstream(space.embed, opened, "dev", seed, seen=NOTHING)
        for name in found:
            found[name].append(scores[name])
    for name, chance_level in (("dev/va_pearson", 0.0), ("dev/class_accuracy", 0.5)):
        off = np.mean(found[name]) - chance_level
        assert abs(off) < 3 * np.std(found[name]) / math.sqrt(40)


def test_dev_without_a_new_row_leaves_the_choice_to_the_halves_of_test() -> None:
    space = Space()
    va, mr = space.corpus("emobank", roles=ALL), space.corpus("sst2", "polarity", ALL)
    for corpus in (va, mr):
        dev = corpus.split("dev")
        seen = SeenTexts([replace(corpus, _splits=(("train", dev),))])
        found = downstream(space.embed, [seen.apart(corpus)], "test", 0, seen=seen)
        score = found.get("test/va_pearson", found.get("test/polarity_accuracy"))
        assert score is not None and score > 0.9
        one = replace(corpus.split("test"), texts=("one",), ids=("one",))
        one = replace(one, labels=corpus.split("test").labels[:1])
        space.vectors["one"] = np.ones(WIDTH, dtype=np.float32)
        splits = (*((r, corpus.split(r)) for r in ("train", "dev")), ("test", one))
        single = seen.apart(replace(corpus, _splits=splits))
        assert downstream(space.embed, [single], "test", 0, seen=seen)  # nobody to choose


def at_random(corpus: Corpus) -> Corpus:
    """The corpus with labels that nothing tells."""
    chance = np.random.default_rng(3)
    splits = [(role, corpus.split(role)) for role in corpus.roles]
    return replace(
        corpus,
        _splits=tuple(
            (role, replace(split, labels=chance.integers(0, 2, len(split))))
            for role, split in splits
        ),
    )


@pytest.mark.slow
def test_what_an_encoder_knows_by_heart_is_no_gain() -> None:
    """Random labels, memorised: cross-validation over all rows would score 2 in 3 rows right."""
    space = Memory()
    mr, cr = (at_random(space.corpus(name, "polarity", ALL)) for name in ("mr", "cr"))
    blind = downstream(space.embed, [mr, cr], "test", 0, seen=SeenTexts([mr]))
    space.learn(mr)
    leaky = downstream(space.embed, [mr, cr], "test", 0, seen=NOTHING)
    found = downstream(space.embed, [mr, cr], "test", 0, seen=SeenTexts([mr]))
    assert leaky["test/mr/accuracy"] > 0.75
    assert "test/mr/left_out" not in leaky
    for scores in (blind, found):
        assert abs(scores["test/mr/accuracy"] - 0.5) < 3 * 0.5 / math.sqrt(120)
        assert scores["test/mr/left_out"] == 240
    assert "test/cr/left_out" not in found
    assert found["test/cr/accuracy"] == leaky["test/cr/accuracy"]  # of what it has not learnt


def test_rows_of_another_corpus_that_were_trained_on_are_not_scored() -> None:
    """A third of SST-2's dev and test stands in MR's train split, as in the real ones."""
    space = Memory()
    mr, sst2 = (at_random(space.corpus(name, "polarity", ALL)) for name in ("mr", "sst2"))
    texts = mr.split("train").texts
    splits = {role: sst2.split(role) for role in ALL}
    for role, begin in (("dev", 0), ("test", 20)):
        split = splits[role]
        cased = tuple(text.upper() + " " for text in texts[begin : begin + 20])
        space.vectors |= {one.upper() + " ": space.vectors[one] for one in texts}
        labels = split.labels.copy()
        labels[:20] = mr.split("train").labels[begin : begin + 20]
        splits[role] = replace(split, texts=cased + split.texts[20:], labels=labels)
    sst2 = replace(sst2, _splits=tuple(splits.items()))
    space.learn(mr)
    seen = SeenTexts([mr])
    opened = [seen.apart(corpus) for corpus in (mr, sst2)]
    for role in ("dev", "test"):
        found = downstream(space.embed, opened, role, 0, seen=seen)
        assert found[f"{role}/sst2/left_out"] == 20
        assert found[f"{role}/mr>sst2/rows"] == 40
        assert abs(found[f"{role}/sst2/accuracy"] - 0.5) < 3 * 0.5 / math.sqrt(40)


def test_a_corpus_of_which_nothing_is_left_has_no_score_and_no_mean() -> None:
    space = Space()
    mr, cr, va = (
        space.corpus("mr", "polarity", ALL),
        space.corpus("cr", "polarity", ALL),
        space.corpus("emobank", roles=ALL),
    )
    whole = Split(
        texts=tuple(text for role in ALL for text in mr.split(role).texts),
        labels=np.concatenate([mr.split(role).labels for role in ALL]),
        ids=(),
    )
    seen = SeenTexts([replace(mr, name="union", _splits=(("train", whole),))])
    opened = [seen.apart(corpus) for corpus in (mr, cr, va)]
    for role, rows in (("dev", 60), ("test", 360)):
        found = downstream(space.embed, opened, role, 0, seen=seen)
        assert found[f"{role}/mr/left_out"] == rows
        assert {
            f"{role}/mr/accuracy",
            f"{role}/polarity_accuracy",
            f"{role}/cr>mr/rows",
        }.isdisjoint(found)
        assert found[f"{role}/cr/accuracy"] > 0.9 and f"{role}/va_pearson" in found
