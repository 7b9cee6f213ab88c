"""A checkpoint has all that is trained, and nothing that the encoder's files have."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from raysearch.config import read_config
from raysearch.methods import get_method
from raysearch.methods.weights import given_names, load_trained, trained
from raysearch.run import Cell

SMALL = {"encoder": "tiny", "corpora": "sample", "max_length": 32, "batch_size": 16}


class Pair(nn.Module):
    """An encoder with frozen embeddings, which a second part shares, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Embedding(5, 2), nn.Linear(2, 2))
        self.encoder[0].requires_grad_(False)
        self.copied = nn.Sequential(self.encoder[0], nn.Linear(2, 2).requires_grad_(False))
        self.head = nn.Linear(2, 1).requires_grad_(False)


def test_the_frozen_part_of_the_encoder_is_left_out_under_all_its_names() -> None:
    model = Pair()
    given = given_names(model, model.encoder)
    assert given == {"encoder.0.weight", "copied.0.weight"}
    kept = trained(model, given)
    assert set(kept) == {
        f"{part}.{name}"
        for part in ("encoder.1", "copied.1", "head")
        for name in ("weight", "bias")
    }
    other = Pair()
    before = other.encoder[0].weight.clone()
    load_trained(other, kept, given)
    assert torch.equal(other.head.weight, model.head.weight)
    assert torch.equal(other.encoder[0].weight, before)
    load_trained(other, model.state_dict(), given)  # of an earlier version
    assert torch.equal(other.encoder[0].weight, model.encoder[0].weight)
    with pytest.raises(RuntimeError, match="Missing key"):
        load_trained(other, {n: t for n, t in kept.items() if n != "head.bias"}, given)


@pytest.mark.parametrize(
    "settings",
    [
        {"freeze_embeddings": True},
        {"freeze_embeddings": False},
        {"variant": "frozen"},
        {"variant": "finetune", "freeze_embeddings": True},
    ],
)
def test_a_state_of_carl_has_no_untrained_weight_of_the_encoder(settings: dict[str, Any]) -> None:
    config = read_config(get_method("carl").config_type, {**SMALL, **settings}, where="test")
    method: Any = get_method("carl").build(
        config, Cell("sample", 0), device=torch.device("cpu"), roles=("train", "dev"), data_dir=""
    )
    kept = method.state_dict()["model"]
    words = [name for name in kept if name.endswith("word_embeddings.weight")]
    assert bool(words) is (settings.get("freeze_embeddings") is False)
    assert any(name.startswith("online.encoder.") for name in kept) is (
        settings.get("variant") != "frozen"
    )
