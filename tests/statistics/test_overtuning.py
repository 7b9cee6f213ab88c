"""Overtuning by hand: tuned better on dev, worse on test."""

import math

import pytest

from raysearch.run import MetricGoal
from raysearch.statistics.tuning import overtuning

UP, DOWN = MetricGoal("dev/f1"), MetricGoal("dev/mae", "minimize")


def test_worse_than_the_best_incumbent_but_better_than_the_default() -> None:
    found = overtuning([0.5, 0.6, 0.7], [0.40, 0.50, 0.45], UP)
    assert found.dev_gain == pytest.approx(0.2)
    assert found.test_gain == pytest.approx(0.05)
    assert found.value == pytest.approx(0.05)
    assert found.relative == pytest.approx(0.5)
    assert not found.worse_than_first


def test_worse_than_the_default() -> None:
    found = overtuning([0.5, 0.7], [0.45, 0.40], UP)
    assert found.worse_than_first
    assert found.value == pytest.approx(0.05) and found.relative == math.inf
    between = overtuning([0.5, 0.6, 0.7], [0.45, 0.50, 0.40], UP)
    assert between.relative == pytest.approx(2) and between.worse_than_first


def test_lower_is_better() -> None:
    found = overtuning([1.0, 0.8], [1.0, 1.1], DOWN)
    assert found.dev_gain == pytest.approx(0.2) and found.test_gain == pytest.approx(-0.1)


def test_the_default_that_stays_the_best_is_not_overtuned() -> None:
    found = overtuning([0.5], [0.4], UP)
    assert (found.value, found.relative, found.worse_than_first) == (0, 0, False)


def test_lengths_differ() -> None:
    with pytest.raises(ValueError, match="same incumbents"):
        overtuning([0.5], [], UP)
