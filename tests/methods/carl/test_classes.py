"""Discrete emotions: each cut by hand, ties, and what the default is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raysearch import corpora
from raysearch.corpora import Corpus
from raysearch.encoders import load
from raysearch.methods.carl.classes import classes_of, cut_points
from raysearch.methods.carl.config import CUTS, CarlConfig
from raysearch.methods.carl.data import rated_sentences

# Valence: two of six exactly neutral; arousal: the same in reverse order.
TRAIN = np.array(
    [[0.1, 0.9], [0.2, 0.8], [0.5, 0.6], [0.5, 0.5], [0.6, 0.5], [0.8, 0.3]], dtype=np.float32
)
BY_HAND = {
    "mean": [0, 0, 1, 1, 1, 1],  # 2.7 / 6 = .45
    "middle": [0, 0, 1, 1, 1, 1],
    "neutral": [0, 0, 1, 1, 2, 2],
    "terciles": [0, 0, 1, 1, 2, 2],  # cuts at .4 and .533
    "quintiles": [0, 1, 3, 3, 4, 4],  # at .2, .5, .5 and .6
}


@pytest.mark.parametrize("cuts", CUTS)
def test_valence_by_hand(cuts: str) -> None:
    points = cut_points(TRAIN, cuts)
    classes = classes_of(np.stack([TRAIN[:, 0]] * 2, axis=1), np.stack([points[:, 0]] * 2, axis=1))
    count = len(points) + 1
    assert (classes // count).tolist() == (classes % count).tolist() == BY_HAND[cuts]


def test_valence_comes_before_arousal() -> None:
    points = cut_points(TRAIN, "mean")  # .45 and .6
    np.testing.assert_allclose(points, [[0.45, 0.6]], atol=1e-6)
    assert classes_of(TRAIN, points).tolist() == [1, 1, 3, 2, 2, 2]


def test_neutral_sentences_are_of_the_middle_class_only_where_there_is_one() -> None:
    labels = np.full((4, 2), 0.5, dtype=np.float32)
    assert set(classes_of(labels, cut_points(TRAIN, "middle")).tolist()) == {3}
    assert set(classes_of(labels, cut_points(TRAIN, "neutral")).tolist()) == {4}
    positive = np.concatenate([TRAIN, np.ones((9, 2), dtype=np.float32)])
    assert set(classes_of(labels, cut_points(positive, "mean")).tolist()) == {0}


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("scaling", ["scale", "standardised"])
def test_each_corpus_is_cut_by_its_own_ratings(cuts: str, scaling: str) -> None:
    """The classes do not depend on how the contrast scales the labels."""
    config = CarlConfig(encoder="tiny", class_cuts=cuts, label_scaling=scaling, batching="mixed")
    opened: list[Corpus] = [corpora.load("sample", ".", {"train", "dev"})] * 2
    sentences = rated_sentences(opened, "dev", load("tiny"), config)
    half = len(sentences.classes) // 2
    points = cut_points(opened[0].split("train").labels, cuts)
    expected = classes_of(opened[0].split("dev").labels, points)
    np.testing.assert_array_equal(sentences.classes[:half], expected)
    np.testing.assert_array_equal(sentences.classes[half:], expected)


def test_the_cuts_matter_to_discrete_contrast_alone(
    make_method: Callable[..., Any], train: Callable[..., list[dict[str, float]]]
) -> None:
    losses = {}
    for variant in ("supcon", "no_ptd"):
        for cuts in ("mean", "quintiles"):
            method = make_method(variant=variant, class_cuts=cuts)
            losses[variant, cuts] = train(method, 1)[0]["mccl_loss"]
    assert losses["supcon", "mean"] != losses["supcon", "quintiles"]
    assert losses["no_ptd", "mean"] == losses["no_ptd", "quintiles"]
    assert "class_cuts" in CarlConfig(variant="no_ptd").inert
    assert "class_cuts" not in CarlConfig(variant="supcon").inert
