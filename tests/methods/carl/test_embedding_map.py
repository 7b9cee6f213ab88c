from __future__ import annotations

import numpy as np
import pytest

from raysearch.errors import RoleError, RunError
from raysearch.methods.carl.evaluation.downstream import embed
from raysearch.methods.carl.evaluation.geometry import MAPPED_ROWS, embedding_map


def bundles(each: int) -> np.ndarray:
    """Three bundles of directions in 10 dimensions, of any length."""
    random = np.random.default_rng(0)
    points = np.repeat(np.eye(10)[:3], each, axis=0) + 0.02 * random.standard_normal((3 * each, 10))
    return points * random.uniform(0.5, 5, (3 * each, 1))


def test_both_maps_keep_bundles_apart_and_pca_is_that_of_the_covariance() -> None:
    rows = bundles(30)
    found = embedding_map(rows, seed=0)
    assert found.rows.tolist() == list(range(90))
    for points in (found.pca, found.tsne):
        groups = points.reshape(3, 30, 2)
        middles = groups.mean(1)
        near = np.linalg.norm(groups[:, :, None] - middles, axis=-1).argmin(-1)
        assert (near == np.arange(3)[:, None]).all()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    variances = np.linalg.eigvalsh(np.cov(unit.T))[::-1]
    assert found.explained == pytest.approx(variances[:2] / variances.sum())
    assert found.pca.var(axis=0, ddof=1) == pytest.approx(variances[:2])


def test_lengths_of_rows_change_nothing_and_the_map_is_the_same_each_time() -> None:
    rows = bundles(20)
    first, again = embedding_map(rows, seed=1), embedding_map(rows, seed=1)
    assert np.array_equal(first.tsne, again.tsne) and np.array_equal(first.pca, again.pca)
    assert embedding_map(3 * rows, seed=1).pca == pytest.approx(first.pca)


def test_of_many_rows_a_seeded_choice_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raysearch.methods.carl.evaluation.geometry.MAPPED_ROWS", 40)
    rows = bundles(30)
    first, other = embedding_map(rows, seed=1), embedding_map(rows, seed=2)
    assert len(set(first.rows.tolist())) == 40 and first.rows.tolist() == sorted(first.rows)
    assert first.rows.tolist() != other.rows.tolist()
    assert first.explained == pytest.approx(other.explained)  # of all rows
    assert MAPPED_ROWS == 600


def test_a_row_without_a_direction_is_named() -> None:
    with pytest.raises(RunError, match="got 6 rows, 1 of them zero"):
        embedding_map(np.vstack([np.zeros(10), bundles(2)[:5]]), seed=0)


def test_a_method_gives_the_sentences_of_every_probed_corpus(make_method) -> None:
    method = make_method(class_corpora="sample_emotions")
    found = {corpus.name: corpus for corpus in method.embeddings("dev")}
    assert list(found) == ["sample", "sample_emotions"]
    split = found["sample_emotions"].splits["dev"]
    assert len(split.rows) == len(split.labels) == len(split.texts) > 0
    assert found["sample"].splits["dev"].labels.shape[1] == 2
    assert method.model.training
    method.model.eval()
    rows = embed(method.model, method._encoder, split.texts, method.config)
    assert np.array_equal(rows, split.rows)
    with pytest.raises(RoleError, match="test"):
        method.embeddings("test")
