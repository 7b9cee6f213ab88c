"""Metrics against hand-worked numbers, naive loops, and scipy and scikit-learn."""

import math

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from raysearch import metrics

NAN = float("nan")


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def test_pearson_by_hand():
    # Deviations (-1, 0, 1) and (-1, -1, 2): 3 / sqrt(2 * 6).
    assert metrics.pearson([1, 2, 3], [1, 1, 4]) == pytest.approx(3 / math.sqrt(12))
    assert metrics.pearson([1, 2, 3], [-2, -4, -6]) == -1.0


def test_spearman_by_hand():
    # Ranks 1, 2, 3, 4 and 1, 2.5, 2.5, 4: 4.5 / sqrt(5 * 4.5).
    assert metrics.spearman([1, 2, 30, 400], [0, 5, 5, 6]) == pytest.approx(4.5 / math.sqrt(22.5))


@pytest.mark.parametrize("ties", [False, True])
def test_correlations_against_scipy(random, ties):
    x = random.normal(size=200)
    y = 0.3 * x + random.normal(size=200)
    if ties:
        x, y = np.round(x), np.round(y)
    assert metrics.pearson(x, y) == pytest.approx(scipy.stats.pearsonr(x, y)[0], abs=1e-12)
    assert metrics.spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x, y)[0], abs=1e-12)


def test_correlations_do_not_change_with_scale_and_offset(random):
    x, y = random.normal(size=(2, 50))
    expected = metrics.pearson(x, y)
    assert metrics.pearson(1e300 * x, 1e-300 * y) == pytest.approx(expected)
    assert metrics.pearson(3 * x + 10, y) == pytest.approx(expected)
    assert metrics.pearson(-x, y) == pytest.approx(-expected)
    assert metrics.spearman(np.exp(x), y**3) == pytest.approx(metrics.spearman(x, y))


@pytest.mark.parametrize("metric", [metrics.pearson, metrics.spearman])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_but_for_rounding_has_no_correlation(metric, dtype):
    step = np.finfo(dtype).eps
    constant = np.array([0.5, 0.5, 0.5 * (1 + step)], dtype=dtype)  # r was .866
    assert math.isnan(metric(constant, [1, 2, 3])) and math.isnan(metric([1, 2, 3], constant))
    summed = np.full(300, 0.1, dtype=dtype) * (1 + 8 * step * np.sin(np.arange(300))).astype(dtype)
    assert math.isnan(metric(summed, np.sin(np.arange(300))))
    small = np.array([0.5, 0.5, 0.5 * (1 + 1000 * step)], dtype=dtype)
    assert metric(small, [1, 2, 3]) == pytest.approx(math.sqrt(3) / 2)


@pytest.mark.parametrize("metric", [metrics.pearson, metrics.spearman])
@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([1], [2]),
        ([0.1, 0.1, 0.1], [1, 2, 3]),
        ([1, 2, 3], [5, 5, 5]),
        ([1, NAN, 3], [1, 2, 3]),
        ([1, 2, 3], [1, float("inf"), 3]),
        ([0, 0], [0, 0]),
    ],
)
def test_undefined_correlations_are_nan(metric, x, y):
    assert math.isnan(metric(x, y))


@pytest.mark.parametrize(
    "metric", [metrics.pearson, metrics.spearman, metrics.accuracy, metrics.macro_f1, metrics.auc]
)
def test_lengths_must_agree(metric):
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        metric([1, 0], [1, 0, 1])


def test_accuracy_and_macro_f1_by_hand():
    predicted, actual = [0, 0, 1, 1, 2], [0, 1, 1, 1, 0]
    assert metrics.accuracy(predicted, actual) == pytest.approx(3 / 5)
    # F1: class 0 = 2/(2+1+1), class 1 = 4/(4+0+1), class 2 (only predicted) = 0.
    assert metrics.macro_f1(predicted, actual) == pytest.approx((0.5 + 0.8 + 0.0) / 3)
    assert math.isnan(metrics.accuracy([], []))
    assert math.isnan(metrics.macro_f1([], []))


def test_macro_f1_against_sklearn(random):
    for _ in range(20):
        predicted, actual = random.integers(-2, 5, size=(2, 30))
        expected = sklearn.metrics.f1_score(actual, predicted, average="macro", zero_division=0)
        assert metrics.macro_f1(predicted, actual) == pytest.approx(expected)


def naive_auc(scores, labels):
    wins = [
        (a > b) + 0.5 * (a == b)
        for a, yes in zip(scores, labels, strict=True)
        for b, other in zip(scores, labels, strict=True)
        if yes and not other
    ]
    return sum(wins) / len(wins)


def test_auc_by_hand():
    # Of the four pairs: 3 > 2, 3 > 1, 1 < 2, and 1 = 1 counts half.
    assert metrics.auc([3, 2, 1, 1], [True, False, False, True]) == pytest.approx(2.5 / 4)
    assert metrics.auc([1, 2], [0, 1]) == 1.0


def test_auc_against_loop_and_sklearn(random):
    for _ in range(10):
        scores = random.integers(0, 6, size=40).astype(float)
        labels = random.random(40) < 0.3
        assert metrics.auc(scores, labels) == pytest.approx(naive_auc(scores, labels))
        assert metrics.auc(scores, labels) == pytest.approx(
            sklearn.metrics.roc_auc_score(labels, scores)
        )


@pytest.mark.parametrize(
    ("scores", "labels"), [([], []), ([1, 2], [1, 1]), ([1, 2], [0, 0]), ([1, NAN], [0, 1])]
)
def test_undefined_auc_is_nan(scores, labels):
    assert math.isnan(metrics.auc(scores, labels))


def naive_close_pairs(labels, share):
    distances = {
        (i, j): math.dist(labels[i], labels[j])
        for i in range(len(labels))
        for j in range(i + 1, len(labels))
    }
    threshold = np.quantile(list(distances.values()), share)
    return {pair for pair, distance in distances.items() if distance <= threshold + 1e-12}


def test_close_pairs_by_hand():
    # Distances 1, 5, 6, 4, 5, 1 between 0, 1, 5, 6: the nearest are the two of 1.
    assert metrics.close_pairs([0, 1, 5, 6], share=0.05).tolist() == [[0, 1], [2, 3]]


def test_close_pairs_against_loop(random):
    labels = random.random((40, 2))
    pairs = metrics.close_pairs(labels, share=0.05)
    assert {tuple(pair) for pair in pairs.tolist()} == naive_close_pairs(labels.tolist(), 0.05)
    assert len(pairs) == pytest.approx(0.05 * 40 * 39 / 2, abs=1)


def test_close_pairs_of_many_rows_are_drawn_the_same_way_each_time(random):
    labels = random.random((10_000, 2))
    pairs = metrics.close_pairs(labels, limit=20_000)
    assert np.array_equal(pairs, metrics.close_pairs(labels, limit=20_000))
    assert not np.array_equal(pairs[:20], metrics.close_pairs(labels, limit=20_000, seed=1)[:20])
    assert 900 <= len(pairs) <= 1100
    assert (pairs[:, 0] < pairs[:, 1]).all()
    # The 5 % quantile of distances of uniform points in a square is about .13.
    assert np.linalg.norm(labels[pairs[:, 0]] - labels[pairs[:, 1]], axis=1).max() < 0.15


@pytest.mark.parametrize("labels", [[], [[1.0, 2.0]]])
def test_close_pairs_of_too_few_rows(labels):
    assert metrics.close_pairs(labels).shape == (0, 2)


def naive_alignment(x, pairs):
    unit = [row / np.linalg.norm(row) for row in x]
    return np.mean([np.linalg.norm(unit[i] - unit[j]) ** 2 for i, j in pairs])


def naive_uniformity(x):
    unit = [row / np.linalg.norm(row) for row in x]
    potentials = [
        math.exp(-2 * np.linalg.norm(unit[i] - unit[j]) ** 2)
        for i in range(len(x))
        for j in range(i + 1, len(x))
    ]
    return math.log(np.mean(potentials))


def test_alignment_and_uniformity_by_hand():
    right_angle = [[2, 0], [0, 3]]  # unit vectors at a squared distance of 2
    assert metrics.alignment(right_angle, [[0, 1]]) == pytest.approx(2.0)
    assert metrics.uniformity(right_angle) == pytest.approx(-4.0)
    opposite = [[1, 0], [-5, 0]]
    assert metrics.alignment(opposite, [[0, 1]]) == pytest.approx(4.0)
    assert metrics.uniformity(opposite) == pytest.approx(-8.0)


def test_alignment_and_uniformity_against_loops(random):
    x = random.normal(size=(30, 8)).astype(np.float32)
    pairs = random.integers(0, 30, size=(9_000, 2))
    assert metrics.alignment(x, pairs) == pytest.approx(naive_alignment(x, pairs), rel=1e-5)
    assert metrics.uniformity(x) == pytest.approx(naive_uniformity(x), rel=1e-5)
    assert metrics.uniformity(10 * x[::-1]) == pytest.approx(metrics.uniformity(x))


def test_collapse_has_the_signs_that_are_documented(random):
    collapsed = np.tile(random.normal(size=16), (20, 1))
    assert metrics.alignment(collapsed, [[0, 1], [2, 3]]) == pytest.approx(0.0, abs=1e-12)
    assert metrics.uniformity(collapsed) == pytest.approx(0.0, abs=1e-12)
    spread = random.normal(size=(500, 384))
    assert metrics.uniformity(spread) == pytest.approx(-4.0, abs=0.05)


def test_silhouette_and_class_alignment_by_hand():
    # Unit vectors at 0, 0, 90 and 180 degrees; 1 - cosine is 0, 1 or 2. Class a is the first
    # two: a = 0, b = (1 + 2) / 2, so 1. Class b: a = 1; b = 1 gives 0, b = 2 gives 1/2.
    x, classes = [[1, 0], [7, 0], [0, 2], [-3, 0]], [5, 5, 2, 2]
    assert metrics.silhouette(x, classes) == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert metrics.class_alignment(x, classes) == pytest.approx((0 + 2) / 2)


def test_class_alignment_is_alignment_of_all_pairs_of_a_class(random):
    x, classes = random.normal(size=(60, 5)), random.integers(0, 4, 60)
    pairs = [(i, j) for i in range(60) for j in range(i) if classes[i] == classes[j]]
    assert metrics.class_alignment(x, classes) == pytest.approx(metrics.alignment(x, pairs))


def test_silhouette_against_a_loop_and_what_does_not_change_it(random):
    x, classes = random.normal(size=(40, 5)), random.integers(0, 3, 40)
    classes[0] = 9  # alone in its class: counts 0
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    apart = 1 - unit @ unit.T
    values = []
    for i in range(40):
        mean = {
            c: np.mean([apart[i, j] for j in range(40) if classes[j] == c and j != i])
            for c in set(classes.tolist())
            if any(classes[j] == c and j != i for j in range(40))
        }
        own = mean.pop(int(classes[i]), None)
        near = min(mean.values())
        values.append(0.0 if own is None else (near - own) / max(near, own))
    found = metrics.silhouette(x, classes)
    assert found == pytest.approx(np.mean(values))
    order, turn = random.permutation(40), np.linalg.qr(random.normal(size=(5, 5)))[0]
    longer = (x @ turn * random.uniform(0.1, 9, (40, 1)))[order]
    assert metrics.silhouette(longer, 7 - classes[order]) == pytest.approx(found)


def test_silhouette_of_a_sample_is_seeded_and_near_that_of_all(random):
    classes = random.integers(0, 3, 1_500)
    x = random.normal(size=(1_500, 6)) + 2 * np.eye(6)[classes]
    whole = metrics.silhouette(x, classes)
    part = metrics.silhouette(x, classes, limit=500, seed=3)
    assert part == metrics.silhouette(x, classes, limit=500, seed=3) != whole
    assert part == pytest.approx(whole, abs=0.03)


@pytest.mark.parametrize(
    ("x", "classes"),
    [([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [0, 1]], [0, 1]), ([[0, 0], [0, 1], [1, 0]], [0, 1, 1])],
)
def test_undefined_silhouettes_are_nan(x, classes):
    assert math.isnan(metrics.silhouette(x, classes))


def test_class_alignment_without_a_pair_is_nan():
    assert math.isnan(metrics.class_alignment([[1, 0], [0, 1]], [0, 1]))
    assert math.isnan(metrics.class_alignment([[1, 0], [0, 0]], [1, 1]))


def test_uniformity_of_a_sample_is_near_that_of_all(random):
    x = random.normal(size=(3_000, 6))
    whole = metrics.uniformity(x, limit=3_000)
    assert metrics.uniformity(x) == pytest.approx(whole, abs=0.02)
    assert metrics.uniformity(x) == metrics.uniformity(x)


@pytest.mark.parametrize(
    "x", [[[1.0, 0.0], [0.0, 0.0]], [[1.0, NAN], [0.0, 1.0]], [[1e308, 1e308]]]
)
def test_undefined_embeddings_are_nan(x):
    assert math.isnan(metrics.alignment(x, [[0, 0]]))
    assert math.isnan(metrics.uniformity(x))


def test_nothing_to_average_is_nan():
    assert math.isnan(metrics.alignment([[1.0, 0.0]], []))
    assert math.isnan(metrics.uniformity([[1.0, 0.0]]))


def test_every_metric_is_a_python_float(random):
    x, y = random.normal(size=(2, 20))
    classes = random.integers(0, 3, size=20)
    values = [
        metrics.pearson(x, y),
        metrics.spearman(x, y),
        metrics.accuracy(classes, classes),
        metrics.macro_f1(classes, classes),
        metrics.auc(x, classes > 0),
        metrics.alignment(x.reshape(10, 2), [[0, 1]]),
        metrics.uniformity(x.reshape(10, 2)),
    ]
    assert [type(value) for value in values] == [float] * len(values)


def test_ranks_are_those_of_scipy_to_the_last_bit():
    random = np.random.default_rng(3)
    for count in (0, 1, 2, 7, 60, 5000):
        values = random.integers(0, 9, count) * random.normal()
        assert np.array_equal(metrics.ranks_of(values), scipy.stats.rankdata(values))
