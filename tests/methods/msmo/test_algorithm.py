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
    Estimate,
    Trained,
    critic_batches,
    critic_optimizer,
    critic_rate,
    critic_updates,
    estimate,
    ordered_share,
    train_critic,
)
from raysearch.methods.msmo.items import COLUMNS, pack
from raysearch.methods.msmo.losses import (
    published_contrast,
    sentiment_classes,
    token_contrast,
)
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


def turned(method: MsmoMethod, batch: Batch, *, above: bool) -> None:
    """Turn the linear critic round where its gap of the step's sentences is on the other side."""
    critic = method.network.critic
    assert critic is not None
    with torch.no_grad():
        features = method.network(batch.main).features
        if (estimate(critic, features, batch.sides).gap > 0) != above:
            for parameter in critic.parameters():
                parameter.neg_()


# The order of the updates


@pytest.mark.parametrize("sampling", ["aligned", "literal"])
def test_the_critic_goes_first_and_stays_within_its_clip(make_method: Make, sampling: str) -> None:
    method = make_method(
        schedule="interleaved",
        sampling=sampling,
        critic_clip=0.005,
        critic_training="fixed",
        critic_first_steps=0,
    )
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
    method = make_method(
        schedule="interleaved",
        critic_training="fixed",
        critic_clip=0.003,
        critic_learning_rate=0.1,
    )
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


def test_numbers_of_updates_and_horizon() -> None:
    plain = MsmoConfig(critic_training="fixed", critic_first_steps=0)
    burst = MsmoConfig(critic_training="fixed", critic_first_steps=0, critic_burst=True)
    assert {critic_updates(plain, step) for step in range(1001)} == {(5, 5)}
    assert [critic_updates(burst, step)[0] for step in (0, 25, 26, 499, 500, 501, 1000)] == [
        *(10, 10, 5, 5, 10, 5, 10)
    ]
    assert (critic_batches(plain), critic_batches(burst)) == (5, 10)
    first = MsmoConfig(critic_training="fixed", critic_first_steps=100)
    assert [critic_updates(first, step) for step in (0, 1)] == [(100, 100), (5, 5)]
    open_ended = MsmoConfig(critic_first_steps=100, critic_most_steps=60)
    assert [critic_updates(open_ended, step) for step in (0, 1)] == [(100, 100), (5, 60)]
    assert [critic_rate(plain, step, 4) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]
    code = MsmoConfig(critic_horizon=0.5)
    assert [critic_rate(code, step, 4) for step in range(4)] == [1.0, 0.5, 0.0, 0.0]
    assert critic_rate(MsmoConfig(critic_horizon=0.0), 3, 4) == 1.0


@pytest.mark.parametrize("sampling", ["aligned", "literal"])
def test_the_critics_sentences_are_forwarded_once(make_method: Make, sampling: str) -> None:
    method = make_method(sampling=sampling, critic_training="fixed", critic_burst=True)
    batch = first_batch(method)
    packed, rounds, held_out = batch.critic_batches()
    assert len(rounds) == 10
    used = torch.cat([torch.cat([r.source, r.target]) for r in (*rounds, held_out)])
    assert sorted(set(used.tolist())) == list(range(len(packed.order)))  # nothing idle


# The critic


def test_a_linear_critic_finds_the_sign_of_the_difference() -> None:
    """The optimum within [-c, c] is c times the sign of the difference of means (§5.7)."""
    torch.manual_seed(0)
    config = MsmoConfig(critic_clip=0.01, critic_training="fixed", critic_first_steps=400)
    critic = Critic(6, config).eval()
    features = torch.randn(40, 6)
    sides = CriticBatch(
        source=torch.arange(16), target=torch.arange(16, 40), sources=16, targets=24
    )
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    for update in train_critic(critic, features, [sides], sides, config, step=0, rate=1.0):
        optimizer.zero_grad()
        update.loss.backward()
        optimizer.step()
    difference = features[:16].mean(0) - features[16:].mean(0)
    (weight,) = critic.parameters()
    assert torch.allclose(weight[0], 0.01 * difference.sign())
    gap = -float(update.loss.detach())
    assert gap == pytest.approx(0.01 * float(difference.abs().sum()), rel=1e-4)


def planted(apart: float, rows: int = 200) -> tuple[torch.Tensor, CriticBatch, CriticBatch]:
    """Two sides in eight dimensions: features, sides to learn from, and sides held out."""
    chance = torch.Generator().manual_seed(3)
    features = torch.randn(4 * rows, 8, generator=chance, dtype=torch.float64)
    features[rows : 2 * rows] += apart
    features[3 * rows :] += apart
    numbers = torch.arange(4 * rows).view(4, rows)
    learned, held_out = (
        CriticBatch(source=numbers[n + 1], target=numbers[n], sources=rows, targets=rows)
        for n in (0, 2)
    )
    return features, learned, held_out


def trained(
    critic: Critic, config: MsmoConfig, apart: float, *, step: int = 9, rows: int = 200
) -> tuple[Trained, Estimate]:
    """Train a critic in one step; how that ended, and what it says of the held out sides."""
    features, learned, held_out = planted(apart, rows)
    optimizer = critic_optimizer(critic, config)
    updates = train_critic(critic, features, [learned], held_out, config, step=step, rate=1.0)
    while True:
        try:
            update = next(updates)
        except StopIteration as end:
            return end.value, estimate(critic, features, held_out)
        optimizer.zero_grad()
        update.loss.backward()
        optimizer.step()


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
@pytest.mark.parametrize("clip", [0.003, 0.1, 1.0])
def test_a_critic_is_trained_until_its_gap_can_be_trusted(clip: float, optimizer: str) -> None:
    config = MsmoConfig(
        critic_clip=clip,
        critic_optimizer=optimizer,
        critic_most_steps=2000,
        critic_learning_rate=clip / 10,
    )
    critic = Critic(8, config).double()
    with torch.no_grad():
        critic.layers[1].weight.fill_(-clip)  # the game has turned over entirely
    ended, found = trained(critic, config, apart=0.5)
    assert ended.trusted and found.trusted
    assert found.gap > 0.8 * clip * 8 * 0.5  # near to the bound, c · |Δ mean|_1
    assert 5 < ended.updates < 2000 and ended.updates % 5 == 0
    again, _ = trained(critic, config, apart=0.5)
    assert again.trusted and again.updates == 5  # it is trained, so n_critic suffice
    first, _ = trained(critic, config, apart=0.5, step=0)
    assert first.updates == 100


def test_a_critic_of_one_distribution_is_mostly_not_trusted() -> None:
    config = MsmoConfig(critic_clip=0.1, critic_learning_rate=1e-2)
    errors = []
    for seed in range(20):
        torch.manual_seed(seed)
        ended, found = trained(Critic(8, config).double(), config, apart=0.0)
        errors.append(found.gap / found.error)
        assert ended.trusted == (found.gap > found.error)
        assert found.accuracy == pytest.approx(0.5, abs=0.07)
    assert sum(error > 1 for error in errors) < 10
    assert all(abs(error) < 3 for error in errors)  # nothing of what it learned by heart


def test_a_fixed_number_of_updates_asks_for_no_judgement() -> None:
    config = MsmoConfig(critic_training="fixed", critic_steps=3, critic_learning_rate=1e-9)
    ended, found = trained(Critic(8, config).double(), config, apart=0.0)
    assert ended == Trained(updates=3, trusted=True) and not found.trusted


def test_an_estimate_by_hand() -> None:
    config = MsmoConfig(critic_clip=1.0, dropout=0.5)
    critic = Critic(1, config).double()
    with torch.no_grad():
        critic.layers[1].weight.fill_(1.0)
    features = torch.tensor([[1.0], [3.0], [0.0], [2.0], [4.0]], dtype=torch.float64)
    sides = CriticBatch(source=torch.arange(2), target=torch.arange(2, 5), sources=2, targets=3)
    found = estimate(critic, features, sides)
    assert found.gap == pytest.approx(2 - 2)
    assert found.error == pytest.approx((2 / 2 + 4 / 3) ** 0.5)
    assert found.accuracy == pytest.approx(3 / 6)
    assert critic.training
    alone = CriticBatch(source=torch.arange(1), target=torch.arange(2, 5), sources=1, targets=3)
    assert estimate(critic, features, alone).error == float("inf")


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
@pytest.mark.parametrize("above", [True, False])
def test_the_loss_is_the_weighted_sum_of_the_terms(
    make_method: Make, perform: Perform, sampling: str, source: str, above: bool
) -> None:
    method = make_method(
        schedule="interleaved",
        sampling=sampling,
        adversarial_source=source,
        adversarial_weight=3.0,
        consistency_weight=0.7,
        supervised_weight=2.0,
        critic_clip=0.1,
        critic_training="fixed",
        critic_learning_rate=1e-3,
        max_length=24,  # some sentences are split
    )
    batch = first_batch(method, 2)
    quiet(method)
    for _ in range(4):  # away from the start, where all words are alike
        perform(method, batch)
    assert np.diff(method.training_set.tokens.parts).max() > 1
    method.network.double()
    turned(method, batch, above=above)
    *_, main = method.updates(batch, 0)
    terms = naive(method, batch)
    for name, term in terms.items():
        assert value(main.terms[name]) == pytest.approx(value(term), rel=1e-6), name
    assert main.terms["critic_followed"] == above
    # Below 0 the gap is the critic's error, and nothing is paid for it.
    paid = terms["gap"] if above else 0.0 * terms["gap"]
    wanted = 2.0 * terms["supervised"] + 3.0 * paid + 0.7 * terms["consistency"]
    weights = [method.network.tagger.weight, method.network.encoder.embeddings.LayerNorm.weight]
    got = torch.autograd.grad(main.loss, weights)
    own = torch.autograd.grad(wanted, weights)
    assert float(main.loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-6)
    for mine, other in zip(got, own, strict=True):
        assert torch.allclose(mine, other, rtol=1e-5, atol=1e-9)


def test_an_alignment_trains_the_encoder_against_the_critic_alone(make_method: Make) -> None:
    method = make_method(adversarial_weight=7.0)  # which counts beside labels only
    batch = first_batch(method)
    for update in quiet(method).updates(batch, 0):
        main = update
        if update.optimizer == "critic":
            method.optimizers["critic"].zero_grad()
            update.loss.backward()
            method.optimizers["critic"].step()
    assert set(main.terms) == {
        *("gap", "critic_accuracy", "saturation", "critic_updates", "critic_followed")
    }
    assert value(main.terms["gap"]) > 0 and main.terms["critic_followed"] == 1
    assert float(main.loss.detach()) == pytest.approx(value(main.terms["gap"]), rel=1e-5)
    main.loss.backward()
    assert method.network.tagger.weight.grad is None
    trained = {id(p) for g in method.optimizers["main"].param_groups for p in g["params"]}
    assert trained == {id(p) for p in method.network.encoder.parameters()}


def test_an_alignment_closes_the_gap_that_a_resting_critic_sees(make_method: Make) -> None:
    method = make_method(critic_learning_rate=1e-9, critic_training="fixed")
    batch = first_batch(method)
    turned(quiet(method), batch, above=True)
    gaps = []
    for _ in range(10):
        for update in method.updates(batch, 0):
            if update.optimizer == "main":
                method.optimizers["main"].zero_grad()
                update.loss.backward()
                method.optimizers["main"].step()
                gaps.append(value(update.terms["gap"]))
    assert gaps[-1] < gaps[0]
    # The encoder rests as soon as it has overtaken the critic.
    assert gaps[-1] == gaps[-2] < 0 or gaps[-1] > 0


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
        variant="contrast_token", contrastive_weight=0.5, pairs="en-es,en-fr", multilingual=True
    )
    batch = first_batch(method)
    quiet(method)
    *_, main = method.updates(batch, 0)
    counted = batch.labels != IGNORE_INDEX
    wanted = token_contrast(method.network(batch.main).words[counted], batch.labels[counted], 0.07)
    assert value(main.terms["contrastive"]) == pytest.approx(value(wanted), rel=1e-5)
    total = value(main.terms["supervised"]) + 0.5 * value(wanted)
    assert float(main.loss.detach()) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("variant", ["cl_token", "cl_sentiment"])
def test_cl_xabsa_is_half_cross_entropy_and_half_contrast_of_the_logits(
    make_method: Make, variant: str
) -> None:
    """With values of its own, whatever the settings of our contrast."""
    method = make_method(variant=variant, contrastive_weight=7.0, contrastive_temperature=3.0)
    batch = first_batch(method)
    quiet(method)
    *_, main = method.updates(batch, 0)
    counted = batch.labels != IGNORE_INDEX
    logits = method.network.tag(method.network(batch.main).words)[counted]
    labels = batch.labels[counted]
    classes = labels if variant == "cl_token" else sentiment_classes(labels)
    wanted = published_contrast(logits, classes)
    assert value(main.terms["contrastive"]) == pytest.approx(value(wanted), rel=1e-5)
    cross_entropy = functional.cross_entropy(logits, labels)
    total = 0.5 * value(cross_entropy) + 0.5 * value(wanted)
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
        {"variant": "contrast_sentiment"},
    ],
)
def test_sixteen_sentences_are_learnt_by_heart(
    make_method: Make, perform: Perform, settings: dict[str, Any]
) -> None:
    # One batch over and over: the critic has no fresh sentences, and its guard nothing to say.
    rates = {"learning_rate": 3e-3, "head_learning_rate": 1e-2}
    method = make_method(**settings, **rates, guards="report")
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
