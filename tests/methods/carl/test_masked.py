"""Masked language modelling before CARL: what is masked, the loss, the target, and the stages."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from raysearch.errors import ConfigError
from raysearch.methods.carl import method as carl_method
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.masked import mask_tokens, masked_updates
from raysearch.methods.carl.method import CarlMethod
from raysearch.methods.carl.stages import carl_stages

Make = Callable[..., CarlMethod]


def test_a_seventh_of_the_texts_tokens_is_chosen_and_most_of_them_masked() -> None:
    torch.manual_seed(0)
    ids = torch.arange(100, 400).repeat(200, 1)
    eligible = torch.ones_like(ids, dtype=torch.bool)
    eligible[:, ::3] = False
    masked, chosen = mask_tokens(ids, eligible, mask_id=4, vocabulary=1000)
    assert not chosen[~eligible].any() and torch.equal(masked[~chosen], ids[~chosen])
    assert float(chosen[eligible].float().mean()) == pytest.approx(0.15, abs=0.005)
    assert float((masked[chosen] == 4).float().mean()) == pytest.approx(0.8, abs=0.02)
    assert float((masked[chosen] == ids[chosen]).float().mean()) == pytest.approx(0.1, abs=0.02)


def test_a_short_batch_has_one_chosen_token() -> None:
    eligible = torch.tensor([[False, True, True, False]])
    for seed in range(20):
        torch.manual_seed(seed)
        _, chosen = mask_tokens(torch.tensor([[1, 7, 8, 2]]), eligible, mask_id=4, vocabulary=1000)
        assert chosen.any() and not chosen[~eligible].any()


def test_the_loss_is_the_cross_entropy_of_the_chosen_words(make_method: Make) -> None:
    method = make_method(masked_epochs=1)
    method.model.eval()
    batch = next(iter(method.batches(method.stages()[0], 0)))
    torch.manual_seed(3)
    [update] = masked_updates(method.model, batch, mask_id=4)
    torch.manual_seed(3)
    words = method.model.encoder.get_input_embeddings().weight
    ids, chosen = mask_tokens(batch.ids, batch.eligible, mask_id=4, vocabulary=len(words))
    states = method.model.encoder(ids, attention_mask=batch.mask.long()).last_hidden_state
    head = method.model.masked
    assert head is not None
    logits = head.transform(states[chosen]) @ words.T + head.bias
    expected = functional.cross_entropy(logits, batch.ids[chosen])
    torch.testing.assert_close(update.loss, expected)


def test_words_are_learnt_and_the_target_is_a_copy(make_method: Make) -> None:
    method = make_method(masked_epochs=2, learning_rate=1e-3)
    stage = method.stages()[0]
    method.begin(stage)
    torch.manual_seed(0)
    losses = []
    for epoch in range(4):
        for batch in method.batches(stage, epoch):
            method.optimizers["main"].zero_grad()
            for update in method.updates(batch, 0):
                update.loss.backward()
                method.optimizers["main"].step()
                losses.append(float(update.loss.detach()))
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    target = method.model.target
    assert target is not None
    pairs = zip(target.branch.parameters(), method.model.online.parameters(), strict=True)
    assert all(torch.equal(mine, other) for mine, other in pairs)
    assert method.model.discriminator is not None
    assert all(p.grad is None for p in method.model.discriminator.parameters())


def test_the_stage_comes_first_without_reports_and_under_its_own_schedule(
    make_config: Callable[..., CarlConfig],
) -> None:
    config = make_config(epochs=2, masked_epochs=0.5, contrastive_warmup_share=0.25)
    found = [(s.name, s.steps, s.reports, s.scheduled) for s in carl_stages(config, 10)]
    assert found == [
        ("masked", 5, False, None),
        ("warmup", 5, True, (0, 20)),
        ("pretrain", 15, True, (5, 20)),
    ]
    frozen = make_config(epochs=2, masked_epochs=0.5, variant="frozen")
    assert [stage.name for stage in carl_stages(frozen, 10)] == ["pretrain"]
    assert "masked_epochs" in frozen.inert


def test_without_it_no_head_is_drawn(make_method: Make) -> None:
    assert make_method().model.masked is None


def test_an_encoder_without_a_mask_is_refused(
    make_method: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = carl_method.encoders.load

    def without(*args: Any, **settings: Any) -> Any:
        found = load(*args, **settings)
        monkeypatch.setattr(found.tokenizer, "_mask_token", None, raising=False)
        monkeypatch.setattr(type(found.tokenizer), "mask_token_id", None, raising=False)
        return found

    monkeypatch.setattr(carl_method.encoders, "load", without)
    with pytest.raises(ConfigError, match="`masked_epochs` must be 0 for an encoder whose"):
        make_method(masked_epochs=1)
