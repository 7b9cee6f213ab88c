"""The tiny encoder: the same on every machine, reads any text, has exact gradients."""

import pytest
import torch

from raysearch import encoders
from raysearch.encoders.loading import _pristine

TEXTS = ["Hello, World!", "Привет, мир", "你好", "مرحبا", "🤖\x00\x07", "a" * 600, "tab\tand\nline"]


def test_shape_and_size():
    tiny = encoders.load("tiny")
    assert (tiny.hidden_size, tiny.layers) == (64, 2)
    assert not tiny.model.training
    assert tiny.model.pooler is None
    assert tiny.model.num_parameters() < 250_000


def test_pieces_by_hand():
    tokenizer = encoders.load("tiny").tokenizer
    (text,) = encoders.encode(tokenizer, ["Hello  World!"], 64)
    pieces = tokenizer.convert_ids_to_tokens(text.ids)
    assert pieces == ["[CLS]", "Ġh", "el", "lo", "Ġw", "or", "ld", "!", "[SEP]"]


def test_every_text_has_known_tokens():
    tiny = encoders.load("tiny")
    for text in encoders.encode(tiny.tokenizer, TEXTS, 512):
        assert tiny.tokenizer.unk_token_id not in text.ids
        assert tiny.model(torch.tensor([text.ids])).last_hidden_state.isfinite().all()


def test_weights_do_not_depend_on_the_callers_seed():
    torch.manual_seed(1)
    first = encoders.load("tiny")
    _pristine.cache_clear()
    torch.manual_seed(2)
    second = encoders.load("tiny")
    assert first.digest == second.digest
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("layers", [1, 2])
def test_gradient_to_the_inputs_is_exact(layers):
    model = encoders.load("tiny", layers=layers).model.double()
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    inputs = torch.randn(2, 4, 64, dtype=torch.float64, requires_grad=True)

    def pooled(embeddings):
        hidden = model(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state
        return (hidden * mask[..., None]).sum(1)[:, :3]

    assert torch.autograd.gradcheck(pooled, (inputs,), fast_mode=True)
