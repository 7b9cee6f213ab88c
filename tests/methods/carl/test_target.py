"""The momentum target: against double precision, and with the paper's tiny steps."""

from collections.abc import Callable
from typing import Any

import torch

from raysearch.methods.carl.method import CarlMethod
from raysearch.methods.carl.model import momentum_at

Make = Callable[..., CarlMethod]
GAP, RATE, STEPS = 4e-4, 2e-5, 100


def test_steps_below_fp32s_rounding_add_up_as_in_double_precision(make_method: Make) -> None:
    method = make_method(momentum_gap=GAP)
    online, target = method.model.online, method.model.target
    assert target is not None
    chance = torch.Generator().manual_seed(0)
    exact = [p.detach().double() for p in target.branch.parameters()]
    begun = [p.detach().clone() for p in target.branch.parameters()]
    for step in range(STEPS):
        momentum = momentum_at(step, STEPS, GAP)
        with torch.no_grad():
            for parameter in online.parameters():  # as Adam moves them: by the rate, with a drift
                sign = (torch.rand(parameter.shape, generator=chance) < 0.8).float() * 2 - 1
                parameter.add_(RATE * sign)
        target.follow(online, momentum)
        leaders = [p.detach().double() for p in online.parameters()]
        exact = [t * momentum + o * (1 - momentum) for t, o in zip(exact, leaders, strict=True)]
    found = list(target.branch.parameters())
    for mine, before, wanted in zip(found, begun, exact, strict=True):
        torch.testing.assert_close(mine.double(), wanted, rtol=1e-7, atol=1e-12)
        assert (mine != before).double().mean() > 0.99
    held = [
        mine.double() + kept.double() for mine, kept in zip(found, target.rounding, strict=True)
    ]
    for wanted, both in zip(exact, held, strict=True):
        torch.testing.assert_close(both, wanted, rtol=1e-9, atol=1e-12)


def test_a_trial_moves_the_weights_of_its_targets_normalisation(
    make_method: Make, train: Callable[..., list[dict[str, float]]]
) -> None:
    """The paper's m = 0.9996 and rate of 2e-5, where weights are about 1."""
    method = make_method(momentum_gap=GAP, learning_rate=RATE, epochs=5, batch_size=8)
    target = method.model.target
    assert target is not None

    def weights() -> torch.Tensor:
        named = target.branch.encoder.named_parameters()
        return torch.cat([p.detach().clone() for name, p in named if name.endswith("Norm.weight")])

    before = weights()
    steps = method.stages()[-1].steps
    train(method, steps)
    assert steps > 50
    assert (weights() != before).double().mean() > 0.99


def test_what_rounding_kept_is_part_of_the_state(make_method: Make) -> None:
    first, second = make_method(), make_method()
    stage = first.stages()[-1]
    batch = next(iter(first.batches(stage, 0)))
    for update in first.updates(batch, 0):
        update.loss.backward()
        first.optimizers["main"].step()
    state: dict[str, Any] = first.state_dict()
    assert any(part.any() for part in state["rounding"])
    second.begin(stage, state)
    for one, other in zip(state["rounding"], second.state_dict()["rounding"], strict=True):
        assert torch.equal(one, other) and one is not other
    del state["rounding"]  # weights that an earlier version kept
    second.begin(stage, state)
    assert second.state_dict()["rounding"] == []
