"""What loads but is not what the user believes: one sentence each, before anything trains."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_encoders import FAMILIES, write_encoder, write_tokenizer

from raysearch import encoders
from raysearch.encoders.probe import check_encoder
from raysearch.errors import EncoderError

TEXT = "The food was good ."
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "bpe.codes")
TOKENIZER_FILES += ("added_tokens.json",)


def change(folder, file, **values):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def states(encoder):
    ids = torch.tensor([encoder.tokenizer(TEXT)["input_ids"]])
    with torch.no_grad():
        return encoder.model(ids).last_hidden_state


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_taken_and_left_as_it_is(family, tmp_path):
    name = write_encoder(family, tmp_path / "encoder")
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    encoder = encoders.load(name)
    assert torch.equal(torch.rand(2), expected)
    before = states(encoder), encoder.model.config.to_dict()
    torch.manual_seed(3)
    check_encoder(name, encoder.model, encoder.tokenizer)
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(states(encoder), before[0])
    assert encoder.model.config.to_dict() == before[1]
    assert not encoder.model.training


@pytest.mark.parametrize(
    ("stranger", "reason"),
    [
        ("t5", "must have no decoder, but .* is of type t5"),
        ("bart", "must have no decoder, but .* is of type bart"),
        ("gpt2", "must have a padding token"),
        ("canine", "must look its tokens up in a table of embeddings, but .* a CanineModel"),
    ],
)
def test_what_is_no_encoder(stranger, reason, tmp_path):
    name = write_encoder(stranger, tmp_path / "model")
    with pytest.raises(EncoderError, match=reason):
        encoders.load(name)


def test_a_model_of_images(tmp_path):
    write_tokenizer("bert", tmp_path / "vit")
    (tmp_path / "vit" / "config.json").write_text('{"model_type": "vision-text-dual-encoder"}')
    with pytest.raises(EncoderError) as caught:
        encoders.load(str(tmp_path / "vit"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"layer_types": ["full_attention"] * 5}, r"StrictData.*layer_types"),
        ({"hidden_size": "16"}, r"StrictData.*hidden_size"),
        ({"model_type": "nowhere"}, "ValueError: .*nowhere"),
    ],
)
def test_a_configuration_that_cannot_be(changes, reason, tmp_path):
    folder = tmp_path / "encoder"
    write_encoder("modernbert", folder)
    change(folder, "config.json", **changes)
    with pytest.raises(EncoderError, match=rf"cannot be read \({reason}.*\); write") as caught:
        encoders.load(str(folder))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("left", [(), ("tokenizer_config.json",)], ids=["none", "settings"])
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"bert of bytes"}))
def test_no_tokenizer(family, left, tmp_path):
    folder = tmp_path / "encoder"
    write_encoder(family, folder)
    for file in set(TOKENIZER_FILES) - set(left):
        (folder / file).unlink(missing_ok=True)
    with pytest.raises(EncoderError, match=r"must hold its tokenizer|cannot be read \(") as caught:
        encoders.load(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["phobert", "bert of letters"])
def test_one_missing_file_of_a_slow_tokenizer_is_named(family, tmp_path):
    folder = tmp_path / "encoder"
    write_encoder(family, folder)
    missing = "bpe.codes" if family == "phobert" else "vocab.txt"
    (folder / missing).unlink()
    with pytest.raises(
        EncoderError,
        match=f"must hold its tokenizer, vocab.txt and .*{missing}|"
        f"must hold its tokenizer, {missing} and",
    ):
        encoders.load(str(folder))


def test_a_tokenizer_that_sentencepiece_must_read(tmp_path, monkeypatch):
    """As DeBERTa-v3 is on the hub; transformers asks for tiktoken then."""
    folder = tmp_path / "encoder"
    write_encoder("deberta-v2", folder)
    (folder / "tokenizer.json").unlink()
    (folder / "spm.model").write_bytes(b"\n\x0e\n\x05[PAD]\x15\x00\x00\x00\x00\x18\x03")
    monkeypatch.setattr("raysearch.encoders.loading.find_spec", lambda name: None)
    with pytest.raises(EncoderError, match="must be read by the package sentencepiece, but"):
        encoders.load(str(folder))


def test_a_vocabulary_of_special_tokens_only(tmp_path):
    folder = tmp_path / "encoder"
    write_encoder("bert", folder)
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    with pytest.raises(EncoderError, match="must know pieces of text, but knows its 5 special"):
        encoders.load(str(folder))


def test_a_tokenizer_with_more_tokens_than_embeddings(tmp_path):
    name = write_encoder("bert", tmp_path / "encoder", vocab_size=150)
    with pytest.raises(EncoderError, match="a row for each of the 200 tokens .* but have 150"):
        encoders.load(name)


def test_another_padding_id(tmp_path):
    folder = tmp_path / "encoder"
    write_encoder("roberta", folder)
    change(folder, "config.json", pad_token_id=2)
    with pytest.raises(EncoderError, match="must pad with the id 2, from which .* but pads with 1"):
        encoders.load(str(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value, tmp_path):
    folder = tmp_path / "encoder"
    write_encoder("bert", folder)
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.1.output.dense.bias"][3] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"must be finite, .* such as encoder.layer.1.output"):
        encoders.load(str(folder))
    encoders.load(str(folder), layers=1)  # the damaged layer is not read


def test_weights_too_large(tmp_path):
    folder = tmp_path / "encoder"
    write_encoder("bert", folder)
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][:, :] = 3e38  # their sum overflows
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match="must give finite states, but .* they overflow"):
        encoders.load(str(folder))


@pytest.mark.parametrize("whole", [True, False], ids=["beside a model", "alone"])
def test_adapters(whole, tmp_path):
    folder = tmp_path / "adapter"
    write_encoder("bert", folder)
    if not whole:
        (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(EncoderError, match="must be a whole model, but .* is an adapter"):
        encoders.load(str(folder))


def test_fewer_positions_than_promised(tmp_path):
    encoder = encoders.load(write_encoder("mpnet", tmp_path / "encoder"))
    assert encoder.tokenizer.model_max_length == 64
    encoder.tokenizer.model_max_length = 66
    with pytest.raises(EncoderError, match=r"a state for each of 66 tokens, .* fails \(IndexErr"):
        check_encoder("x", encoder.model, encoder.tokenizer)


class Odd(torch.nn.Module):
    """The tiny encoder, whose inputs are changed first."""

    def __init__(self, change):
        super().__init__()
        self.inner, self.change = encoders.load("tiny").model, change
        self.config = self.inner.config

    def get_input_embeddings(self):
        return self.inner.get_input_embeddings()

    def forward(self, **inputs):
        self.change(inputs)
        return self.inner(**inputs)


def without_mask(inputs):
    inputs.pop("attention_mask")


def other_embeddings(inputs):
    if "inputs_embeds" in inputs:
        inputs["inputs_embeds"] = inputs["inputs_embeds"] * 1.1


@pytest.mark.parametrize(
    ("change", "reason"),
    [(without_mask, "how far it is padded"), (other_embeddings, "as ids or as embeddings")],
)
def test_states_that_depend_on_what_they_may_not(change, reason):
    tokenizer = encoders.load("tiny").tokenizer
    with pytest.raises(EncoderError, match=f"the states of a text must not depend on .*{reason}"):
        check_encoder("x", Odd(change), tokenizer)
    check_encoder("x", Odd(lambda inputs: None), tokenizer)
