"""How far an encoder moved: by hand, and what CARL reports of it."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from raysearch.config import read_config
from raysearch.methods import get_method
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.movement import StartWeights, displacement
from raysearch.run import Cell


def test_by_hand() -> None:
    start = np.array([[0.0, 0.0], [2.0, 0.0]])  # spread 2
    assert displacement(start, start) == 0
    assert displacement(start, start + [5.0, -3.0]) == pytest.approx(0)  # all alike
    moved = start + np.array([[0.0, 0.1], [0.0, -0.1]])
    assert displacement(start, moved) == pytest.approx(0.1)
    assert math.isnan(displacement(np.ones((3, 2)), np.eye(3)[:, :2]))


def test_the_first_weights_come_and_go() -> None:
    encoder = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Linear(1, 1))
    encoder[1].requires_grad_(False)
    start = StartWeights(encoder)
    first = encoder[0].weight.detach().clone()
    with torch.no_grad():
        encoder[0].weight += 1
        encoder[1].weight += 1  # not trained: stays what it is
    trained, kept = encoder[0].weight.detach().clone(), encoder[1].weight.detach().clone()
    with pytest.raises(RuntimeError), start.restored(encoder):
        assert torch.equal(encoder[0].weight, first) and torch.equal(encoder[1].weight, kept)
        raise RuntimeError
    assert torch.equal(encoder[0].weight, trained)


def test_under_autocast_each_pass_takes_its_own_weights() -> None:
    """Autocast keeps bf16 copies of weights, whatever has become of the weights."""
    encoder = nn.Linear(4, 4, bias=False)
    start, rows = StartWeights(encoder), torch.eye(4)
    first = encoder.weight.detach().clone()
    with torch.no_grad():
        encoder.weight += 1
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        now = encoder(rows)
        with start.restored(encoder):
            before = encoder(rows)
        again = encoder(rows)
    assert torch.equal(before, first.T.bfloat16())
    assert torch.equal(again, now) and not torch.equal(before, now)


@pytest.mark.parametrize("rate, low, high", [(1e-9, -1, 1e-3), (1e-2, 0.05, math.inf)])
def test_carl_reports_it(rate: float, low: float, high: float) -> None:
    settings = {"encoder": "tiny", "corpora": "sample", "learning_rate": rate, "max_length": 16}
    method = get_method("carl").build(
        read_config(CarlConfig, settings, where="test"),
        Cell("sample", 0),
        device=torch.device("cpu"),
        roles=("train", "dev"),
        data_dir="nowhere",
    )
    assert method.evaluate("dev")["dev/encoder_moved"] == 0
    [stage] = method.stages()
    method.begin(stage)
    for step, batch in zip(range(3), method.batches(stage, 0), strict=False):
        for update in method.updates(batch, step):
            update.loss.backward()
            if update.step:
                method.optimizers["main"].step()
    assert low < method.evaluate("dev")["dev/encoder_moved"] < high
