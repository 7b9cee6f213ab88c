"""Span distribution: hand-worked numbers, a naive loop of products, gradients, saturation."""

import math

import pytest
import torch

from raysearch.methods.msmo.losses import OUTCOMES, span_distribution
from raysearch.methods.msmo.tags import TAGS


def drawn(words: int = 12, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    return scale * torch.randn(words, 13, generator=chance, dtype=torch.float64)


STARTS = torch.tensor([0, 1, 3, 3, 8, 11])
LENGTHS = torch.tensor([1, 2, 5, 1, 3, 1])


def naive(probs: list[list[float]], start: int, length: int) -> list[float]:
    """Spec §2.2 word by word, with products of Python numbers."""
    span = probs[start : start + length]
    found = []
    for polarity in ("POS", "NEG", "NEU"):
        if length == 1:
            found.append(span[0][TAGS.index(f"S-{polarity}")])
            continue
        product = span[0][TAGS.index(f"B-{polarity}")] * span[-1][TAGS.index(f"E-{polarity}")]
        for word in span[1:-1]:
            product *= word[TAGS.index(f"I-{polarity}")]
        found.append(product)
    found.append(math.prod(word[0] for word in span))
    return [*found, 1 - sum(found)]


def test_by_hand() -> None:
    probs = torch.full((2, 13), 0.01)
    probs[0, TAGS.index("B-POS")], probs[1, TAGS.index("E-POS")] = 0.5, 0.4
    probs[0, TAGS.index("S-NEG")], probs[0, 0], probs[1, 0] = 0.2, 0.2, 0.3
    found = span_distribution(probs.log(), torch.tensor([0, 0]), torch.tensor([2, 1])).exp()
    assert found[0].tolist() == pytest.approx([0.2, 1e-4, 1e-4, 0.06, 0.7398], rel=1e-5)
    assert found[1].tolist() == pytest.approx([0.01, 0.2, 0.01, 0.2, 0.58], rel=1e-5)
    assert OUTCOMES == ("POS", "NEG", "NEU", "O", "REST")


@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0])
def test_matches_a_naive_loop_of_products(scale: float) -> None:
    log_probs = drawn(scale=scale).log_softmax(-1)
    found = span_distribution(log_probs, STARTS, LENGTHS).exp()
    probs = log_probs.exp().tolist()
    wanted = [naive(probs, *span) for span in zip(STARTS.tolist(), LENGTHS.tolist(), strict=True)]
    assert found.tolist() == [pytest.approx(row, rel=1e-9, abs=2e-20) for row in wanted]
    assert found.sum(-1).tolist() == pytest.approx([1.0] * 6)


def test_gradients_in_double_precision() -> None:
    logits = drawn().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: span_distribution(x.log_softmax(-1), STARTS, LENGTHS), (logits,)
    )


def test_only_the_words_of_the_aspect_count() -> None:
    logits = drawn().requires_grad_()
    span_distribution(logits.log_softmax(-1), STARTS[1:2], LENGTHS[1:2]).sum().backward()
    assert logits.grad is not None
    touched = (logits.grad != 0).any(-1).nonzero().flatten()
    assert touched.tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("size", [50.0, 1e4])
def test_saturated_logits_are_finite(dtype: torch.dtype, size: float) -> None:
    logits = torch.zeros(6, 13)
    for word, tag in enumerate(("B-POS", "I-POS", "E-POS", "O", "S-NEU", "E-NEG")):
        logits[word, TAGS.index(tag)] = size
    logits = logits.to(dtype).requires_grad_()
    # Certain of POS, of O, of NEU; impossible; two words of REST.
    starts, lengths = torch.tensor([0, 3, 4, 5, 4]), torch.tensor([3, 1, 1, 1, 2])
    found = span_distribution(logits.log_softmax(-1), starts, lengths)
    assert found.argmax(-1).tolist() == [0, 3, 2, 4, 4]
    # log 1e-20 is -46.05; what is certain leaves REST one rounding error at least.
    assert -46.1 <= float(found.detach().min()) and float(found.detach().max()) <= 1e-6
    gap = found - found.flip(0)
    (found.exp() * gap).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_a_probability_of_zero_is_finite() -> None:
    log_probs = torch.full((3, 13), -math.inf)
    log_probs[:, 0] = 0.0
    found = span_distribution(log_probs, torch.tensor([0, 2]), torch.tensor([2, 1]))
    assert found.isfinite().all()


def test_neither_order_nor_neighbours_matter() -> None:
    log_probs = drawn().log_softmax(-1)
    whole = span_distribution(log_probs, STARTS, LENGTHS)
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    assert torch.equal(span_distribution(log_probs, STARTS[order], LENGTHS[order]), whole[order])
    # Other sentences before and behind: as when the batch is put together differently.
    other = drawn(5, seed=1).log_softmax(-1)
    moved = span_distribution(torch.cat([other, log_probs, other]), STARTS + 5, LENGTHS)
    assert torch.equal(moved, whole)
    # An aspect alone has no longer one beside it, up to which it is filled.
    single = span_distribution(log_probs, STARTS[:1], LENGTHS[:1])
    assert torch.allclose(single[0], whole[0], rtol=0, atol=1e-12)


def test_no_aspects_are_no_rows_but_keep_the_graph() -> None:
    log_probs = drawn().requires_grad_()
    nothing = torch.empty(0, dtype=torch.int64)
    found = span_distribution(log_probs, nothing, nothing)
    assert found.shape == (0, 5)
    found.sum().backward()
    assert log_probs.grad is not None and not log_probs.grad.any()


def test_bf16_is_computed_wide() -> None:
    log_probs = drawn().bfloat16()
    assert span_distribution(log_probs, STARTS, LENGTHS).dtype == torch.float32
