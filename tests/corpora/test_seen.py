"""Which rows count as trained on: equal texts, passages of other reviews, and what came before."""

import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

from raysearch.corpora.records import Corpus, Split
from raysearch.corpora.seen import TRAINED_ON, SeenTexts, marks, seen_rows

LONG = "it is a warm , funny and wise film"


def corpus(name: str, task: Any, splits: Mapping[str, list[str]]) -> Corpus:
    return Corpus(
        name=name,
        task=task,
        digest=name,
        label_names=("negative", "positive"),
        scale=(0, 1),
        _splits=tuple(
            (role, Split(texts=tuple(texts), labels=np.arange(len(texts)), ids=tuple(texts)))
            for role, texts in splits.items()
        ),
    )


def test_equal_texts_are_taken_out_of_dev_and_test_and_counted() -> None:
    trained = corpus("a", "va", {"train": ["One day.", "two"], "dev": ["three"]})
    probed = corpus(
        "b", "va", {"train": ["two", "x"], "dev": ["y", "one  DAY.", "z"], "test": ["Two", "two"]}
    )
    seen = SeenTexts([trained])
    found = seen.apart(probed)
    assert [found.split(role).texts for role in found.roles] == [("two", "x"), ("y", "z"), ()]
    assert found.split("dev").labels.tolist() == [0, 2] and found.split("dev").ids == ("y", "z")
    assert [seen_rows(found, role) for role in ("train", "dev", "test")] == [0, 1, 2]
    assert [(r.role, r.reason, r.rows, r.texts) for r in found.removed] == [
        ("dev", TRAINED_ON, 1, 1),
        ("test", TRAINED_ON, 2, 1),
    ]
    assert seen.among(probed, "train").tolist() == [True, False]
    assert seen.apart(found).removed == found.removed
    assert seen.apart(trained).split("dev").texts == ("three",)


def test_composed_and_decomposed_letters_are_the_same_text() -> None:
    composed, apart = "un caf\u00e9 \u00c0 Sofia", "un cafe\u0301 A\u0300 Sofia"
    assert composed != apart and marks([composed]) == marks([apart])
    trained, probed = corpus("a", "va", {"train": [composed]}), corpus("b", "va", {"dev": [apart]})
    assert SeenTexts([trained]).among(probed, "dev").tolist() == [True]
    long = "un t\u00e9moin \u00e9gar\u00e9 dans une for\u00eat bien trop grande"
    mr = corpus("mr", "polarity", {"train": [f"{long} pour lui"]})
    sst2 = corpus("sst2", "polarity", {"dev": [unicodedata.normalize("NFD", f"dit-on : {long}")]})
    assert SeenTexts([mr]).among(sst2, "dev").tolist() == [True]


def test_between_corpora_a_shared_passage_counts() -> None:
    """MR and SST-2 cut the same reviews at other places; within a corpus the split stands."""
    mr = corpus("mr", "polarity", {"train": [f"{LONG} about growing up ."], "dev": [f"{LONG} ."]})
    sst2 = corpus("sst2", "polarity", {"dev": [f"she said {LONG}", "a warm film"]})
    other = corpus("emobank", "va", {"dev": [f"she said {LONG}"]})
    seen = SeenTexts([mr])
    assert seen.among(sst2, "dev").tolist() == [True, False]
    assert seen.among(mr, "dev").tolist() == [False]
    assert seen.among(other, "dev").tolist() == [True]
    rated = SeenTexts([corpus("x", "va", {"train": [LONG], "dev": [f"{LONG} ."]})])
    assert rated.among(sst2, "dev").tolist() == [True, False]
    remark = SeenTexts([corpus("x", "classes", {"train": ["What a day, it was!", "Thanks."]})])
    heard = corpus("y", "va", {"dev": ["what a day it was", "thanks!", "no thanks"]})
    assert remark.among(heard, "dev").tolist() == [True, True, False]


def test_what_an_encoder_was_trained_on_before_counts() -> None:
    before = marks(["One day.", "two"])
    assert all(len(mark) == 16 for mark in before)
    probed = corpus("b", "va", {"dev": ["one day.", "three"], "train": ["four"]})
    seen = SeenTexts([probed], before)
    assert seen.among(probed, "dev").tolist() == [True, False]
    assert seen.marks == before | marks(["four"])
