"""Student's interval over tasks: by hand, against scipy, and its coverage by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from raysearch.analysis.statistics import student_interval


def test_by_hand_with_three_values() -> None:
    found = student_interval([[1.0, 2.0, 3.0]])  # mean 2, s = 1, t(2) = 4.303
    assert found.mean == 2
    assert found.high == pytest.approx(2 + 4.3027 / math.sqrt(3), abs=1e-3)
    assert (found.count, found.low + found.high) == (3, pytest.approx(4))


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_of_two_tasks_it_is_welchs(level: float) -> None:
    first, second = [0.1, 0.3, 0.2, 0.5], [-0.2, 0.4, 0.0]
    found = student_interval([first, second], level=level)
    # Welch's interval of a difference, with the sign of one side turned, is that of the sum.
    both = stats.ttest_ind(first, np.negative(second), equal_var=False).confidence_interval(level)
    assert (found.low, found.high) == pytest.approx((both.low / 2, both.high / 2))


def test_limits() -> None:
    assert not student_interval([[0.5]]).bounded
    assert not student_interval([[0.1, 0.2], [0.3]]).bounded
    assert student_interval([[0.1], [0.2], [0.4]]).bounded  # the tasks are what varies
    flat = student_interval([[0.25, 0.25], [0.5, 0.5]])
    assert flat.low == flat.high == 0.375
    with pytest.raises(ValueError, match="at least one value"):
        student_interval([[]])


def test_it_holds_its_level_with_three_seeds_of_two_tasks() -> None:
    random = np.random.default_rng(0)
    draws = random.normal([[1.0], [3.0]], [[0.5], [2.0]], size=(2000, 2, 3)).tolist()
    hits = [student_interval(draw).low <= 2 <= student_interval(draw).high for draw in draws]
    assert 0.93 < np.mean(hits) < 0.98
