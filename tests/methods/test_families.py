"""Every family of encoders through both methods: load, truncate, step, keep, export, open again."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from small_encoders import FAMILIES, write_encoder
from transformers import AutoModel, AutoTokenizer

from raysearch import encoders
from raysearch.config import read_config
from raysearch.encoders.quiet import quiet
from raysearch.methods import get_method
from raysearch.run import Cell
from raysearch.training.state_file import read_state, write_state

SETTINGS = {
    "carl": {"corpora": "sample", "pooling": "cls"},
    "msmo": {"pairs": "en-es", "variant": "zero_shot"},
}
TEXTS = ["The food was good , but the waiter came late .", "No !"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def built(method: str, encoder: str) -> Any:
    own = {"encoder": encoder, "layers": 2, "max_length": 64, "batch_size": 8}
    loader = get_method(method)
    config = read_config(loader.config_type, {**own, **SETTINGS[method]}, where="test")
    cell = Cell(loader.tasks(config)[0], 0)
    roles = ("train", "dev")
    return loader.build(config, cell, device=torch.device("cpu"), roles=roles, data_dir="nowhere")


def encoder_of(trial: Any) -> Any:
    return (trial.network if trial.name == "msmo" else trial.model).encoder


def states(model: Any, tokenizer: Any) -> list[torch.Tensor]:
    """Of every text alone, by the ids that the tokenizer gives it."""
    training = model.training
    model.eval()
    with torch.no_grad():
        ids = [torch.tensor([tokenizer(text)["input_ids"]]) for text in TEXTS]
        found = [model(input_ids=each).last_hidden_state[0] for each in ids]
    model.train(training)
    return found


def kept(state: Any) -> Any:
    """A state after a file."""
    file = BytesIO()
    digest = write_state(file, state, kind="test", key="family")
    file.seek(0)
    return read_state(file, kind="test", key="family", digest=digest)[0]


@pytest.mark.slow
@pytest.mark.parametrize("method", SETTINGS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_states_wherever_they_are(method: str, family: str, tmp_path: Path) -> None:
    name = write_encoder(family, tmp_path / "encoder")
    trial, again = built(method, name), built(method, name)
    stage = trial.stages()[-1]
    trial.begin(stage)
    tokenizer = encoders.load(name).tokenizer
    before = states(encoder_of(trial), tokenizer)
    for update in trial.updates(next(iter(trial.batches(stage, 0))), 0):
        update.loss.backward()
        if update.step:
            trial.optimizers[update.optimizer].step()
    trained = states(encoder_of(trial), tokenizer)
    assert not torch.equal(trained[0], before[0])

    again.begin(stage, kept(trial.state_dict()))
    for one, other in zip(states(encoder_of(again), tokenizer), trained, strict=True):
        assert torch.equal(one, other)

    again.save_encoder(str(tmp_path / "out" / "export"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["export"]
    pooling = tmp_path / "out" / "export" / "1_Pooling" / "config.json"
    if method == "carl":
        assert json.loads(pooling.read_text())["pooling_mode_cls_token"]
    assert pooling.exists() == (method == "carl")
    with quiet():
        opened = AutoModel.from_pretrained(tmp_path / "out" / "export")
        read = AutoTokenizer.from_pretrained(tmp_path / "out" / "export")
    exported = encoders.load(str(tmp_path / "out" / "export"))
    assert (exported.layers, opened.config.num_hidden_layers) == (2, 2)
    for model, own in ((opened, read), (exported.model, exported.tokenizer)):
        for one, other in zip(states(model, own), trained, strict=True):
            assert torch.allclose(one, other, atol=1e-6)
