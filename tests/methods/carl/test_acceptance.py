"""The acceptance tests of carl.md §7, by their numbers; the tenth is in tests/corpora."""

import logging
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch

from raysearch.errors import UnhealthyError
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import Batch
from raysearch.methods.carl.evaluation.diagnostics import detection_skill
from raysearch.methods.carl.losses import (
    ContrastiveObjective,
    embedding_similarity,
    focal_detection_loss,
    label_similarity,
    soft_contrast,
)
from raysearch.methods.carl.method import CarlMethod, objective
from raysearch.methods.carl.model import momentum_at
from raysearch.methods.carl.perturbation import ascend, choose_tokens, saliency

Make = Callable[..., CarlMethod]


def first_batch(method: CarlMethod) -> Batch:
    return next(iter(method.batches(method.stages()[-1], 0)))


def skill(method: CarlMethod, batches: Iterable[Batch], seed: int = 0) -> dict[str, float]:
    method.model.eval()
    loss = objective(method.config)
    return detection_skill(method.model, [list(batches)], method.config, loss, seed)


# 1. The accumulated gradient is that of one joint backward pass.


def joint_gradient(method: CarlMethod, batch: Batch) -> list[torch.Tensor | None]:
    """∇(w_c L_MCCL + w_d L_PTD) by one backward pass over one graph, δ a constant."""
    model, config, loss = method.model, method.config, objective(method.config)
    assert model.target is not None
    model.zero_grad(set_to_none=True)

    def contrastive(embeddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = model.online.states(embeddings, batch.mask)
        return states, loss(model.queries(states, batch.mask), keys, targets).loss

    embeddings = model.online.lookup(batch.ids)
    if not embeddings.requires_grad:
        embeddings.requires_grad_()
    targets = loss.targets(batch.labels)
    keys = model.target.keys(batch.ids, batch.mask)
    states, mccl = contrastive(embeddings)
    (gradient,) = torch.autograd.grad(mccl, embeddings, retain_graph=True)
    chosen = choose_tokens(saliency(gradient, batch.eligible), batch.eligible, config.top_k)
    if config.variant_spec.perturbs:
        radius = config.relative_epsilon * model.embedding_sd
        if config.perturbation_norm == "l2":
            radius *= math.sqrt(embeddings.shape[-1])
        delta = torch.zeros_like(embeddings)
        for step in range(config.pgd_steps):
            if step > 0:
                point = (embeddings + delta).detach().requires_grad_()
                (gradient,) = torch.autograd.grad(contrastive(point)[1], point)
            delta = ascend(
                delta.detach(),
                gradient,
                chosen,
                epsilon=radius,
                step_size=config.pgd_step_size,
                norm=config.perturbation_norm,
            )
        states = model.online.states(model.online.lookup(batch.ids) + delta.detach(), batch.mask)
    ptd = focal_detection_loss(model.detect(states), chosen, batch.eligible, gamma=2.0)
    contrast_weight = config.contrastive_weight if config.variant_spec.contrasts else 0.0
    (contrast_weight * mccl + config.detection_weight * ptd).backward()
    return [p.grad for p in model.parameters()]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pgd_steps": 3, "pgd_step_size": 0.4},
        {"pgd_steps": 2, "perturbation_norm": "l2", "relative_epsilon": 0.3},
        {"freeze_embeddings": True, "pooling": "cls", "label_geometry": "cos_centred"},
        {"variant": "saliency"},
        {"variant": "no_mccl"},
    ],
    ids=str,
)
def test_1_the_gradient_is_that_of_one_joint_backward(
    make_method: Make, accumulate: Callable[..., Any], settings: dict[str, Any]
) -> None:
    method = make_method(**settings)
    method.model.double()  # dropout stays on: both ways draw the same masks in the same order
    batch = first_batch(method)
    torch.manual_seed(3)
    accumulate(method, batch)
    found = [p.grad for p in method.model.parameters()]
    found = [None if grad is None else grad.clone() for grad in found]
    assert method.model.target is not None
    for mine, theirs in zip(  # the step moved the target: put it back
        method.model.target.branch.parameters(), method.model.online.parameters(), strict=True
    ):
        mine.data.copy_(theirs.data)
    torch.manual_seed(3)
    wanted = joint_gradient(method, batch)
    largest = max(float(grad.abs().max()) for grad in wanted if grad is not None)
    assert largest > 1e-4
    for mine_grad, joint_grad in zip(found, wanted, strict=True):
        if mine_grad is None or joint_grad is None:
            assert mine_grad is None and (joint_grad is None or not joint_grad.any())
        else:
            assert torch.allclose(mine_grad, joint_grad, rtol=1e-6, atol=1e-6 * largest)


# 2. s is symmetric, rows of P sum to 1, the order of the batch does not matter.


@pytest.mark.parametrize("geometry", ["gauss", "cos_centred", "cos_uncentred"])
def test_2_targets(make_config: Callable[..., CarlConfig], geometry: str) -> None:
    labels = torch.rand(32, 2, generator=torch.Generator().manual_seed(0))
    similarity = label_similarity(labels, geometry)
    assert torch.allclose(similarity, similarity.T)
    for reading in ("softmax", "linear", "reverse"):
        loss = objective(make_config(label_geometry=geometry, contrast_reading=reading))
        assert torch.allclose(loss.targets(labels).sum(-1), torch.ones(32))


def test_2_a_permuted_batch_has_the_same_loss(make_method: Make) -> None:
    method = make_method()
    method.model.double().eval()
    batch = first_batch(method)
    order = torch.randperm(len(batch.ids), generator=torch.Generator().manual_seed(0))
    permuted = Batch(
        ids=batch.ids[order],
        mask=batch.mask[order],
        eligible=batch.eligible[order],
        labels=batch.labels[order],
        classes=batch.classes[order],
        tokens=batch.tokens,
        rows=batch.rows,
        width=batch.width,
    )
    losses = [
        [float(update.loss.detach()) for update in updates_with_backward(method, each)]
        for each in (batch, permuted)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)  # labels are fp32


def updates_with_backward(method: CarlMethod, batch: Batch) -> Iterable[Any]:
    for update in method.algorithm.updates(batch, 1, momentum=1.0, detects=True):
        update.loss.backward()
        yield update
        if update.step:
            return  # before the target moves


# 3. A cold label softmax gives InfoNCE when all label directions differ.


def cold(geometry: str, temperature: float) -> ContrastiveObjective:
    return ContrastiveObjective(
        geometry=geometry,
        reading="softmax",
        temperature=0.1,
        label_temperature=temperature,
        sigma=temperature,
        centre=0.5,
    )


@pytest.mark.parametrize("geometry", ["gauss", "cos_centred", "cos_uncentred"])
def test_3_cold_labels_give_info_nce(geometry: str) -> None:
    chance = torch.Generator().manual_seed(0)
    angles = torch.linspace(0.1, 1.4, 16)
    labels = 0.9 * torch.stack([angles.cos(), angles.sin()], dim=-1)
    queries, keys = (torch.randn(16, 8, generator=chance) for _ in range(2))
    loss = cold(geometry, 1e-5)
    similarity = embedding_similarity(queries, keys)
    info_nce = soft_contrast(similarity, torch.eye(16), 0.1)
    rows = torch.nn.functional.cross_entropy(similarity / 0.1, torch.arange(16))
    columns = torch.nn.functional.cross_entropy(similarity.T / 0.1, torch.arange(16))
    found = loss(queries, keys, loss.targets(labels)).loss
    assert float(found) == pytest.approx(float(info_nce.loss), rel=1e-4)
    assert float(found) == pytest.approx(float(rows + columns) / 2, rel=1e-4)


def test_3_equal_directions_share_the_mass() -> None:
    labels = torch.tensor([[0.3, 0.3], [0.6, 0.6], [0.3, 0.9]])
    targets = cold("cos_uncentred", 1e-5).targets(labels)
    assert targets[0].tolist() == pytest.approx([0.5, 0.5, 0.0])


# 4. m₀ = 1 freezes the target, m₀ = 0 copies at step 0; the target gets no gradient.


def test_4_momentum(make_method: Make, train: Callable[..., Any]) -> None:
    assert momentum_at(0, 100, 4e-4) == pytest.approx(0.9996)
    assert momentum_at(50, 100, 0.1) == pytest.approx(0.95)
    assert momentum_at(100, 100, 0.1) == pytest.approx(1.0)

    still = make_method(momentum_gap=0.0)
    before = [p.clone() for p in still.model.target.branch.parameters()]
    train(still, 2)
    after = list(still.model.target.branch.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is None for p in after)

    copied = make_method(momentum_gap=1.0)
    train(copied, 1)
    target, online = copied.model.target.branch, copied.model.online
    for mine, theirs in zip(target.parameters(), online.parameters(), strict=True):
        assert torch.equal(mine, theirs)


# 5. The chosen share lies within [.10, .20], and no special token is chosen.


def test_5_chosen_tokens(make_method: Make) -> None:
    method = make_method()
    chosen_count = eligible_count = 0
    specials = set(method._encoder.tokenizer.all_special_ids)
    for batch in method.batches(method.stages()[-1], 0):
        gradient = torch.randn(*batch.ids.shape, 64)
        chosen = choose_tokens(saliency(gradient, batch.eligible), batch.eligible, 0.1)
        assert not specials & set(batch.ids[chosen].tolist())
        chosen_count += int(chosen.sum())
        eligible_count += int(batch.eligible.sum())
    assert 0.10 <= chosen_count / eligible_count <= 0.20


# 6. Projection keeps |δ|∞ <= ε, compared in fp64.


@pytest.mark.parametrize("norm", ["sign", "l2"])
@pytest.mark.parametrize("epsilon", [5e-9, 1e-3, 0.1])
def test_6_projection(make_method: Make, norm: str, epsilon: float) -> None:
    method = make_method(
        perturbation="absolute",
        epsilon=epsilon,
        perturbation_norm=norm,
        pgd_steps=3,
        vanish="warn",
    )
    batch, seen = first_batch(method), []
    original = method.algorithm.adversary.perturb

    def record(*arguments: Any) -> torch.Tensor:
        seen.append(original(*arguments))
        return seen[-1]

    method.algorithm.adversary.perturb = record  # type: ignore[method-assign]
    list(updates_with_backward(method, batch))
    largest = float(seen[0].double().abs().max())
    assert 0 < largest <= epsilon


# 7. ε = 5e-9 in bf16 vanishes: a warning, or the end of the trial.


@pytest.mark.parametrize("vanish", ["warn", "stop"])
def test_7_a_perturbation_that_vanishes_is_seen(
    make_method: Make, accumulate: Callable[..., Any], caplog: Any, vanish: str
) -> None:
    method = make_method(**{**CarlConfig.PAPER, "precision": "bf16", "vanish": vanish})
    batch = first_batch(method)
    with caplog.at_level(logging.WARNING), torch.autocast("cpu", dtype=torch.bfloat16):
        if vanish == "stop":
            with pytest.raises(UnhealthyError, match="perturbation vanishes.*5e-09 in bf16"):
                accumulate(method, batch)
        else:
            terms = accumulate(method, batch)
            assert "perturbation vanishes" in caplog.text
            assert terms["perturbation_changed"] < 0.5
            assert all(math.isfinite(value) for value in terms.values())


def test_7_the_literal_setting_runs_in_fp32(
    make_method: Make, accumulate: Callable[..., Any], caplog: Any
) -> None:
    method = make_method(**{**CarlConfig.PAPER, "vanish": "stop"})
    terms = accumulate(method, first_batch(method))
    assert terms["perturbation_changed"] > 0.9  # of 1.0 that the addition changes
    assert not caplog.text


# 8. Placebo.


def training_batches(method: CarlMethod) -> list[Batch]:
    return list(method.batches(method.stages()[-1], 0))


def test_8_without_a_perturbation_both_aucs_are_equal(
    make_method: Make, train: Callable[..., Any]
) -> None:
    method = make_method(learning_rate=1e-3, vanish="warn", top_k=0.3)
    train(method, 20)
    with_nothing = CarlConfig(**{**vars(method.config), "relative_epsilon": 0.0})
    method.model.eval()
    batches = training_batches(method)
    found = detection_skill(method.model, [batches], with_nothing, objective(with_nothing), 0)
    assert found["detection_auc"] == pytest.approx(found["detection_auc_removed"], abs=1e-6)
    assert found["perturbation_changed"] == 0


def test_8_random_tokens_without_a_perturbation_cannot_be_told(
    make_method: Make, train: Callable[..., Any]
) -> None:
    method = make_method(variant="saliency", token_choice="random", learning_rate=1e-3)
    train(method, 60)
    aucs = [skill(method, training_batches(method), seed)["detection_auc"] for seed in range(3)]
    assert float(np.mean(aucs)) == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_8_a_large_perturbation_is_detected(make_method: Make, train: Callable[..., Any]) -> None:
    method = make_method(relative_epsilon=2.0, learning_rate=1e-3)
    train(method, 100)
    found = skill(method, training_batches(method))
    assert found["detection_auc"] > 0.9
    assert found["detection_auc"] > found["detection_auc_removed"] + 0.05


# 9. Constant labels: the least loss is ln B, and a collapsed encoder has KL 0.


@pytest.mark.parametrize("geometry", ["gauss", "cos_centred", "cos_uncentred"])
def test_9_constant_labels(make_config: Callable[..., CarlConfig], geometry: str) -> None:
    loss = objective(make_config(label_geometry=geometry))
    targets = loss.targets(torch.full((32, 2), 0.7))
    collapsed = torch.ones(32, 8)
    found = loss(collapsed, collapsed, targets)
    assert float(found.loss) == pytest.approx(math.log(32), abs=1e-5)
    assert float(found.divergence) == pytest.approx(0, abs=1e-5)
    chance = torch.Generator().manual_seed(0)
    for _ in range(5):
        spread = [torch.randn(32, 8, generator=chance) for _ in range(2)]
        assert float(loss(*spread, targets).loss) > math.log(32)
