from __future__ import annotations

import numpy as np
import pytest

from raysearch.corpora.seen import Passages
from raysearch.methods.carl.evaluation.class_probes import ClassChoice, LogisticProbe
from raysearch.methods.carl.evaluation.embedded import EmbeddedCorpus, EmbeddedSplit
from raysearch.methods.carl.evaluation.scores import transfer_matrix

POLARITY = ("negative", "positive")


CHOICE = ClassChoice(penalty=0.01)


def corpus(
    name: str, *, flip: bool = False, seed: int = 0, label_names: tuple[str, ...] = POLARITY
) -> EmbeddedCorpus:
    random = np.random.default_rng(seed)
    splits = {}
    for role in ("train", "dev"):
        rows = random.standard_normal((80, 4)).astype(np.float32)
        labels = (rows[:, 0] > 0).astype(np.int64)
        texts = tuple(f"{name} {role} {index}" for index in range(80))
        splits[role] = EmbeddedSplit(rows=rows, labels=1 - labels if flip else labels, texts=texts)
    return EmbeddedCorpus(name=name, label_names=label_names, splits=splits)


def matrix(*corpora: EmbeddedCorpus) -> dict[str, float]:
    probes = {
        c.name: LogisticProbe(c.splits["train"].rows, c.splits["train"].labels, CHOICE)
        for c in corpora
    }
    return transfer_matrix(corpora, probes, "dev")


def test_every_ordered_pair_of_polarity_corpora() -> None:
    found = matrix(corpus("a"), corpus("b", seed=1), corpus("c", flip=True, seed=2))
    names = {name for name in found if name.endswith("/accuracy")}
    assert names == {f"dev/{pair}/accuracy" for pair in ("a>b", "b>a", "a>c", "c>a", "b>c", "c>b")}
    assert found["dev/a>b/accuracy"] > 0.9
    assert found["dev/a>c/accuracy"] < 0.1  # the same direction, the other sign
    assert found["dev/a>b/rows"] == 80


def test_other_label_names_are_another_question() -> None:
    assert matrix(corpus("a"), corpus("subj", label_names=("subjective", "objective"))) == {}


def test_rows_that_the_source_was_fitted_on_are_not_scored() -> None:
    source, target = corpus("a"), corpus("b", seed=1)
    train, dev = source.splits["train"], target.splits["dev"]
    shared = EmbeddedSplit(
        rows=dev.rows, labels=dev.labels, texts=train.texts[:30] + dev.texts[30:]
    )
    target = EmbeddedCorpus(name="b", label_names=POLARITY, splits={**target.splits, "dev": shared})
    found = matrix(source, target)
    assert found["dev/a>b/rows"] == 50
    assert found["dev/b>a/rows"] == 80
    probe = LogisticProbe(train.rows, train.labels, CHOICE)
    assert found["dev/a>b/accuracy"] == pytest.approx(
        float((probe.predict(dev.rows[30:]) == dev.labels[30:]).mean())
    )


def test_a_pair_with_no_row_left_is_absent() -> None:
    source = corpus("a")
    target = EmbeddedCorpus(
        name="b",
        label_names=POLARITY,
        splits={"train": corpus("b").splits["train"], "dev": source.splits["train"]},
    )
    assert "dev/a>b/accuracy" not in matrix(source, target)


def test_overlap_is_eight_words_in_a_row_or_a_short_text_as_a_whole() -> None:
    fitted = [
        "It is a warm , funny and wise film about growing up .",
        "Good movie !",
    ]
    texts = {
        "it IS a warm, funny and wise film": True,  # eight words, other case and punctuation
        "she said it is a warm funny and wise film , and left": True,
        "she said it is a warm funny and wise book , and left": False,  # seven words in a row
        "Funny and wise film": True,  # a short text that is held as a whole
        "funny and wise films": False,
        "funny and wise": False,  # too short to tell a passage by
        "good movie": True,  # but not to be the same text
        "good movie indeed": False,
        "wise film about growing up good movie": False,  # not over the border of two texts
        "": False,
    }
    assert Passages(fitted).overlap(list(texts)).tolist() == list(texts.values())
