"""PTD: hand-worked numbers, a naive loop, gradients in double precision, padding."""

import math

import pytest
import torch
from torch.nn import functional

from raysearch.methods.carl.losses import focal_detection_loss


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(4, 7, generator=chance, dtype=torch.float64)
    perturbed = torch.rand(4, 7, generator=chance) < 0.3
    eligible = torch.rand(4, 7, generator=chance) < 0.8
    return logits, perturbed & eligible, eligible


def test_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3), 9.0]])
    perturbed = torch.tensor([[True, False, True]])
    eligible = torch.tensor([[True, True, False]])
    # p of the true class: 1/2 and 1/4.
    wanted = (0.5**2 * math.log(2) + 0.75**2 * math.log(4)) / 2
    found = focal_detection_loss(logits, perturbed, eligible, gamma=2.0)
    assert float(found) == pytest.approx(wanted)
    weighed = (0.25 * 0.5**2 * math.log(2) + 0.75 * 0.75**2 * math.log(4)) / 2
    found = focal_detection_loss(logits, perturbed, eligible, gamma=2.0, alpha=0.25)
    assert float(found) == pytest.approx(weighed)


@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 1.5])
def test_matches_a_naive_loop(gamma: float, alpha: float | None) -> None:
    logits, perturbed, eligible = drawn()
    total, count = 0.0, 0
    for row in range(4):
        for token in range(7):
            if not eligible[row, token]:
                continue
            p = 1 / (1 + math.exp(-float(logits[row, token])))
            p, weight = (p, alpha) if perturbed[row, token] else (1 - p, 1 - (alpha or 0))
            total -= (1.0 if alpha is None else float(weight)) * (1 - p) ** gamma * math.log(p)
            count += 1
    found = focal_detection_loss(logits, perturbed, eligible, gamma=gamma, alpha=alpha)
    assert float(found) == pytest.approx(total / count)


def test_gamma_zero_is_cross_entropy() -> None:
    logits, perturbed, eligible = drawn()
    found = focal_detection_loss(logits, perturbed, eligible, gamma=0.0)
    wanted = functional.binary_cross_entropy_with_logits(
        logits[eligible], perturbed[eligible].double()
    )
    assert torch.allclose(found, wanted)


def test_gradients_in_double_precision() -> None:
    logits, perturbed, eligible = drawn()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: focal_detection_loss(x, perturbed, eligible, gamma=2.0, alpha=0.5), (logits,)
    )


def test_padding_does_not_count() -> None:
    logits, perturbed, eligible = drawn()
    wider = [functional.pad(t, (0, 7)) for t in (logits + 0, perturbed, eligible)]
    wider[0][:, 7:] = 99.0
    first = focal_detection_loss(logits, perturbed, eligible, gamma=2.0)
    assert torch.allclose(first, focal_detection_loss(*wider, gamma=2.0))


def test_shares_of_two_workers_average_to_the_whole() -> None:
    logits, perturbed, eligible = drawn()
    whole = focal_detection_loss(logits, perturbed, eligible, gamma=2.0)
    tokens = float(eligible.sum()) / 2
    parts = [
        focal_detection_loss(
            logits[part::2], perturbed[part::2], eligible[part::2], gamma=2.0, tokens=tokens
        )
        for part in (0, 1)
    ]
    assert torch.allclose((parts[0] + parts[1]) / 2, whole)


def test_extremes_are_finite() -> None:
    logits = torch.tensor([[1e4, -1e4]])
    found = focal_detection_loss(
        logits, torch.tensor([[False, True]]), torch.ones(1, 2, dtype=torch.bool), gamma=2.0
    )
    assert float(found) == pytest.approx(1e4)
    nothing = torch.zeros(1, 2, dtype=torch.bool)
    assert float(focal_detection_loss(logits, nothing, nothing, gamma=2.0)) == 0


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.9, 1.0, 2.0])
def test_large_logits_have_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0, 120.0, 3.0]], requires_grad=True)
    perturbed = torch.tensor([[True, True, False, True]])
    eligible = torch.ones(1, 4, dtype=torch.bool)
    focal_detection_loss(logits, perturbed, eligible, gamma=gamma).backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()
    # A token that is certainly wrong has the slope of its margin, one that is certainly right none.
    assert logits.grad[0, :3].tolist() == pytest.approx([0, -1 / 4, 1 / 4])


@pytest.mark.parametrize("gamma", [0.3, 2.0])
def test_what_is_not_eligible_has_no_gradient_whatever_its_logit(gamma: float) -> None:
    logits = torch.tensor([[math.nan, math.inf, 500.0, 0.5]], requires_grad=True)
    perturbed = torch.tensor([[True, False, True, True]])
    eligible = torch.tensor([[False, False, False, True]])
    loss = focal_detection_loss(logits, perturbed, eligible, gamma=gamma)
    p = 1 / (1 + math.exp(-0.5))
    assert float(loss.detach()) == pytest.approx(-((1 - p) ** gamma) * math.log(p))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, :3].tolist() == [0, 0, 0] and float(logits.grad[0, 3]) < 0
