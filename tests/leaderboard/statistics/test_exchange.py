"""The permutation test: by hand on all exchanges, its level by simulation, its invariances."""

import itertools

import numpy as np
import pytest

from raysearch.leaderboard.statistics import exchange_test


def test_by_hand_on_three_blocks_of_two() -> None:
    # The first level is ahead in every block: of 8 exchanges 2 have means as far apart.
    found = exchange_test(np.array([[1.0, 0.0], [3.0, 2.0], [2.0, 1.5]]))
    assert found.p_value == pytest.approx(2 / 8, abs=0.02)
    assert (found.blocks, found.levels, found.smallest) == (3, 2, 1 / 4)


def test_equal_to_all_exchanges_counted_one_by_one() -> None:
    scores = np.random.default_rng(3).normal(size=(4, 3))

    def spread(table: np.ndarray) -> float:
        return float(np.var(table.mean(axis=0)))

    orders = list(itertools.permutations(range(3)))
    every = [
        spread(np.array([row[list(order)] for row, order in zip(scores, chosen, strict=True)]))
        for chosen in itertools.product(orders, repeat=4)
    ]
    exact = np.mean([value >= spread(scores) * (1 - 1e-12) for value in every])
    assert exchange_test(scores).p_value == pytest.approx(exact, abs=0.02)


def test_without_a_difference_it_is_one_and_a_shift_of_a_block_changes_nothing() -> None:
    assert exchange_test(np.full((5, 3), 0.25)).p_value == 1
    scores = np.random.default_rng(0).normal(size=(6, 3))
    shifted = scores + np.arange(6)[:, None] * 10
    assert exchange_test(scores).p_value == pytest.approx(exchange_test(shifted).p_value)


def test_it_holds_its_level() -> None:
    random = np.random.default_rng(1)
    values = [exchange_test(random.normal(size=(5, 4)), draws=199).p_value for _ in range(200)]
    assert np.mean(np.array(values) <= 0.05) < 0.1


@pytest.mark.parametrize("shape", [(0, 3), (3, 1), (3,)])
def test_needs_blocks_and_levels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="blocks x levels"):
        exchange_test(np.zeros(shape))
