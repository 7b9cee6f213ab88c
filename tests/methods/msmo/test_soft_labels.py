"""Distillation: hand-worked numbers, naive loops, mixing of teachers, temperature, gradients."""

import math

import pytest
import torch

from raysearch.methods.msmo.distillation import DISTANCES, distill_loss, mix, soften

KINDS = ("mse", "kl")


def drawn(rows: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    student, teacher = 2 * torch.randn(2, rows, 13, generator=chance, dtype=torch.float64)
    return student, teacher


def test_by_hand() -> None:
    logits, target = torch.zeros(1, 13), torch.zeros(1, 13)
    target[0, 3] = 1.0
    squared = ((12 / 13) ** 2 + 12 / 13**2) / 13
    assert float(distill_loss(logits, target, 1.0, "mse")) == pytest.approx(squared)
    assert float(distill_loss(logits, target, 1.0, "kl")) == pytest.approx(math.log(13))
    assert float(distill_loss(logits, target, 2.0, "kl")) == pytest.approx(4 * math.log(13))
    assert tuple(DISTANCES) == KINDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_matches_a_naive_loop(kind: str, temperature: float) -> None:
    student, teacher = drawn()
    target = (teacher / temperature).softmax(-1)
    total = 0.0
    for logits, wanted in zip(student.tolist(), target.tolist(), strict=True):
        powers = [math.exp(logit / temperature) for logit in logits]
        for power, p in zip(powers, wanted, strict=True):
            q = power / sum(powers)
            total += (q - p) ** 2 / 13 if kind == "mse" else p * math.log(p / q)
    found = distill_loss(student, target, temperature, kind)
    assert float(found) == pytest.approx(temperature**2 * total / 5)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 4.0])
def test_softened_probabilities_are_those_of_softened_logits(temperature: float) -> None:
    _, teacher = drawn()
    found = soften(teacher.softmax(-1), temperature)
    assert torch.allclose(found, (teacher / temperature).softmax(-1))


def test_softening_certainty_is_finite() -> None:
    sure = torch.zeros(1, 13)
    sure[0, 5] = 1.0
    assert torch.equal(soften(sure, 0.01), sure)
    assert torch.equal(soften(sure, 100.0), sure)
    flat = torch.full((1, 13), 1 / 13)
    assert torch.allclose(soften(flat, 0.01), flat)


def test_probabilities_are_mixed_not_logits() -> None:
    first, second = torch.tensor([[0.8, 0.2]]), torch.tensor([[0.2, 0.8]])
    assert torch.allclose(mix([first, second], [0.75, 0.25]), torch.tensor([[0.65, 0.35]]))
    three = [drawn(seed=seed)[1].softmax(-1) for seed in range(3)]
    mixed = mix(three, [1 / 3] * 3)
    assert torch.allclose(mixed, (three[0] + three[1] + three[2]) / 3)
    assert torch.allclose(mixed.sum(-1), torch.ones(5, dtype=torch.float64))
    assert torch.equal(mix(three[:1], [1.0]), three[0])
    assert torch.equal(mix(three, [0.0, 1.0, 0.0]), three[1])


def test_every_teacher_needs_a_weight() -> None:
    with pytest.raises(ValueError, match="longer|shorter"):
        mix([torch.ones(1, 13) / 13], [0.5, 0.5])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_gradients_in_double_precision(kind: str, temperature: float) -> None:
    student, teacher = drawn(3)
    target = teacher.softmax(-1)
    student.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: distill_loss(x, target, temperature, kind), (student,)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_zero_for_a_student_like_its_teacher_and_order_does_not_matter(kind: str) -> None:
    student, teacher = drawn()
    same = distill_loss(student, soften(student.softmax(-1), 2.0), 2.0, kind)
    assert float(same) == pytest.approx(0, abs=1e-12)
    target = teacher.softmax(-1)
    found = distill_loss(student, target, 1.0, kind)
    assert float(found) > 0
    assert torch.allclose(found, distill_loss(student.flip(0), target.flip(0), 1.0, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_high_temperature_does_not_shrink_the_gradient(kind: str) -> None:
    student, teacher = drawn()
    sizes = []
    for temperature in (10.0, 100.0):
        logits = student.clone().requires_grad_()
        target = soften(teacher.softmax(-1), temperature)
        distill_loss(logits, target, temperature, kind).backward()
        assert logits.grad is not None
        sizes.append(float(logits.grad.norm()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_extremes_are_finite(kind: str) -> None:
    logits = torch.zeros(1, 13)
    logits[0, 0] = 1e4
    logits = logits.bfloat16().requires_grad_()
    target = torch.zeros(1, 13)
    target[0, 1] = 1.0
    found = distill_loss(logits, target, 1.0, kind)
    assert found.dtype == torch.float32
    found.backward()
    assert found.isfinite()
    assert logits.grad is not None and logits.grad.isfinite().all()
