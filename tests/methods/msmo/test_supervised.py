"""Token cross-entropy: hand-worked numbers, a naive loop, gradients, workers."""

import math

import pytest
import torch

from raysearch.methods.msmo.losses import token_cross_entropy


def drawn(words: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(words, 13, generator=chance, dtype=torch.float64)
    return logits, torch.randint(13, (words,), generator=chance)


def test_by_hand() -> None:
    logits = torch.zeros(2, 13)
    logits[1, 4] = math.log(12)
    # Probabilities of the labels: 1/13, and 12/24.
    found = token_cross_entropy(logits, torch.tensor([0, 4]))
    assert float(found) == pytest.approx((math.log(13) + math.log(2)) / 2)


def test_matches_a_naive_loop() -> None:
    logits, labels = drawn()
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        total -= math.log(math.exp(row[label]) / sum(map(math.exp, row)))
    assert float(token_cross_entropy(logits, labels)) == pytest.approx(total / 8)


def test_gradients_in_double_precision() -> None:
    logits, labels = drawn(4)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: token_cross_entropy(x, labels), (logits,))


def test_the_order_of_words_does_not_matter() -> None:
    logits, labels = drawn()
    turned = token_cross_entropy(logits.flip(0), labels.flip(0))
    assert torch.allclose(turned, token_cross_entropy(logits, labels))


def test_shares_of_two_workers_average_to_the_whole() -> None:
    logits, labels = drawn()
    parts = [
        token_cross_entropy(logits[part], labels[part], words=8 / 2)
        for part in (slice(0, 3), slice(3, 8))
    ]
    assert torch.allclose((parts[0] + parts[1]) / 2, token_cross_entropy(logits, labels))


def test_extremes() -> None:
    sure = torch.zeros(1, 13, dtype=torch.bfloat16)
    sure[0, 2] = 1e4
    assert float(token_cross_entropy(sure, torch.tensor([2]))) == 0
    wrong = token_cross_entropy(sure, torch.tensor([1]))
    assert wrong.dtype == torch.float32
    assert float(wrong) == pytest.approx(1e4, rel=1e-2)
    logits = torch.zeros(0, 13, requires_grad=True)
    nothing = token_cross_entropy(logits, torch.zeros(0, dtype=torch.int64))
    nothing.backward()
    assert nothing.item() == 0
