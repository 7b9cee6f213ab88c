"""Agreement of two choices, by hand; gradients in other company, against one batch at a time."""

from collections.abc import Callable

import pytest
import torch

from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.evaluation.diagnostics import (
    PARTS,
    Agreement,
    BatchContext,
    gradient_in_other_context,
)
from raysearch.methods.carl.method import CarlMethod, objective

OBJECTIVE = objective(CarlConfig())


def choice(*rows: str) -> torch.Tensor:
    return torch.tensor([[mark == "x" for mark in row] for row in rows])


def test_agreement_by_hand() -> None:
    agreement = Agreement()
    # Two of four tokens, one of them twice; one of two tokens, the other one.
    agreement.add(choice("xx..", "x..."), choice(".xx.", ".x.."), choice("xxxx", "xx.."))
    found = agreement.shares()
    assert found["saliency_agreement"] == pytest.approx(1 / 3)
    assert found["saliency_chance"] == pytest.approx((2 * 2 / 4 + 1 * 1 / 2) / 3)
    # A sentence of one token has no choice: it counts in both.
    agreement.add(choice("x..."), choice("x..."), choice("x..."))
    found = agreement.shares()
    assert found["saliency_agreement"] == pytest.approx(2 / 4)
    assert found["saliency_chance"] == pytest.approx((1 + 0.5 + 1) / 4)


def test_nothing_counted_gives_no_shares() -> None:
    assert Agreement().shares() == {}


def company(seed: int, size: int = 8) -> BatchContext:
    chance = torch.Generator().manual_seed(seed)
    queries, keys = torch.randn(2, size, 6, generator=chance, dtype=torch.float64)
    return BatchContext(
        queries=queries, keys=keys, labels=torch.rand(size, 2, generator=chance).double()
    )


def test_the_same_companions_give_the_same_gradient() -> None:
    own = company(0)
    queries = own.queries.clone().requires_grad_()
    targets = OBJECTIVE.targets(own.labels)
    (wanted,) = torch.autograd.grad(OBJECTIVE(queries, own.keys, targets).loss, queries)
    assert torch.allclose(gradient_in_other_context(own, own, OBJECTIVE), wanted)


def test_each_part_stands_beside_the_other_batch() -> None:
    own, other = company(0), company(1)
    found = gradient_in_other_context(own, other, OBJECTIVE)
    for part in range(PARTS):
        mine = torch.arange(8) % PARTS == part
        batch = {
            name: torch.stack([getattr(own if mine[at] else other, name)[at] for at in range(8)])
            for name in ("queries", "keys", "labels")
        }
        queries = batch["queries"].requires_grad_()
        targets = OBJECTIVE.targets(batch["labels"])
        (wanted,) = torch.autograd.grad(OBJECTIVE(queries, batch["keys"], targets).loss, queries)
        assert torch.allclose(found[mine], wanted[mine])


def test_only_a_choice_by_saliency_is_measured(make_method: Callable[..., CarlMethod]) -> None:
    found = make_method(corpora="sample").evaluate("dev")
    assert 0 < found["dev/saliency_chance"] < found["dev/saliency_agreement"] <= 1
    for settings in ({"variant": "placebo"}, {"token_choice": "half_random"}):
        assert "dev/saliency_agreement" not in make_method(**settings).evaluate("dev")
    # One batch has no other to take companions from.
    assert "dev/saliency_agreement" not in make_method(batch_size=64).evaluate("dev")
