"""The first layers of every family, and how long its texts may be."""

import pytest
import torch
from small_encoders import FAMILIES, LAYERS, POSITIONS, write_encoder, write_tokenizer

from raysearch import encoders
from raysearch.encoders.layers import first_layer
from raysearch.errors import EncoderError

AFTER_PADDING = ("mpnet", "roberta", "longformer", "xlm-roberta", "camembert", "phobert")


def hidden(model, text):
    with torch.no_grad():
        return model(torch.tensor([text]), output_hidden_states=True).hidden_states


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_layers_are_those_of_the_whole(family, tmp_path):
    name = write_encoder(family, tmp_path / "encoder")
    whole, part = encoders.load(name), encoders.load(name, layers=2)
    assert (whole.layers, part.layers) == (LAYERS, 2)
    ids = whole.tokenizer("The food was good .")["input_ids"]
    # The last states of ModernBERT are normalised once more, so that of the second layer here.
    for one, other in zip(hidden(part.model, ids)[:2], hidden(whole.model, ids), strict=False):
        assert torch.equal(one, other)
    with pytest.raises(EncoderError, match=f"`layers` must be <= {LAYERS}"):
        encoders.load(name, layers=LAYERS + 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_text_fits_and_a_longer_one_does_not(family, tmp_path):
    encoder = encoders.load(write_encoder(family, tmp_path / "encoder"))
    longest = POSITIONS - 2 * (family in AFTER_PADDING)
    assert encoder.tokenizer.model_max_length == longest
    (text,) = encoders.encode(encoder.tokenizer, ["wine " * 80], longest)
    assert len(text.ids) == longest
    assert encoder.model(torch.tensor([text.ids])).last_hidden_state.isfinite().all()
    with pytest.raises(EncoderError, match="the positions of this encoder"):
        encoders.encode(encoder.tokenizer, ["wine"], longest + 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_the_first_layer_shares_its_tensors_and_nothing_else(family, tmp_path):
    encoder = encoders.load(write_encoder(family, tmp_path / "encoder"))
    modules, config = dict(encoder.model.named_modules()), encoder.model.config.to_dict()
    one = first_layer(encoder.model)
    assert (one.config.num_hidden_layers, encoder.layers) == (1, LAYERS)
    assert dict(encoder.model.named_modules()) == modules
    assert encoder.model.config.to_dict() == config
    whole = {id(tensor) for tensor in encoder.model.parameters()}
    assert {id(tensor) for tensor in one.parameters()} <= whole
    text = [0, 7, 8, 2]
    assert torch.equal(hidden(one, text)[0], hidden(encoder.model, text)[0])


def test_what_a_pass_notes_in_a_model_stays_out_of_the_loaded_one(tmp_path):
    """BigBird gives up block-sparse attention for ever at its first short text."""
    model = encoders.load(write_encoder("bigbird", tmp_path / "encoder")).model
    assert {layer.attention_type for layer in model.encoder.layer} == {"block_sparse"}
    assert hidden(model, [2, 7, 8, 3])[-1].isfinite().all()
    assert {layer.attention_type for layer in model.encoder.layer} == {"original_full"}


def test_a_model_with_the_tokenizer_of_another_family_pads_as_that(tmp_path):
    """As multilingual MiniLM and E5: BERT says 0, which their tokenizer puts before every text."""
    folder = tmp_path / "encoder"
    write_encoder("bert", folder)
    text = [0, 7, 8, 2]
    before = hidden(encoders.load(str(folder)).model, text)
    (folder / "tokenizer.json").unlink()
    write_tokenizer("xlm-roberta", folder)
    encoder = encoders.load(str(folder))
    assert encoder.tokenizer("wine")["input_ids"][0] == 0
    assert encoder.tokenizer.pad_token_id == encoder.model.config.pad_token_id == 1
    for one, other in zip(hidden(encoder.model, text), before, strict=True):
        assert torch.equal(one, other)
    encoder.model(torch.tensor([[*text, 1]])).last_hidden_state[..., 0].sum().backward()
    grown = encoder.model.get_input_embeddings().weight.grad.abs().sum(1) > 0
    assert grown.nonzero().flatten().tolist() == [0, 2, 7, 8]
