from __future__ import annotations

import numpy as np
import pytest
from probe_rows import gaussian, names

from raysearch import metrics
from raysearch.errors import RunError
from raysearch.methods.carl.evaluation.class_probes import FOLDS
from raysearch.methods.carl.evaluation.probes import (
    RIDGE_ALPHAS,
    RidgeProbe,
    assign_folds,
)

# ridge


def test_ridge_recovers_a_linear_target_and_finds_nothing_in_noise() -> None:
    rows, weights = gaussian(500, 20), gaussian(20, 2, seed=1)
    labels = 0.5 + 0.01 * rows @ weights
    probe = RidgeProbe(rows[:300], labels[:300])
    alphas = probe.best(rows[300:400], labels[300:400])
    predicted = probe.predict(rows[400:], alphas)
    assert metrics.pearson(predicted[:, 0], labels[400:, 0]) > 0.9999
    noise = gaussian(2000, 2, seed=2)
    lost = RidgeProbe(gaussian(1000, 20), noise[:1000])
    alphas = lost.best(gaussian(500, 20, seed=4), noise[1000:1500])
    predicted = lost.predict(gaussian(500, 20, seed=3), alphas)
    assert abs(metrics.pearson(predicted[:, 0], noise[1500:, 0])) < 0.15


def test_ridge_penalty_is_the_best_of_closed_forms_on_the_judges() -> None:
    rows, weights = gaussian(140, 8).astype(np.float64), gaussian(8, 2, seed=1)
    labels = rows @ weights + np.array([0.5, 20.0]) * gaussian(140, 2, seed=2)
    fit, judge = slice(0, 40), slice(40, 140)
    mean, sd, level = rows[fit].mean(0), rows[fit].std(0), labels[fit].mean(0)
    x, there = (rows[fit] - mean) / sd, (rows[judge] - mean) / sd
    expected = []
    for column in range(2):
        scores = []
        for alpha in RIDGE_ALPHAS:
            target = x.T @ (labels[fit, column] - level[column])
            solved = np.linalg.solve(x.T @ x + alpha * np.eye(8), target)
            scores.append(np.corrcoef(there @ solved, labels[judge, column])[0, 1])
        expected.append(int(np.argmax(scores)))
    assert expected[0] != expected[1]  # the columns do need penalties of their own
    probe = RidgeProbe(rows[fit], labels[fit])
    assert probe.best(rows[judge], labels[judge]).tolist() == expected


def test_a_memorised_train_split_gets_the_penalty_of_rows_that_are_new() -> None:
    """Fitted rows carry their own label, as a fine-tuned encoder makes them; new ones do not.

    Leave-one-out on the fitted rows would find that no penalty is needed.
    """
    chance = np.random.default_rng(0)
    weights = chance.standard_normal((30, 1))

    def drawn(count: int, memory: float) -> tuple[np.ndarray, np.ndarray]:
        rows = chance.standard_normal((count, 30))
        labels = 0.3 * rows @ weights + 3 * chance.standard_normal((count, 1))
        known = labels @ chance.standard_normal((1, 10)) if memory else np.zeros((count, 10))
        return np.hstack([rows, known + chance.standard_normal((count, 10))]), labels

    train, dev, test = drawn(300, 1.0), drawn(300, 0.0), drawn(3000, 0.0)
    probe = RidgeProbe(*train)
    chosen = probe.best(*dev)
    assert RIDGE_ALPHAS[chosen[0]] > 100
    own = probe.best(*train)  # what the fitted rows would choose
    assert RIDGE_ALPHAS[own[0]] <= 1
    right, wrong = (
        metrics.pearson(probe.predict(test[0], alphas)[:, 0], test[1][:, 0])
        for alphas in (chosen, own)
    )
    assert right > wrong


def test_ridge_prediction_is_that_of_the_closed_form() -> None:
    rows, labels = gaussian(60, 5).astype(np.float64), gaussian(60, 1, seed=4)
    probe = RidgeProbe(rows, labels)
    scaled = (rows - rows.mean(0)) / rows.std(0)
    for index, alpha in enumerate(RIDGE_ALPHAS):
        gram = scaled.T @ scaled + alpha * np.eye(5)
        solved = np.linalg.solve(gram, scaled.T @ (labels - labels.mean()))
        expected = scaled @ solved + labels.mean()
        found = probe.predict(rows, np.array([index]))
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_where_nothing_is_told_the_penalty_is_the_strongest() -> None:
    rows, labels = gaussian(60, 5), gaussian(60, 2, seed=4)
    probe, strongest = RidgeProbe(rows, labels), [len(RIDGE_ALPHAS) - 1] * 2
    assert probe.best(rows[:0], labels[:0]).tolist() == strongest
    assert probe.best(rows, np.ones((60, 2))).tolist() == strongest


def test_ridge_does_not_mind_the_order_of_rows_nor_the_scale_of_columns() -> None:
    rows, labels = gaussian(100, 6), gaussian(100, 2, seed=1)
    order = np.random.default_rng(2).permutation(100)
    there = RidgeProbe(rows, labels).predict_all(rows)
    np.testing.assert_allclose(
        RidgeProbe(rows[order], labels[order]).predict_all(rows), there, atol=1e-9
    )
    scales = np.geomspace(1e-3, 1e3, 6)
    wide = rows * scales + 5
    np.testing.assert_allclose(RidgeProbe(wide, labels).predict_all(wide), there, atol=1e-6)


def test_more_columns_than_rows_and_constant_columns() -> None:
    rows, labels = gaussian(20, 64), gaussian(20, 2, seed=1)
    rows[:, 3] = 0.25
    assert np.isfinite(RidgeProbe(rows, labels).predict_all(rows)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_end_the_trial_with_a_reason(value: float) -> None:
    rows = gaussian(30, 4)
    rows[7, 2] = value
    with pytest.raises(RunError, match="1 of 30 hold NaN or infinity"):
        RidgeProbe(rows, gaussian(30, 2))


# folds


def test_folds_are_stratified_and_equally_large() -> None:
    labels = np.repeat([0, 1, 2], [70, 50, 30])
    folds = assign_folds(names(150), labels, FOLDS, seed=0)
    for fold in range(FOLDS):
        assert np.bincount(labels[folds == fold], minlength=3).tolist() == [7, 5, 3]


def test_folds_depend_on_texts_and_seed_not_on_order() -> None:
    labels = np.arange(100) % 2
    folds = assign_folds(names(100), labels, FOLDS, seed=0)
    order = np.random.default_rng(0).permutation(100)
    shuffled = assign_folds([names(100)[i] for i in order], labels[order], FOLDS, seed=0)
    np.testing.assert_array_equal(shuffled, folds[order])
    assert (assign_folds(names(100), labels, FOLDS, seed=1) != folds).any()


def test_equal_texts_share_a_fold_whatever_their_labels() -> None:
    texts = ["Good  film", "good film", "GOOD FILM ", *names(40)]
    labels = np.array([0, 1, 1, *([0, 1] * 20)])
    for seed in range(5):
        assert len(set(assign_folds(texts, labels, FOLDS, seed)[:3])) == 1
