"""Saliency, choice and ascent: hand-worked cases, edges, and the ball."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_encoders import write_encoder

from raysearch import encoders
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.method import objective
from raysearch.methods.carl.model import CarlModel
from raysearch.methods.carl.perturbation import (
    Adversary,
    ascend,
    ball_radius,
    choose_tokens,
    first_operand,
    saliency,
    share_changed,
)


def eligible_tokens() -> torch.Tensor:
    """Sentences of 10, 3, 1 and 0 tokens between specials and padding."""
    eligible = torch.zeros(4, 12, dtype=torch.bool)
    for row, count in enumerate((10, 3, 1, 0)):
        eligible[row, 1 : 1 + count] = True
    return eligible


def test_saliency_is_the_length_and_minus_infinity_elsewhere() -> None:
    gradient = torch.tensor([[[3.0, 4.0], [9.0, 9.0]]])
    found = saliency(gradient, torch.tensor([[True, False]]))
    assert found.tolist() == [[5.0, -math.inf]]


@pytest.mark.parametrize(
    "share, counts",
    [(0.1, [1, 1, 1, 0]), (0.3, [3, 1, 1, 0]), (0.34, [4, 2, 1, 0]), (1.0, [10, 3, 1, 0])],
)
@pytest.mark.parametrize("choice", ["salient", "half_random", "random"])
def test_counts_are_rounded_up_and_at_least_one(
    share: float, counts: list[int], choice: str
) -> None:
    eligible = eligible_tokens()
    chosen = choose_tokens(torch.rand(4, 12), eligible, share, choice)
    assert chosen.sum(-1).tolist() == counts
    assert not (chosen & ~eligible).any()


def test_a_share_that_is_no_binary_fraction_does_not_round_up_twice() -> None:
    eligible = torch.ones(1, 10, dtype=torch.bool)
    assert choose_tokens(torch.rand(1, 10), eligible, 0.7).sum() == 7  # 0.7 * 10 > 7 in binary


def test_salient_takes_the_highest_and_the_earlier_of_equals() -> None:
    scores = torch.tensor([[9.0, 1.0, 5.0, 5.0, 5.0, 2.0]])
    eligible = torch.tensor([[False, True, True, True, True, True]])
    assert choose_tokens(scores, eligible, 0.4).nonzero()[:, 1].tolist() == [2, 3]


def test_half_random_keeps_half_of_the_salient_tokens() -> None:
    scores = torch.arange(20.0).repeat(2000, 1)
    eligible = torch.ones(2000, 20, dtype=torch.bool)
    chance = torch.Generator().manual_seed(0)
    chosen = choose_tokens(scores, eligible, 0.2, "half_random", chance)
    assert (chosen[:, 16:].sum(-1) == 2).all()  # of the four most salient
    assert (chosen[:, :16].sum(-1) == 2).all()
    often = chosen.float().mean(0)
    assert (often[16:] - 0.5).abs().max() < 0.05
    assert (often[:16] - 2 / 16).abs().max() < 0.03
    single = choose_tokens(scores, eligible, 0.05, "half_random", chance)
    assert single[:, 19].float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_random_ignores_saliency() -> None:
    scores = torch.arange(10.0).repeat(4000, 1)
    eligible = torch.ones(4000, 10, dtype=torch.bool)
    chosen = choose_tokens(scores, eligible, 0.1, "random", torch.Generator().manual_seed(0))
    assert (chosen.float().mean(0) - 0.1).abs().max() < 0.02


def test_the_radius_is_never_above_epsilon() -> None:
    for epsilon in (5e-9, 1e-4, 0.1, 1 / 3):
        for dtype in (torch.float32, torch.bfloat16, torch.float64):
            radius = ball_radius(epsilon, dtype)
            assert radius <= epsilon
            assert float(torch.tensor(radius, dtype=dtype)) == radius


@pytest.mark.parametrize("norm", ["sign", "l2"])
def test_ascent_stays_in_the_ball_and_off_other_tokens(norm: str) -> None:
    chance = torch.Generator().manual_seed(0)
    chosen = torch.rand(8, 6, generator=chance) < 0.5
    delta = torch.zeros(8, 6, 32)
    for _ in range(5):
        gradient = torch.randn(8, 6, 32, generator=chance) * 10
        delta = ascend(delta, gradient, chosen, epsilon=5e-9, step_size=0.7, norm=norm)
        size = delta.double().abs().amax(-1) if norm == "sign" else delta.double().norm(dim=-1)
        assert (size <= 5e-9).all()
        assert (size[~chosen] == 0).all()
        assert (size[chosen] > 2e-9).all()


def test_ascent_by_hand() -> None:
    zero, chosen = torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.bool)
    gradient = torch.tensor([[[3.0, -4.0]]])
    sign = ascend(zero, gradient, chosen, epsilon=0.5, step_size=1.0, norm="sign")
    assert sign.tolist() == [[[0.5, -0.5]]]
    length = ascend(zero, gradient, chosen, epsilon=0.5, step_size=1.0, norm="l2")
    assert torch.allclose(length, torch.tensor([[[0.3, -0.4]]]), atol=1e-5)


@pytest.mark.parametrize("norm", ["sign", "l2"])
def test_no_gradient_no_perturbation(norm: str) -> None:
    chosen = torch.ones(1, 2, dtype=torch.bool)
    zero = torch.zeros(1, 2, 3)
    found = ascend(zero, zero, chosen, epsilon=1.0, step_size=1.0, norm=norm)
    assert torch.equal(found, zero)


def test_share_changed_as_carl_md_measured_it() -> None:
    """Table of carl.md §4.2: sd 0.042, sign, fp32 99.7 % at 5e-9; bf16 0.004 % and 54 %."""
    chance = torch.Generator().manual_seed(0)
    values = 0.042 * torch.randn(64, 8, 768, generator=chance)
    chosen = torch.ones(64, 8, dtype=torch.bool)
    sign = torch.randn(values.shape, generator=chance).sign()
    for epsilon, dtype, low, high in (
        (5e-9, torch.float32, 0.995, 0.999),
        (5e-9, torch.bfloat16, 0.0, 0.001),
        (1e-4, torch.bfloat16, 0.50, 0.58),
    ):
        embeddings, delta = values.to(dtype), (epsilon * sign).to(dtype)
        moved = embeddings + delta
        assert low <= float(share_changed(embeddings, moved, chosen, dtype)) <= high
    # Autocast keeps fp32 embeddings and rounds at the first product: a little more survives.
    share = float(share_changed(values, values + 1e-4 * sign, chosen, torch.bfloat16))
    assert 0.6 <= share <= 0.7
    assert float(share_changed(values, values, ~chosen, torch.float32)) == 0


@pytest.mark.parametrize("family", ["bert", "albert", "electra"])
def test_a_radius_has_the_same_size_in_both_norms(family: str, tmp_path: Path) -> None:
    """ρ is a root mean square over the coordinates of a word embedding, of which these have 12."""
    encoder = encoders.load(write_encoder(family, tmp_path / family), layers=0).model
    radii = {}
    for norm in ("sign", "l2"):
        config = CarlConfig(perturbation_norm=norm, relative_epsilon=0.7)
        model = CarlModel(encoder, config)
        radii[norm] = Adversary(model, config, objective(config)).radius
    width = {"bert": 16}.get(family, 12)
    assert radii["sign"] == pytest.approx(0.7 * model.embedding_sd)
    assert radii["l2"] == pytest.approx(radii["sign"] * math.sqrt(width))


@pytest.mark.parametrize(("epsilon", "added", "left"), [(5e-9, 0.97, 0.84), (1e-9, 0.52, 0.38)])
def test_what_is_measured_survives_until_the_first_product(
    make_method: Callable[..., Any], epsilon: float, added: float, left: float
) -> None:
    """Of MiniLM, where the sum with the position embeddings and the normalisation round, too."""
    method = make_method(encoder="package:minilm", layers=1)
    batch = next(iter(method.batches(method.stages()[-1], 0)))
    model = method.model.encoder.eval()
    clean = method.model.online.lookup(batch.ids).detach()
    gradient = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    delta = epsilon * gradient.sign() * batch.eligible.unsqueeze(-1)
    naive = share_changed(clean, clean + delta, batch.eligible, torch.float32)
    assert float(naive) == pytest.approx(added, abs=0.02)
    with torch.no_grad():
        oracle = [model.embeddings(inputs_embeds=each) for each in (clean, clean + delta)]
    for each, wanted in zip((clean, clean + delta), oracle, strict=True):
        assert torch.equal(first_operand(model, each, batch.mask), wanted)
    adversary = method.algorithm.adversary
    model.train()  # in which it is trained, with dropout
    before = torch.get_rng_state()
    found = adversary.share_changed(clean, delta, batch.eligible, batch.mask)
    assert float(found) == float(share_changed(*oracle, batch.eligible, torch.float32))
    assert float(found) == pytest.approx(left, abs=0.02)
    assert model.training and torch.equal(torch.get_rng_state(), before)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert adversary.share_changed(clean, delta, batch.eligible, batch.mask) < 1e-3


def test_the_first_product_of_an_encoder_with_narrow_embeddings(tmp_path: Path) -> None:
    encoder = encoders.load(write_encoder("albert", tmp_path / "albert")).model
    ids = torch.tensor([[2, 5, 6, 3]])
    clean = encoder.get_input_embeddings()(ids).detach()
    found = first_operand(encoder, clean, torch.ones(1, 4, dtype=torch.bool))
    with torch.no_grad():
        assert torch.equal(found, encoder.embeddings(inputs_embeds=clean))
