"""Names to encoders: fresh copies, kept layers, silence, and one clear error each."""

import json
import os
import pickle

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from raysearch import encoders
from raysearch.encoders import loading
from raysearch.errors import EncoderError

SMALL = {
    "vocab_size": 963,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}


@pytest.fixture
def tiny_folder(tmp_path):
    tiny = encoders.load("tiny")
    return encoders.save(tiny.model, tiny.tokenizer, tmp_path / "tiny")


def write_folder(model, folder):
    encoders.save(model, encoders.load("tiny").tokenizer, folder)
    return str(folder)


def hidden(model):
    ids = torch.tensor([[2, 300, 400, 500, 3]])
    with torch.no_grad():
        return model(ids, output_hidden_states=True).hidden_states


@pytest.mark.parametrize("name", ["tiny", "package:minilm"])
def test_every_load_is_a_fresh_copy(name, need_package):
    if name != "tiny":
        need_package("minilm")
    first = encoders.load(name)
    kept = [parameter.detach().clone() for parameter in first.model.parameters()]
    with torch.no_grad():
        for parameter in first.model.parameters():
            parameter.add_(1.0)
    first.model.train()
    second = encoders.load(name)
    assert not second.model.training
    assert second.digest == first.digest
    for parameter, value in zip(second.model.parameters(), kept, strict=True):
        assert torch.equal(parameter, value)
        assert parameter.dtype == torch.float32
        assert parameter.requires_grad


def test_loading_draws_no_random_number():
    loading._pristine.cache_clear()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    encoders.load("tiny")
    assert torch.equal(torch.rand(3), expected)


def test_loading_prints_nothing_and_asks_no_network(capfd, no_network, tiny_folder, need_package):
    need_package("minilm")
    loading._pristine.cache_clear()
    for name in ("tiny", "package:minilm", str(tiny_folder)):
        encoders.load(name, layers=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("layers", [1, 2])
def test_the_first_layers_are_those_of_the_whole(minilm, layers):
    for whole in (minilm, encoders.load("tiny")):
        part = encoders.load(whole.name, layers=layers)
        assert part.layers == len(part.model.encoder.layer) == layers
        assert whole.layers >= layers
        expected = hidden(whole.model)[: layers + 1]
        for one, other in zip(hidden(part.model), expected, strict=True):
            assert torch.equal(one, other)


def test_digest_tells_layers_apart_but_not_how_all_were_asked_for():
    digests = [encoders.load("tiny", layers=layers).digest for layers in (0, 1, 2)]
    assert digests[0] == digests[2] != digests[1]
    assert len(digests[0]) == 64


@pytest.mark.parametrize(
    "model",
    [
        BertModel(BertConfig(**SMALL)),
        RobertaForSequenceClassification(RobertaConfig(**SMALL)),
        DistilBertModel(DistilBertConfig(vocab_size=963, dim=16, n_heads=2, n_layers=3)),
    ],
    ids=["bert with pooler", "roberta with head", "distilbert"],
)
def test_folders_of_other_architectures(tmp_path, model):
    name = write_folder(model.eval(), tmp_path / "encoder")
    loaded = encoders.load(name, layers=2)
    assert loaded.layers == 2
    assert not any("pooler" in key for key in loaded.model.state_dict())
    expected = hidden(model.base_model)[:3]
    for one, other in zip(hidden(loaded.model), expected, strict=True):
        assert torch.equal(one, other)


def test_positions_limit_the_length(tmp_path):
    bert = encoders.load(write_folder(BertModel(BertConfig(**SMALL)), tmp_path / "bert"))
    assert bert.tokenizer.model_max_length == 40
    config = RobertaConfig(**SMALL)
    model = RobertaForSequenceClassification(config)
    roberta = encoders.load(write_folder(model, tmp_path / "roberta"))
    assert roberta.tokenizer.model_max_length == 39  # its positions start after the padding id
    (longest,) = encoders.encode(roberta.tokenizer, ["x " * 60], 39)
    roberta.model(torch.tensor([longest.ids]))


def test_a_folder_that_is_written_anew_is_read_anew(tiny_folder):
    before = encoders.load(str(tiny_folder))
    with torch.no_grad():
        before.model.embeddings.word_embeddings.weight.add_(1.0)
    tiny_folder.rename(tiny_folder.with_name("former"))
    encoders.save(before.model, before.tokenizer, tiny_folder)
    after = encoders.load(str(tiny_folder))
    assert after.digest != before.digest
    assert torch.equal(
        after.model.embeddings.word_embeddings.weight,
        before.model.embeddings.word_embeddings.weight,
    )


@pytest.mark.parametrize("name", ["tiny", "package:minilm", "package:me5"])
def test_too_many_layers_names_their_number(name, need_package):
    if name != "tiny":
        need_package(name.removeprefix("package:"))
    with pytest.raises(EncoderError, match=rf"`layers` must be <= \d+, the layers of {name}"):
        encoders.load(name, layers=13)


def test_negative_layers():
    with pytest.raises(EncoderError, match="`layers` must be >= 0 .* got -1"):
        encoders.load("tiny", layers=-1)


def test_folder_without_config(tmp_path):
    with pytest.raises(EncoderError, match=r"must hold config.json, but .* has none"):
        encoders.load(str(tmp_path))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["cut", "garbled"])
def test_damaged_file(tiny_folder, file, damage):
    path = tiny_folder / file
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"\xff" * 40)
    with pytest.raises(EncoderError, match=r"the encoder in .*tiny cannot be read \(\w+: .+\)"):
        encoders.load(str(tiny_folder))


def test_weights_that_do_not_fill_the_model(tiny_folder):
    config = json.loads((tiny_folder / "config.json").read_text())
    (tiny_folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(EncoderError, match=r"lack 16 tensors, such as 'encoder.layer.2"):
        encoders.load(str(tiny_folder))


def test_missing_weights(tiny_folder):
    os.remove(tiny_folder / "model.safetensors")
    with pytest.raises(EncoderError, match=r"cannot be read .*model.safetensors"):
        encoders.load(str(tiny_folder))


def test_a_pickle_is_not_opened_and_the_advice_is_not_to_open_it(tiny_folder, tmp_path):
    class Planted:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "planted"),))

    os.remove(tiny_folder / "model.safetensors")
    (tiny_folder / "pytorch_model.bin").write_bytes(pickle.dumps(Planted(), protocol=2))
    with pytest.raises(EncoderError, match="may run any code and are never opened") as caught:
        encoders.load(str(tiny_folder))
    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "planted").exists()


def test_code_of_its_own_is_not_run(tiny_folder):
    config = json.loads((tiny_folder / "config.json").read_text())
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModel": "own.M"}}
    (tiny_folder / "config.json").write_text(json.dumps({**config, **own}))
    (tiny_folder / "own.py").write_text("raise SystemExit(1)")
    with pytest.raises(EncoderError, match="code of its own, which is never run; take another"):
        encoders.load(str(tiny_folder))


@pytest.mark.parametrize("name", ["./nowhere", "a/b/c", "", "what is this"])
def test_no_such_folder(name):
    with pytest.raises(EncoderError):
        encoders.load(name)


def test_unreachable_hub_is_one_quick_error(monkeypatch, capfd):
    def unreachable(self, name, **options):
        raise ConnectionError("name or service not known")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    with pytest.raises(EncoderError) as caught:
        encoders.load("no-such-user/no-such-model")
    message = str(caught.value)
    assert "neither in the cache nor reachable (ConnectionError: name or service" in message
    assert "`package:minilm`, `tiny`, a folder" in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


def test_a_cached_hub_id_asks_no_network(tmp_path, monkeypatch, no_network):
    tiny = encoders.load("tiny")
    cached = tmp_path / "models--someone--small"
    encoders.save(tiny.model, tiny.tokenizer, cached / "snapshots" / "abc")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    loaded = encoders.load("someone/small", layers=1)
    assert (loaded.name, loaded.layers) == ("someone/small", 1)
    folder = str(cached / "snapshots" / "abc")
    assert loaded.digest == encoders.load(folder, layers=1).digest


@pytest.mark.parametrize("file", ["tokenizer.json", "adapter_config.json"])
def test_a_cached_hub_id_is_tried_as_a_folder_is(tmp_path, monkeypatch, no_network, file):
    tiny = encoders.load("tiny")
    folder = tmp_path / "models--someone--half" / "snapshots" / "abc"
    encoders.save(tiny.model, tiny.tokenizer, folder)
    if file == "tokenizer.json":
        (folder / file).unlink()
    else:
        (folder / file).write_text("{}")
    (folder.parents[1] / "refs").mkdir()
    (folder.parents[1] / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    reason = "is an adapter" if file != "tokenizer.json" else "must hold its tokenizer|be read"
    with pytest.raises(EncoderError, match=reason) as caught:
        encoders.load("someone/half")
    assert "\n" not in str(caught.value)
