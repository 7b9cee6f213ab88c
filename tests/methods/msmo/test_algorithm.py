"""The steps: critic first, one update for all terms, each what its formula says."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from raysearch.methods.base import Update
from raysearch.methods.msmo.batches import IGNORE_INDEX, Batch, CriticBatch
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.critic import (
    Critic,
    critic_rate,
    critic_rounds,
    ordered_share,
    train_critic,
)
from raysearch.methods.msmo.items import COLUMNS, pack
from raysearch.methods.msmo.losses import token_contrast
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.methods.msmo.tags import TAGS

Make = Callable[..., MsmoMethod]
Perform = Callable[..., dict[str, float]]


def value(term: torch.Tensor | float) -> float:
    return float(torch.as_tensor(term).detach())


def first_batch(method: MsmoMethod, number: int = 0) -> Batch:
    method.begin(method.stages()[0])
    batch = next(islice(method.batches(method.stages()[0], 0), number, None))
    assert isinstance(batch, Batch)
    return batch


def quiet(method: MsmoMethod) -> MsmoMethod:
    """Without dropout, in training mode."""
    for module in method.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return method


# The order of the updates


@pytest.mark.parametrize("sampling", ["aligned", "literal"])
def test_the_critic_goes_first_and_stays_within_its_clip(make_method: Make, sampling: str) -> None:
    method = make_method(schedule="interleaved", sampling=sampling, critic_clip=0.005)
    batch = first_batch(method)
    critic = method.network.critic
    assert critic is not None
    order, encoder = [], method.network.encoder
    for update in method.updates(batch, 0):
        optimizer = method.optimizers[update.optimizer]
        optimizer.zero_grad()
        update.loss.backward()
        if update.optimizer == "critic":
            assert all(p.grad is None for p in encoder.parameters())  # F is at rest
            before = [p.detach().clone() for p in critic.parameters()]
        else:
            # Q is at rest: its gradients are those of its own last update.
            before = [p.detach().clone() for p in critic.parameters()]
            assert all(p.grad is not None for p in encoder.parameters())
        optimizer.step()
        order.append(update.optimizer)
        if update.optimizer == "main":
            now = list(critic.parameters())
            assert all(torch.equal(a, b) for a, b in zip(before, now, strict=True))
    assert order == ["critic"] * 5 + ["main"]
    assert all(p.abs().max() <= 0.005 for p in critic.parameters())


def test_the_last_clip_is_done_before_the_encoder_sees_the_critic(make_method: Make) -> None:
    method = make_method(schedule="interleaved", critic_clip=0.003, critic_learning_rate=0.1)
    updates = method.updates(first_batch(method), 0)
    critic = method.network.critic
    assert critic is not None
    for update in updates:
        if update.optimizer == "main":
            assert all(p.abs().max() <= 0.003 for p in critic.parameters())
            assert value(update.terms["saturation"]) > 0.9
        else:
            method.optimizers["critic"].zero_grad()
            update.loss.backward()
            method.optimizers["critic"].step()
            assert any(p.abs().max() > 0.05 for p in critic.parameters())


def test_bursts_and_horizon() -> None:
    plain, burst = MsmoConfig(), MsmoConfig(critic_burst=True)
    assert {critic_rounds(plain, step) for step in range(1001)} == {5}
    assert [critic_rounds(burst, step) for step in (0, 25, 26, 499, 500, 501, 1000)] == [
        *(10, 10, 5, 5, 10, 5, 10)
    ]
    assert [critic_rate(plain, step, 4) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]
    code = MsmoConfig(critic_horizon=0.5)
    assert [critic_rate(code, step, 4) for step in range(4)] == [1.0, 0.5, 0.0, 0.0]
    assert critic_rate(MsmoConfig(critic_horizon=0.0), 3, 4) == 1.0


def test_literal_bursts_have_batches_of_their_own(make_method: Make) -> None:
    method = make_method(sampling="literal", critic_burst=True)
    batch = first_batch(method)
    for step, count in ((0, 10), (26, 5)):
        packed, rounds = batch.rounds(critic_rounds(method.config, step))
        assert packed is not None and len(rounds) == count
        used = torch.cat([torch.cat([r.source, r.target]) for r in rounds])
        assert sorted(set(used.tolist())) == list(range(len(packed.order)))  # nothing idle


# The critic


def test_a_linear_critic_finds_the_sign_of_the_difference() -> None:
    """The optimum within [-c, c] is c times the sign of the difference of means (§5.7)."""
    torch.manual_seed(0)
    config = MsmoConfig(critic_clip=0.01, critic_steps=400, critic_learning_rate=1e-3)
    critic = Critic(6, config).eval()
    features = torch.randn(40, 6)
    sides = CriticBatch(
        source=torch.arange(16), target=torch.arange(16, 40), sources=16, targets=24
    )
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    for update in train_critic(critic, features, [sides] * 400, config, 1.0):
        optimizer.zero_grad()
        update.loss.backward()
        optimizer.step()
    difference = features[:16].mean(0) - features[16:].mean(0)
    (weight,) = critic.parameters()
    assert torch.allclose(weight[0], 0.01 * difference.sign())
    gap = -float(update.loss.detach())
    assert gap == pytest.approx(0.01 * float(difference.abs().sum()), rel=1e-4)


def test_ordered_share_by_hand() -> None:
    found = ordered_share(torch.tensor([1.0, 0.0]), torch.tensor([0.0, -1.0, 2.0]))
    # 1 > 0, 1 > -1, 1 < 2; 0 = 0 (a half), 0 > -1, 0 < 2
    assert float(found) == pytest.approx(3.5 / 6)
    assert float(ordered_share(torch.tensor([]), torch.tensor([1.0]))) == 0.5


# The main update against formulas written out sentence by sentence


def naive(method: MsmoMethod, batch: Batch) -> dict[str, torch.Tensor]:
    """Every term by loops, each sentence forwarded alone."""
    network, tokens = method.network, method.training_set.tokens
    _, draw = batch.draws
    device = torch.device("cpu")

    def logits(sentence: int) -> torch.Tensor:
        parts = np.arange(tokens.parts[sentence], tokens.parts[sentence + 1])
        return network.tag(network(pack(tokens, parts, device)).words)

    def labels(sentence: int) -> torch.Tensor:
        return torch.from_numpy(tokens.labels[tokens.words[sentence] : tokens.words[sentence + 1]])

    def score(sentence: int) -> torch.Tensor:
        parts = np.arange(tokens.parts[sentence], tokens.parts[sentence + 1])
        assert network.critic is not None
        return network.critic(network(pack(tokens, parts, device)).features)

    def outcome(probs: torch.Tensor, begin: int, length: int) -> torch.Tensor:
        found = []
        for polarity in ("POS", "NEG", "NEU"):
            names = "S" if length == 1 else "B" + "I" * (length - 2) + "E"
            factors = [
                probs[begin + n, TAGS.index(f"{name}-{polarity}")] for n, name in enumerate(names)
            ]
            found.append(torch.stack(factors).prod())
        found.append(probs[begin : begin + length, 0].prod())
        q = torch.stack(found)
        return torch.cat([q, 1 - q.sum(0, keepdim=True)])

    words = [(logits(s), labels(s)) for s in draw.labelled]
    ce = functional.cross_entropy(
        torch.cat([one for one, _ in words]), torch.cat([other for _, other in words])
    )
    terms = {"supervised": ce}
    if len(draw.source):
        source = torch.cat([score(s) for s in draw.source])
        target = torch.cat([score(s) for s in draw.target])
        terms["gap"] = source.mean() - target.mean()
    distances = []
    for left, right in draw.pairs:
        sides = [logits(s).softmax(-1) for s in (left, right)]
        for k in range(tokens.aspects[left + 1] - tokens.aspects[left]):
            q, r = (
                outcome(probs, tokens.begins[at], tokens.lengths[at])
                for probs, at in zip(
                    sides, (tokens.aspects[left] + k, tokens.aspects[right] + k), strict=True
                )
            )
            distances.append(0.5 * ((q * (q / r).log()).sum() + (r * (r / q).log()).sum()))
    if distances:
        terms["consistency"] = torch.stack(distances).mean()
    return terms


@pytest.mark.parametrize("sampling", ["aligned", "literal"])
@pytest.mark.parametrize("source", ["source", "mixed"])
def test_the_loss_is_the_weighted_sum_of_the_terms(
    make_method: Make, perform: Perform, sampling: str, source: str
) -> None:
    method = make_method(
        schedule="interleaved",
        sampling=sampling,
        adversarial_source=source,
        adversarial_weight=3.0,
        consistency_weight=0.7,
        supervised_weight=2.0,
        critic_clip=0.1,
        critic_learning_rate=1e-12,
        max_length=24,  # some sentences are split
    )
    batch = first_batch(method, 2)
    quiet(method)
    for _ in range(4):  # away from the start, where all words are alike
        perform(method, batch)
    assert np.diff(method.training_set.tokens.parts).max() > 1
    method.network.double()
    *_, main = method.updates(batch, 0)
    terms = naive(method, batch)
    for name, term in terms.items():
        assert value(main.terms[name]) == pytest.approx(value(term), rel=1e-6), name
    wanted = 2.0 * terms["supervised"] + 3.0 * terms["gap"] + 0.7 * terms["consistency"]
    weights = [method.network.tagger.weight, method.network.encoder.embeddings.LayerNorm.weight]
    got = torch.autograd.grad(main.loss, weights)
    own = torch.autograd.grad(wanted, weights)
    assert float(main.loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-6)
    for mine, other in zip(got, own, strict=True):
        assert torch.allclose(mine, other, rtol=1e-5, atol=1e-9)


def test_an_alignment_trains_the_encoder_against_the_critic_alone(make_method: Make) -> None:
    method = make_method(adversarial_weight=1.0)
    *_, main = method.updates(first_batch(method), 0)
    assert set(main.terms) == {"gap", "critic_accuracy", "saturation"}
    assert float(main.loss.detach()) == pytest.approx(value(main.terms["gap"]), rel=1e-5)
    main.loss.backward()
    assert method.network.tagger.weight.grad is None
    trained = {id(p) for g in method.optimizers["main"].param_groups for p in g["params"]}
    assert trained == {id(p) for p in method.network.encoder.parameters()}


def test_an_alignment_closes_the_gap_that_a_resting_critic_sees(make_method: Make) -> None:
    method = make_method(adversarial_weight=1.0, critic_learning_rate=1e-9)
    batch = first_batch(method)
    quiet(method)
    gaps = []
    for _ in range(10):
        for update in method.updates(batch, 0):
            if update.optimizer == "main":
                method.optimizers["main"].zero_grad()
                update.loss.backward()
                method.optimizers["main"].step()
                gaps.append(value(update.terms["gap"]))
    assert gaps[-1] < gaps[0]


def test_a_step_without_a_second_side_is_a_step_all_the_same(make_method: Make) -> None:
    method = make_method()
    batch = first_batch(method)
    nobody = CriticBatch(
        source=batch.sides.source, target=batch.sides.target[:0], sources=8.0, targets=0.0
    )
    updates = list(method.updates(Batch(**{**batch.__dict__, "sides": nobody}), 0))
    assert [update.optimizer for update in updates] == ["main"]
    updates[0].loss.backward()
    assert float(updates[0].loss.detach()) == 0.0


def test_contrast_is_over_learned_words(make_method: Make) -> None:
    method = make_method(
        variant="cl_token", contrastive_weight=0.5, pairs="en-es,en-fr", multilingual=True
    )
    batch = first_batch(method)
    quiet(method)
    *_, main = method.updates(batch, 0)
    counted = batch.labels != IGNORE_INDEX
    wanted = token_contrast(method.network(batch.main).words[counted], batch.labels[counted], 0.07)
    assert value(main.terms["contrastive"]) == pytest.approx(value(wanted), rel=1e-5)
    total = value(main.terms["supervised"]) + 0.5 * value(wanted)
    assert float(main.loss.detach()) == pytest.approx(total, rel=1e-5)


def test_labels_of_a_batch_are_those_of_its_sentences(make_method: Make) -> None:
    method = make_method(sampling="literal", schedule="interleaved")
    batch = first_batch(method)
    tokens, (_, draw) = method.training_set.tokens, batch.draws
    assert len(batch.labels) == len(batch.main.words)
    labelled = sum(int(tokens.words[s + 1] - tokens.words[s]) for s in draw.labelled)
    assert int((batch.labels != IGNORE_INDEX).sum()) == labelled == batch.words
    column = {view: set(method.training_set.items.table[:, n]) for n, view in enumerate(COLUMNS)}
    assert batch.sides.sources == sum(s in column["s"] | column["st"] for s in draw.labelled)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": "interleaved"},
        {"schedule": "interleaved", "sampling": "literal", "critic_steps": 1},
        {"variant": "cl_sentiment"},
    ],
)
def test_sixteen_sentences_are_learnt_by_heart(
    make_method: Make, perform: Perform, settings: dict[str, Any]
) -> None:
    method = make_method(**settings, learning_rate=3e-3, head_learning_rate=1e-2)
    batch = first_batch(method)
    quiet(method)
    terms = [perform(method, batch, step) for step in range(60)]
    assert terms[-1]["supervised"] < 0.02 < terms[0]["supervised"]
    if "consistency" in terms[0]:
        assert terms[-1]["rest_mass"] < 0.1


def test_terms_are_finite_in_bf16_and_close(make_method: Make) -> None:
    method = make_method(schedule="interleaved")
    batch = first_batch(method)
    method.network.eval()
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            *_, main = method.updates(batch, 0)
        assert isinstance(main, Update)
        found.append({name: value(term) for name, term in main.terms.items()})
    assert found[1]["supervised"] == pytest.approx(found[0]["supervised"], rel=0.02)
    assert found[1]["gap"] == pytest.approx(found[0]["gap"], abs=2e-4)
