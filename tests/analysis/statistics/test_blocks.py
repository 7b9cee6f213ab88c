"""The F test over blocks: by hand, against a paired t test, its level by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from raysearch.analysis.statistics import block_test


def test_by_hand_on_three_blocks_of_three() -> None:
    # Within blocks (-1, 0, 1), (-1, 0, 1), (-2, 0, 2): means -4/3, 0, 4/3.
    found = block_test(np.array([[0.0, 1.0, 2.0], [5.0, 6.0, 7.0], [1.0, 3.0, 5.0]]))
    between = 3 * 2 * (4 / 3) ** 2
    left = 2 * (2 * (1 / 3) ** 2 + (2 / 3) ** 2)
    assert found.p_value == pytest.approx(stats.f.sf((between / 2) / (left / 4), 2, 4))
    assert (found.blocks, found.levels) == (3, 3)


def test_of_two_levels_it_is_the_paired_t_test() -> None:
    scores = np.random.default_rng(0).normal(size=(6, 2))
    expected = stats.ttest_rel(scores[:, 0], scores[:, 1]).pvalue
    assert block_test(scores).p_value == pytest.approx(expected)


def test_a_shift_of_a_block_and_the_order_of_levels_change_nothing() -> None:
    scores = np.random.default_rng(1).normal(size=(5, 4))
    shifted = scores[:, ::-1] + np.arange(5)[:, None] * 10
    assert block_test(scores).p_value == pytest.approx(block_test(shifted).p_value)


def test_limits() -> None:
    assert block_test(np.full((5, 3), 0.25)).p_value == 1
    assert block_test(np.array([[0.1, 0.2]] * 3)).p_value == 0  # the same step in every block
    assert math.isnan(block_test(np.array([[0.1, 0.2]])).p_value)
    assert block_test(np.array([[0.2, 0.2]])).p_value == 1


def test_it_holds_its_level_and_sees_what_is_there() -> None:
    random = np.random.default_rng(1)
    noise = random.normal(size=(2000, 3, 4)) + random.normal(size=(2000, 3, 1)) * 5
    flat = np.array([block_test(table).p_value for table in noise])
    assert 0.035 < np.mean(flat <= 0.05) < 0.065
    steep = np.array([block_test(table + [0, 1, 2, 8]).p_value for table in noise[:200]])
    assert np.mean(steep <= 0.05) > 0.95


@pytest.mark.parametrize("shape", [(0, 3), (3, 1), (3,)])
def test_needs_blocks_and_levels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="blocks x levels"):
        block_test(np.zeros(shape))
