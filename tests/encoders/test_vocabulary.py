"""Pruning: the same tokens and the very same vectors, from a tenth of the rows."""

import pytest
import torch

from raysearch import encoders
from raysearch.errors import EncoderError


@pytest.fixture(scope="module")
def pruned(me5, sentences):
    return encoders.prune_vocabulary(me5, sentences)


def test_same_tokens_and_same_vectors(me5, pruned, sentences, vectors):
    whole = encoders.encode(me5.tokenizer, sentences, 128)
    small = encoders.encode(pruned.tokenizer, sentences, 128)
    for one, other in zip(whole, small, strict=True):
        assert one.specials == other.specials
        assert me5.tokenizer.convert_ids_to_tokens(
            one.ids
        ) == pruned.tokenizer.convert_ids_to_tokens(other.ids)
    some = sentences[::2]
    assert torch.equal(
        vectors(me5.model, me5.tokenizer, some),
        vectors(pruned.model, pruned.tokenizer, some),
    )


def test_size_and_special_tokens(me5, pruned):
    assert len(pruned.tokenizer) == pruned.model.config.vocab_size < 20_000
    assert pruned.model.get_input_embeddings().weight.shape == (len(pruned.tokenizer), 384)
    assert pruned.model.get_input_embeddings().padding_idx == pruned.tokenizer.pad_token_id == 1
    assert pruned.tokenizer.special_tokens_map == me5.tokenizer.special_tokens_map
    assert pruned.tokenizer.mask_token_id == len(pruned.tokenizer) - 1
    assert pruned.tokenizer.model_max_length == 512
    assert (pruned.hidden_size, pruned.layers, pruned.name) == (384, 12, "package:me5")


def test_the_given_encoder_stays_as_it_is(me5, pruned):
    assert len(me5.tokenizer) == me5.model.config.vocab_size == 250_002
    assert pruned.digest != me5.digest
    with torch.no_grad():
        before = me5.model.encoder.layer[0].output.dense.bias.clone()
        pruned.copy().model.encoder.layer[0].output.dense.bias.add_(1.0)
        assert torch.equal(me5.model.encoder.layer[0].output.dense.bias, before)
    assert not {id(p) for p in me5.model.parameters()} & {id(p) for p in pruned.model.parameters()}


def test_unknown_characters_and_other_texts_can_still_be_read(me5, pruned):
    text = "Ωmega ꙮ 中文字 ᚠ good"
    (whole,) = encoders.encode(me5.tokenizer, [text], 64)
    (small,) = encoders.encode(pruned.tokenizer, [text], 64)
    unknown = me5.tokenizer.unk_token_id, pruned.tokenizer.unk_token_id
    assert whole.ids.count(unknown[0]) == small.ids.count(unknown[1]) > 0
    again = encoders.prune_vocabulary(pruned, [text])
    assert encoders.encode(again.tokenizer, [text], 64)[0].ids != []


def test_same_texts_same_digest(me5, pruned, sentences):
    turned = encoders.prune_vocabulary(me5, sentences[::-1])
    assert turned.digest == pruned.digest
    assert encoders.prune_vocabulary(me5, sentences[:5]).digest != pruned.digest


def test_other_tokenizers_are_refused():
    with pytest.raises(EncoderError, match="only a Unigram vocabulary .* tiny has BPE"):
        encoders.prune_vocabulary(encoders.load("tiny"), ["text"])
