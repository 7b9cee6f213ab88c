"""Critic terms: hand-worked numbers, bounds, padding."""

import pytest
import torch
from gloo import on_two_workers
from torch import nn
from torch.nn import functional

from raysearch import distributed
from raysearch.methods.msmo.batches import CriticBatch
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.critic import (
    Critic,
    clip_weights,
    estimate,
    gap_between,
    masked_mean,
    saturation,
    wasserstein_gap,
)


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    states = torch.randn(5, 7, 6, generator=chance, dtype=torch.float64)
    lengths = torch.tensor([7, 3, 1, 5, 2])
    return states, torch.arange(7) < lengths.unsqueeze(1)


def test_gap_by_hand() -> None:
    found = wasserstein_gap(torch.tensor([1.0, 3.0]), torch.tensor([-1.0, 0.0, 4.0]))
    assert float(found) == pytest.approx(2 - 1)
    one, other = torch.randn(2, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(wasserstein_gap(one, other), -wasserstein_gap(other, one))
    assert float(wasserstein_gap(one, one)) == 0


def test_workers_parts_of_a_gap_average_to_the_whole() -> None:
    source, target = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    parts = [
        wasserstein_gap(source[:1], target[:6], sources=3, targets=3),
        wasserstein_gap(source[1:], target[6:], sources=3, targets=3),
    ]
    assert torch.allclose(sum(parts) / 2, wasserstein_gap(source, target))


def scored() -> tuple[float, float, float]:
    """Gap, its error and separation of five source and two target sentences, shared unequally."""
    chance = torch.Generator().manual_seed(0)
    features = torch.randn(7, 6, generator=chance, dtype=torch.float64)
    own = {1: [range(7)], 2: [(0, 5), (1, 2, 3, 4, 6)]}[distributed.world_size()]
    mine = list(own[distributed.rank()])
    source, target = (
        torch.tensor([at for at, row in enumerate(mine) if (row < 5) is side])
        for side in (True, False)
    )
    sides = CriticBatch(
        source=source,
        target=target,
        sources=distributed.divisor(5),
        targets=distributed.divisor(2),
    )
    torch.manual_seed(0)
    critic = Critic(6, MsmoConfig(dropout=0.0)).double()
    found = estimate(critic, features[mine], sides)
    gap = distributed.average_terms({"gap": gap_between(critic, features[mine], sides)})["gap"]
    assert found.gap == pytest.approx(float(torch.as_tensor(gap).detach()), rel=1e-12)
    return found.gap, found.error, found.accuracy


@pytest.mark.slow
def test_what_guards_judge_is_of_all_workers() -> None:
    """Not worker 0's half, nor the mean of each one's pairs."""
    alone = scored()
    assert 0 < alone[2] < 1
    for found in on_two_workers(scored):
        assert found[:2] == pytest.approx(alone[:2], rel=1e-12)
        assert found[2] == alone[2]


def test_a_clipped_linear_critic_reaches_its_bound_and_no_more() -> None:
    states, mask = drawn()
    features = masked_mean(states, mask)
    source, target = features[:3], features[3:]
    difference = source.mean(0) - target.mean(0)
    critic = nn.Linear(6, 1).double()
    with torch.no_grad():
        critic.weight.copy_(100 * difference)
    clip_weights(critic, 0.01)
    found = wasserstein_gap(critic(source).squeeze(1), critic(target).squeeze(1))
    assert float(found.detach()) == pytest.approx(0.01 * float(difference.abs().sum()))


def test_the_gradient_is_that_of_a_reversal_layer() -> None:
    scores = torch.zeros(3, requires_grad=True)
    wasserstein_gap(scores[:2], scores[2:]).backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == pytest.approx([0.5, 0.5, -1])
    pair = [torch.randn(4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(wasserstein_gap, pair)


def test_clipping_holds_every_parameter_and_saturation_counts_them() -> None:
    critic = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        critic[0].weight.copy_(torch.tensor([[5.0, -5.0], [0.001, -0.002]]))
        critic[0].bias.copy_(torch.tensor([0.02, 0.0]))
        critic[2].weight.copy_(torch.tensor([[0.005, -0.5]]))
        critic[2].bias.fill_(-9.0)
    clip_weights(critic, 0.01)
    assert critic[0].weight.tolist() == [
        pytest.approx([0.01, -0.01]),
        pytest.approx([0.001, -0.002]),
    ]
    assert critic[2].bias.tolist() == pytest.approx([-0.01])
    assert float(saturation(critic, 0.01)) == pytest.approx(5 / 9)
    clip_weights(critic, 1e-5)
    # All but the bias that is 0.
    assert float(saturation(critic, 1e-5)) == pytest.approx(8 / 9)
    assert saturation(critic, 1.0) == 0


@pytest.mark.parametrize("c", [0.003, 0.01, 0.1, 0.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_clipped_weight_counts_as_saturated_in_every_format(c: float, dtype: torch.dtype) -> None:
    critic = nn.Linear(4, 1).to(dtype)
    nn.init.constant_(critic.weight, 2.0)
    nn.init.constant_(critic.bias, -2.0)
    clip_weights(critic, c)
    assert saturation(critic, c) == 1


def test_masked_mean_matches_a_naive_loop() -> None:
    states, mask = drawn()
    found = masked_mean(states, mask)
    for row in range(5):
        real = [states[row, t] for t in range(7) if mask[row, t]]
        assert torch.allclose(found[row], sum(real) / len(real))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_doubled_padding_changes_nothing(dtype: torch.dtype) -> None:
    states, mask = drawn()
    states = states.to(dtype)
    wider = functional.pad(states, (0, 0, 0, 7), value=float("nan"))
    found = masked_mean(wider, functional.pad(mask, (0, 7)))
    assert torch.allclose(found, masked_mean(states, mask), rtol=0, atol=1e-6)


def test_padding_gets_no_gradient_and_the_rest_is_right() -> None:
    states, mask = drawn()
    states.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: masked_mean(x, mask), (states,))
    masked_mean(states, mask).sum().backward()
    assert states.grad is not None
    assert not states.grad[~mask].any()


def test_a_sentence_without_pieces_is_zero() -> None:
    found = masked_mean(torch.ones(1, 2, 3).bfloat16(), torch.zeros(1, 2, dtype=torch.bool))
    assert found.tolist() == [[0, 0, 0]]
    assert found.dtype == torch.float32
