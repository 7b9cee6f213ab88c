from __future__ import annotations

import math

import numpy as np
import pytest

from raysearch.methods.carl.evaluation.geometry import class_quality, embedding_quality

MIDDLE = np.full((1, 2), 0.5)


def test_by_hand_on_four_points() -> None:
    # Unit vectors at 0, 90, 180, 270 degrees; rows 0 and 1 have equal labels, all others differ.
    embeddings = np.array([[2.0, 0], [0, 3], [-1, 0], [0, -5]], dtype=np.float32)
    labels = np.array([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1], [0.1, 0.9]], dtype=np.float32)
    found = embedding_quality(embeddings, labels, seed=0, role="test", cuts=MIDDLE)
    assert found["alignment_pairs"] == 1
    assert found["alignment"] == pytest.approx(2.0)
    # Of the six pairs four lie sqrt(2) apart and two lie 2 apart.
    expected = math.log((4 * math.exp(-4) + 2 * math.exp(-8)) / 6)
    assert found["uniformity"] == pytest.approx(expected)


def test_length_and_order_of_rows_do_not_matter() -> None:
    random = np.random.default_rng(0)
    embeddings, labels = random.standard_normal((200, 8)), random.random((200, 2))
    found = embedding_quality(embeddings, labels, seed=0, role="test", cuts=MIDDLE)
    order = random.permutation(200)
    longer = embeddings * random.uniform(0.1, 9, (200, 1))
    again = embedding_quality(longer[order], labels[order], seed=0, role="test", cuts=MIDDLE)
    assert again == pytest.approx(found)
    assert found["alignment_pairs"] == pytest.approx(0.05 * 199 * 100, abs=1)


def test_collapse_and_embeddings_that_follow_the_labels() -> None:
    random = np.random.default_rng(0)
    labels = random.random((300, 2))
    collapsed = embedding_quality(np.ones((300, 4)), labels, seed=0, role="test", cuts=MIDDLE)
    assert collapsed["alignment"] == pytest.approx(0.0, abs=1e-12)
    assert collapsed["uniformity"] == pytest.approx(0.0, abs=1e-12)
    angles = 2 * np.pi * labels[:, 0]
    ordered = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    follows = embedding_quality(ordered, labels, seed=0, role="test", cuts=MIDDLE)
    shuffled = embedding_quality(
        random.permutation(ordered), labels, seed=0, role="test", cuts=MIDDLE
    )
    assert follows["alignment"] < 0.3 * shuffled["alignment"]


def test_a_zero_vector_has_no_direction() -> None:
    embeddings = np.eye(5)
    embeddings[2] = 0
    found = embedding_quality(
        embeddings, np.random.default_rng(0).random((5, 2)), seed=0, role="test", cuts=MIDDLE
    )
    assert math.isnan(found["alignment"])
    assert math.isnan(found["uniformity"])


def test_the_silhouette_of_quadrants_is_that_of_high_and_low_labels() -> None:
    # Four bundles, one for each quadrant; a label on the cut counts as high.
    corners = np.array([[0.1, 0.1], [0.1, 0.5], [0.5, 0.1], [0.9, 0.9]], dtype=np.float32)
    labels = np.repeat(corners, 5, axis=0)
    embeddings = np.repeat(np.eye(4), 5, axis=0)
    found = embedding_quality(embeddings, labels, seed=0, role="dev", cuts=MIDDLE)
    assert found["silhouette_quadrant"] == pytest.approx(1.0)
    at_means = labels.mean(axis=0, keepdims=True) - 0.3  # .4 - .3: all are high
    low = embedding_quality(embeddings, labels, seed=0, role="dev", cuts=at_means)
    assert math.isnan(low["silhouette_quadrant"])
    one = embedding_quality(embeddings, labels * 0.4, seed=0, role="dev", cuts=MIDDLE)
    assert math.isnan(one["silhouette_quadrant"])


def test_classes_by_hand_on_two_bundles() -> None:
    embeddings, classes = np.repeat(np.eye(2), 3, axis=0), np.array([4, 4, 4, 7, 7, 7])
    found = class_quality(embeddings, classes, seed=0, role="dev")
    assert found["silhouette"] == pytest.approx(1.0)
    assert found["alignment"] == pytest.approx(0.0)
    assert found["alignment_pairs"] == 6
    # Of the 15 pairs six are equal and nine at a right angle.
    assert found["uniformity"] == pytest.approx(math.log((6 + 9 * math.exp(-4)) / 15))
    crossed = class_quality(embeddings, np.array([4, 7, 4, 7, 4, 7]), seed=0, role="dev")
    assert crossed["alignment"] == pytest.approx(4 * 2 / 6)
    assert crossed["silhouette"] < 0
