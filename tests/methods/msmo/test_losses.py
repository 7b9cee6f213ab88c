"""Bidirectional KL: hand-worked number, torch's own KL, symmetry, gradients, saturation."""

import math

import pytest
import torch
from torch.nn import functional

from raysearch.methods.msmo.losses import bidirectional_kl, span_distribution


def drawn(rows: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    one, other = 2 * torch.randn(2, rows, 5, generator=chance, dtype=torch.float64)
    return one.log_softmax(-1), other.log_softmax(-1)


def test_by_hand() -> None:
    q = torch.tensor([[0.5, 0.125, 0.125, 0.125, 0.125]])
    r = torch.tensor([[0.25, 0.375, 0.125, 0.125, 0.125]])
    # KL(q‖r) = ½ log 2 - ⅛ log 3, KL(r‖q) = -¼ log 2 + ⅜ log 3.
    wanted = 0.5 * (math.log(2) / 4 + math.log(3) / 4)
    assert bidirectional_kl(q.log(), r.log()).tolist() == pytest.approx([wanted])


def test_matches_the_definition() -> None:
    log_q, log_r = drawn()
    there = functional.kl_div(log_r, log_q, log_target=True, reduction="none").sum(-1)
    back = functional.kl_div(log_q, log_r, log_target=True, reduction="none").sum(-1)
    assert torch.allclose(bidirectional_kl(log_q, log_r), (there + back) / 2)


def test_symmetric_never_negative_and_zero_for_equals() -> None:
    log_q, log_r = drawn()
    found = bidirectional_kl(log_q, log_r)
    assert torch.equal(found, bidirectional_kl(log_r, log_q))
    assert (found > 0).all()
    assert not bidirectional_kl(log_q, log_q).any()


def test_both_sides_get_gradient() -> None:
    log_q, log_r = (side.requires_grad_() for side in drawn())
    assert torch.autograd.gradcheck(bidirectional_kl, (log_q, log_r))
    bidirectional_kl(log_q, log_r).sum().backward()
    assert log_q.grad is not None and log_q.grad.any()
    assert log_r.grad is not None and log_r.grad.any()


def test_each_row_is_for_itself() -> None:
    log_q, log_r = drawn()
    order = torch.tensor([2, 0, 5, 1])
    rows = bidirectional_kl(log_q[order], log_r[order])
    assert torch.equal(rows, bidirectional_kl(log_q, log_r)[order])
    assert bidirectional_kl(log_q[:0], log_r[:0]).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_certain_and_opposed_taggers_give_a_bounded_loss(dtype: torch.dtype) -> None:
    logits = torch.zeros(2, 13)
    logits[0, 4], logits[1, 8] = 1e4, 1e4
    logits = logits.to(dtype).requires_grad_()
    words, single = torch.tensor([0, 1]), torch.tensor([1, 1])
    found = span_distribution(logits.log_softmax(-1), words, single)
    loss = bidirectional_kl(found, found.flip(0))
    assert loss.tolist() == pytest.approx([46.05] * 2, rel=1e-3)
    loss.sum().backward()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_descending_makes_the_two_sides_agree() -> None:
    chance = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 13, generator=chance).requires_grad_()
    optimizer = torch.optim.SGD([logits], lr=1.0)
    starts, lengths = torch.tensor([0, 2, 3, 5]), torch.tensor([2, 1, 2, 1])
    losses = []
    for _ in range(100):
        spans = span_distribution(logits.log_softmax(-1), starts, lengths)
        loss = bidirectional_kl(spans[:2], spans[2:]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.01 * losses[0]
