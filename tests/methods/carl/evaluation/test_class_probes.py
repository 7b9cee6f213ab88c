"""Probes of classes: scikit-learn's, chance, held-out rows, layers that judges choose."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from probe_rows import gaussian, linear_classes, names
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from raysearch import metrics
from raysearch.errors import DataError, RunError
from raysearch.methods.carl.evaluation import class_probes
from raysearch.methods.carl.evaluation.class_probes import (
    CLASS_PENALTIES,
    FOLDS,
    ClassChoice,
    LogisticProbe,
    choose_for_classes,
    cross_validate,
    fit_with_held_out,
)
from raysearch.methods.carl.evaluation.probes import assign_folds

NEW = np.zeros(600, dtype=bool)
STRONGEST = ClassChoice(penalty=CLASS_PENALTIES[0])


def layered(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four layers of 5 columns; the class is the sign of two columns' sum, of layers 1 and 2."""
    layers = np.random.default_rng(seed).standard_normal((rows, 4, 5)).astype(np.float32)
    return layers, (layers[:, 1, 0] + layers[:, 2, 3] > 0).astype(np.int64)


def test_judges_choose_the_layers_that_tell_the_classes() -> None:
    (fit, labels), judges, (new, truth) = (layered(n, n) for n in (500, 200, 300))
    chosen, last = choose_for_classes(fit, labels, [judges, (fit[:0], labels[:0])])
    assert set(chosen.layers[:2]) == {1, 2}
    assert last == ClassChoice(penalty=CLASS_PENALTIES[0], layers=(3,))
    assert metrics.accuracy(LogisticProbe(fit, labels, chosen).predict(new), truth) > 0.95
    assert metrics.accuracy(LogisticProbe(fit, labels, last).predict(new), truth) < 0.6


def test_a_mix_of_layers_is_the_probe_of_them_side_by_side() -> None:
    (fit, labels), (new, _) = layered(200, 0), layered(80, 1)
    mix = LogisticProbe(fit, labels, ClassChoice(penalty=0.01, layers=(2, 0)))
    beside = [np.concatenate([table[:, 2], table[:, 0]], axis=1) for table in (fit, new)]
    alone = LogisticProbe(beside[0], labels, ClassChoice(penalty=0.01))
    np.testing.assert_array_equal(mix.predict(new), alone.predict(beside[1]))


def test_cross_validation_chooses_layers_within_each_fold() -> None:
    layers, labels = layered(300, 2)
    seen = np.zeros(300, dtype=bool)
    predicted = cross_validate(layers, labels, names(300), 0, seen)
    assert metrics.accuracy(predicted, labels) > 0.9
    shuffled = np.random.default_rng(1).permutation(labels)
    lost = cross_validate(layers, shuffled, names(300), 0, seen)
    assert metrics.accuracy(lost, shuffled) < 0.6


def test_where_nothing_is_told_the_penalty_is_the_strongest() -> None:
    rows = gaussian(60, 5)
    nobody = [(rows[:0], np.arange(0))]
    assert choose_for_classes(rows, linear_classes(rows, 2), nobody) == [STRONGEST]


def test_embeddings_that_are_not_finite_end_the_trial_with_a_reason() -> None:
    rows = gaussian(30, 4)
    rows[7, 2] = np.nan
    with pytest.raises(RunError, match="must be finite"):
        LogisticProbe(rows, linear_classes(gaussian(30, 4), 2), STRONGEST)


def test_logistic_probe_equals_scikit_learns_with_the_penalty_as_a_mean() -> None:
    rows = gaussian(200, 5).astype(np.float64)
    labels = linear_classes(rows, 3)
    scaled = (rows - rows.mean(0)) / rows.std(0)
    model = LogisticRegression(C=1 / (0.01 * 200), max_iter=1000, tol=1e-6).fit(scaled, labels)
    predicted = LogisticProbe(rows, labels, ClassChoice(penalty=0.01)).predict(rows)
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
            LogisticProbe(rows[fit], labels[fit], ClassChoice(penalty=penalty)).predict(
                rows[judge]
            ),
            labels[judge],
        )
        for penalty in CLASS_PENALTIES
    ]
    chosen = choose_for_classes(rows[fit], labels[fit], [(rows[judge], labels[judge])] * 2)
    assert chosen == [ClassChoice(penalty=CLASS_PENALTIES[int(np.argmax(scores))])] * 2


def test_a_tie_takes_the_strongest_penalty() -> None:
    rows = np.concatenate([gaussian(50, 3) + 9, gaussian(50, 3, seed=1) - 9])
    labels = np.repeat([0, 1], 50)
    assert choose_for_classes(rows, labels, [(rows, labels)]) == [STRONGEST]


def test_same_rows_give_the_same_bytes() -> None:
    rows = gaussian(300, 12)
    labels = linear_classes(rows, 5)
    probe, again = (fit_with_held_out(rows, labels, names(300), 3, NEW[:300]) for _ in range(2))
    np.testing.assert_array_equal(probe._model.coef_, again._model.coef_)


def test_one_class_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DataError, match="at least 2 classes, but got 1 in 20 rows"):
        LogisticProbe(gaussian(20, 3), np.zeros(20, dtype=np.int64), STRONGEST)


def test_an_unconverged_probe_is_logged_and_no_warning_escapes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(class_probes, "MAX_ITERATIONS", 1)
    rows = gaussian(100, 5)
    with caplog.at_level(logging.WARNING):
        LogisticProbe(rows, linear_classes(rows, 2), ClassChoice(penalty=1e-3))
    assert "stopped at 1 iterations" in caplog.text


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
    fitted = LogisticProbe(rows, labels, ClassChoice(penalty=1e-3)).predict(rows)
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
