"""Micro-F1: counts by hand, a naive recount, edges."""

import random

import pytest

from raysearch.corpora.absa.records import POLARITIES, Aspect
from raysearch.methods.msmo.tags import micro_f1


def rates(right: int, predicted: int, gold: int) -> tuple[float, float, float]:
    precision, recall = right / (predicted + 1e-4), right / (gold + 1e-4)
    return precision, recall, 2 * precision * recall / (precision + recall + 1e-4)


def test_counts_by_hand() -> None:
    gold = [
        [Aspect(0, 1, "POS"), Aspect(4, 4, "NEG")],
        [],
        [Aspect(2, 5, "NEU")],
    ]
    predicted = [
        # Right; right words, wrong polarity.
        [Aspect(0, 1, "POS"), Aspect(4, 4, "POS")],
        # Out of thin air.
        [Aspect(0, 0, "NEG")],
        # Too short; beside it, out of thin air.
        [Aspect(2, 4, "NEU"), Aspect(6, 7, "NEU")],
    ]
    found = micro_f1(gold, predicted)
    precision, recall, f1 = rates(1, 5, 3)
    assert found["precision"] == pytest.approx(precision)
    assert found["recall"] == pytest.approx(recall)
    assert found["f1"] == pytest.approx(f1)
    assert found["aspect_f1"] == pytest.approx(rates(2, 5, 3)[2])
    assert found["hallucinated"] == pytest.approx(2 / 5)
    assert found["predicted"] == pytest.approx(5 / 3)


def drawn(chance: random.Random) -> list[Aspect]:
    aspects = {
        Aspect(begin, begin + chance.randint(0, 2), chance.choice(POLARITIES))
        for begin in chance.sample(range(8), chance.randint(0, 3))
    }
    return sorted(aspects, key=lambda aspect: aspect.begin)


def test_matches_a_naive_recount() -> None:
    chance = random.Random(0)
    for _ in range(200):
        gold = [drawn(chance) for _ in range(6)]
        predicted = [drawn(chance) for _ in range(6)]
        right = placed = invented = 0
        for one, other in zip(gold, predicted, strict=True):
            for guess in other:
                words = set(range(guess.begin, guess.end + 1))
                right += any(vars(guess) == vars(real) for real in one)
                placed += any((guess.begin, guess.end) == (real.begin, real.end) for real in one)
                covered = {w for real in one for w in range(real.begin, real.end + 1)}
                invented += not words & covered
        sizes = sum(map(len, predicted)), sum(map(len, gold))
        found = micro_f1(gold, predicted)
        assert (found["precision"], found["recall"], found["f1"]) == pytest.approx(
            rates(right, *sizes)
        )
        assert found["aspect_f1"] == pytest.approx(rates(placed, *sizes)[2])
        assert found["hallucinated"] == pytest.approx(invented / max(1, sizes[0]))


def test_the_order_of_sentences_does_not_matter() -> None:
    chance = random.Random(3)
    gold, predicted = ([drawn(chance) for _ in range(9)] for _ in range(2))
    assert micro_f1(gold, predicted) == micro_f1(gold[::-1], predicted[::-1])


def test_perfect_nothing_and_empty() -> None:
    gold = [[Aspect(0, 0, "POS")]] * 100
    assert micro_f1(gold, gold)["f1"] == pytest.approx(1, abs=1e-4)
    nothing = micro_f1(gold, [[]] * 100)
    assert set(nothing.values()) == {0.0}
    assert set(micro_f1([], []).values()) == {0.0}
    assert micro_f1([[]], gold[:1])["hallucinated"] == 1


def test_all_sentences_must_be_there() -> None:
    with pytest.raises(ValueError, match="shorter"):
        micro_f1([[], []], [[]])
