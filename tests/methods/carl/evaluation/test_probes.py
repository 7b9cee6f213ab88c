from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from raysearch import metrics
from raysearch.errors import DataError, RunError
from raysearch.methods.carl.evaluation import probes
from raysearch.methods.carl.evaluation.probes import (
    CLASS_PENALTIES,
    FOLDS,
    RIDGE_ALPHAS,
    LogisticProbe,
    RidgeProbe,
    assign_folds,
    choose_penalties,
    cross_validate,
    fit_with_held_out,
)

NEW = np.zeros(600, dtype=bool)


def gaussian(rows: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


def linear_classes(rows: np.ndarray, classes: int, seed: int = 1) -> np.ndarray:
    weights = np.random.default_rng(seed).standard_normal((rows.shape[1], classes))
    return (rows @ weights).argmax(1).astype(np.int64)


def names(count: int) -> list[str]:
    return [f"text number {index}" for index in range(count)]


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
    assert choose_penalties(rows, linear_classes(rows, 2), [(rows[:0], np.arange(0))]) == [
        CLASS_PENALTIES[0]
    ]


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
    with pytest.raises(RunError, match="must be finite"):
        LogisticProbe(rows, linear_classes(gaussian(30, 4), 2), 1.0)


# logistic regression


def test_logistic_probe_equals_scikit_learns_with_the_penalty_as_a_mean() -> None:
    rows = gaussian(200, 5).astype(np.float64)
    labels = linear_classes(rows, 3)
    scaled = (rows - rows.mean(0)) / rows.std(0)
    model = LogisticRegression(C=1 / (0.01 * 200), max_iter=1000, tol=1e-6).fit(scaled, labels)
    predicted = LogisticProbe(rows, labels, 0.01).predict(rows)
    assert (predicted == model.predict(scaled)).mean() >= 0.99


def test_logistic_probe_learns_and_chance_stays_chance() -> None:
    rows = gaussian(900, 10)
    labels = linear_classes(rows, 4)
    probe = fit_with_held_out(rows[:600], labels[:600], names(600), 0, NEW[:600])
    assert metrics.accuracy(probe.predict(rows[600:]), labels[600:]) > 0.9
    shuffled = np.random.default_rng(0).permutation(labels)
    lost = fit_with_held_out(rows[:600], shuffled[:600], names(600), 0, NEW[:600])
    majority = np.bincount(labels).max() / 900
    assert metrics.accuracy(lost.predict(rows[600:]), shuffled[600:]) < majority + 0.1


def test_penalty_is_the_first_best_of_separate_fits() -> None:
    rows = gaussian(300, 30)
    labels = linear_classes(rows + gaussian(300, 30, seed=5), 3)
    fit, judge = slice(0, 200), slice(200, 300)
    scores = [
        metrics.accuracy(
            LogisticProbe(rows[fit], labels[fit], penalty).predict(rows[judge]), labels[judge]
        )
        for penalty in CLASS_PENALTIES
    ]
    chosen = choose_penalties(rows[fit], labels[fit], [(rows[judge], labels[judge])] * 2)
    assert chosen == [CLASS_PENALTIES[int(np.argmax(scores))]] * 2
    assert chosen[0] == CLASS_PENALTIES[int(np.argmax(scores))]


def test_a_tie_takes_the_strongest_penalty() -> None:
    rows = np.concatenate([gaussian(50, 3) + 9, gaussian(50, 3, seed=1) - 9])
    labels = np.repeat([0, 1], 50)
    assert choose_penalties(rows, labels, [(rows, labels)]) == [CLASS_PENALTIES[0]]


def test_same_rows_give_the_same_bytes() -> None:
    rows = gaussian(300, 12)
    labels = linear_classes(rows, 5)
    probe, again = (fit_with_held_out(rows, labels, names(300), 3, NEW[:300]) for _ in range(2))
    np.testing.assert_array_equal(probe._model.coef_, again._model.coef_)


def test_one_class_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DataError, match="at least 2 classes, but got 1 in 20 rows"):
        LogisticProbe(gaussian(20, 3), np.zeros(20, dtype=np.int64), 1.0)


def test_an_unconverged_probe_is_logged_and_no_warning_escapes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(probes, "MAX_ITERATIONS", 1)
    rows = gaussian(100, 5)
    with caplog.at_level(logging.WARNING):
        LogisticProbe(rows, linear_classes(rows, 2), 1e-3)
    assert "stopped at 1 iterations" in caplog.text


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


def test_rare_classes_stay_out_of_the_held_out_part() -> None:
    labels = np.array([0] * 40 + [1] * 9 + [2])
    held_out = assign_folds(names(50), labels, FOLDS, seed=0) == FOLDS - 1
    assert set(labels[held_out]) == {0}
    rows = gaussian(50, 4)
    assert set(fit_with_held_out(rows, labels, names(50), 0, NEW[:50]).predict(rows)) <= {0, 1, 2}


def test_too_few_texts_to_hold_any_out_is_an_error() -> None:
    labels = np.array([0, 1] * 9)
    with pytest.raises(DataError, match="at least 10 different texts in some class"):
        fit_with_held_out(gaussian(18, 3), labels, names(18), 0, NEW[:18])


def test_cross_validation_never_predicts_a_row_from_its_own_text() -> None:
    # A one-hot embedding per text tells the label to whoever has seen it, and nobody else.
    rows = np.eye(60, dtype=np.float32)[np.arange(120) % 60]
    labels = np.random.default_rng(0).integers(0, 2, 60)[np.arange(120) % 60]
    texts = [names(60)[i % 60] for i in range(120)]
    fitted = LogisticProbe(rows, labels, 1e-3).predict(rows)
    assert metrics.accuracy(fitted, labels) == 1.0
    predicted = cross_validate(rows, labels, texts, 0, np.zeros(120, dtype=bool))
    assert 0.2 < metrics.accuracy(predicted, labels) < 0.7
    np.testing.assert_array_equal(predicted[:60], predicted[60:])


def test_cross_validation_of_a_linear_corpus() -> None:
    rows = gaussian(300, 6)
    labels = linear_classes(rows, 2)
    predicted = cross_validate(rows, labels, names(300), 0, np.zeros(300, dtype=bool))
    assert metrics.accuracy(predicted, labels) > 0.9
    assert metrics.macro_f1(predicted, labels) == pytest.approx(
        f1_score(labels, predicted, average="macro")
    )


def test_memorised_rows_choose_no_penalty_in_a_fold() -> None:
    """All of the held-out tenth is known by heart: the strongest penalty is taken, not the best."""
    rows = gaussian(300, 30)
    labels = linear_classes(rows, 2)
    free = fit_with_held_out(rows, labels, names(300), 0, NEW[:300])
    bound = fit_with_held_out(rows, labels, names(300), 0, ~NEW[:300])
    assert free._model.C > bound._model.C == pytest.approx(1 / (CLASS_PENALTIES[0] * 300))
