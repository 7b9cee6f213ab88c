"""The networks: padding changes nothing, the critic sees means, results fit or are refused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from raysearch.errors import StoreError
from raysearch.methods.msmo.batches import Batch
from raysearch.methods.msmo.critic import Critic
from raysearch.methods.msmo.items import PackedBatch, pack
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.methods.msmo.model import frozen

Make = Callable[..., MsmoMethod]


def value(term: torch.Tensor | float) -> float:
    return float(torch.as_tensor(term).detach())


def begun(method: MsmoMethod) -> MsmoMethod:
    method.begin(method.stages()[0])
    return method


def widened(packed: PackedBatch) -> PackedBatch:
    """The same parts with twice the padding."""
    width = [ids.shape[1] for ids in packed.ids]
    pad = torch.nn.functional.pad
    rows = [torch.arange(len(ids)) for ids in packed.ids]
    starts = np.cumsum([0, *(ids.numel() for ids in packed.ids)])
    place = torch.cat(
        [
            2 * start + (row[:, None] * 2 * w + torch.arange(w)).flatten()
            for start, row, w in zip(starts[:-1], rows, width, strict=True)
        ]
    )
    return PackedBatch(
        ids=tuple(pad(ids, (0, w)) for ids, w in zip(packed.ids, width, strict=True)),
        masks=tuple(pad(mask, (0, w)) for mask, w in zip(packed.masks, width, strict=True)),
        order=packed.order,
        words=place[packed.words],
        pieces=place[packed.pieces],
    )


def test_nothing_depends_on_padding(make_method: Make) -> None:
    network = begun(make_method()).network.eval()
    tokens = make_method().training_set.tokens
    packed = pack(tokens, np.arange(40), torch.device("cpu"), chunk=16)
    narrow, wide = network(packed), network(widened(packed))
    assert network.critic is not None
    for name in ("words", "pieces", "features"):
        assert torch.allclose(getattr(narrow, name), getattr(wide, name), atol=1e-5), name
    assert torch.allclose(network.critic(narrow.features), network.critic(wide.features), atol=1e-6)
    alone = network(pack(tokens, np.array([7]), torch.device("cpu")))
    assert torch.allclose(narrow.features[7], alone.features[0], atol=1e-5)


def test_terms_do_not_depend_on_padding(make_method: Make) -> None:
    """The whole step, gap included: twice the padding, the same loss and gradient."""
    method = make_method(schedule="interleaved", adversarial_weight=1.0, consistency_weight=1.0)
    begun(method).network.eval()
    batch = next(iter(method.batches(method.stages()[0], 0)))
    assert isinstance(batch, Batch)
    wide = Batch(**{**batch.__dict__, "main": widened(batch.main)})
    found = []
    for each in (batch, wide):
        *_, main = method.updates(each, 0)
        (gradient,) = torch.autograd.grad(main.loss, method.network.tagger.weight)
        found.append((float(main.loss.detach()), value(main.terms["gap"]), gradient))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-4)
    assert torch.allclose(found[0][2], found[1][2], atol=1e-5)


def test_a_linear_critic_of_the_mean_is_the_mean_of_the_critic(make_method: Make) -> None:
    """What the code computes, a score at every piece and then the mean, is what we compute."""
    network = begun(make_method()).network.eval()
    tokens = make_method().training_set.tokens
    assert network.critic is not None
    outputs = network(pack(tokens, np.arange(5), torch.device("cpu")))
    scores = network.critic(outputs.features)
    per_piece = network.critic(outputs.pieces).split(tokens.sizes[:5].tolist())
    assert torch.allclose(scores, torch.stack([each.mean() for each in per_piece]), atol=1e-6)


def test_a_deeper_critic_starts_within_its_clip(make_method: Make) -> None:
    config = make_method(critic_layers=3, critic_width=8, critic_clip=0.02).config
    critic = Critic(64, config)
    assert [tuple(p.shape) for p in critic.parameters()] == [(8, 64), (8,), (8, 8), (8,), (1, 8)]
    assert all(p.abs().max() <= 0.02 for p in critic.parameters())
    critic.eval()
    first, second = torch.randn(2, 3, 64)
    together = critic((first + second) / 2)
    assert not torch.allclose(together, (critic(first) + critic(second)) / 2, atol=1e-6)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_first_weights_of_a_critic_fill_its_clip(make_method: Make, layers: int) -> None:
    starts = []
    for clip in (0.003, 0.3):
        torch.manual_seed(5)
        config = make_method(critic_layers=layers, critic_clip=clip).config
        weights = [p.detach() / clip for p in Critic(384, config).parameters()]
        starts.append(torch.cat([weight.flatten() for weight in weights]))
    assert torch.allclose(*starts, atol=1e-6)  # in units of c they are the same
    assert starts[0].abs().max() <= 1
    assert float(starts[0].abs().mean()) == pytest.approx(0.5, abs=0.05)


def test_a_frozen_critic_lets_gradients_through(make_method: Make) -> None:
    critic = Critic(4, make_method().config)
    features = torch.randn(3, 4, requires_grad=True)
    with frozen(critic):
        critic(features).sum().backward()
    assert features.grad is not None and features.grad.abs().sum() > 0
    assert all(p.grad is None and p.requires_grad for p in critic.parameters())


def test_results_leave_out_word_embeddings_that_rest(make_method: Make) -> None:
    method = begun(make_method(freeze_embeddings=True))
    rest, all_of_it = method.network.result(), begun(make_method()).network.result()
    left_out = set(all_of_it["weights"]) - set(rest["weights"])
    assert left_out == {"encoder.embeddings.word_embeddings.weight"}
    assert not any(name.startswith("critic.") for name in rest["weights"])
    torch.nn.init.zeros_(method.network.tagger.weight)
    method.network.load_result(rest, what="itself")
    assert method.network.tagger.weight.abs().sum() > 0


def test_results_are_copies(make_method: Make) -> None:
    network = begun(make_method()).network
    result = network.result()
    before = result["weights"]["tagger.bias"].clone()
    with torch.no_grad():
        network.tagger.bias.add_(1)
    assert torch.equal(result["weights"]["tagger.bias"], before)


def test_a_result_that_does_not_fit_is_refused(make_method: Make) -> None:
    network = begun(make_method()).network
    good = network.result()
    with pytest.raises(StoreError, match="stage x must be of a tagger with the 13 labels.*2: O S"):
        network.load_result({**good, "tags": ["O", "S"]}, what="stage x")
    with pytest.raises(StoreError, match="of a tagger with the 13 labels.*unknown"):
        network.load_result({}, what="stage x")
    weights = dict(good["weights"])
    del weights["tagger.bias"]
    with pytest.raises(StoreError, match="1 are missing, unknown or .*tagger.bias"):
        network.load_result({**good, "weights": weights}, what="stage x")
    weights["tagger.bias"] = torch.zeros(7)
    with pytest.raises(StoreError, match="of another shape, such as tagger.bias"):
        network.load_result({**good, "weights": weights}, what="stage x")
