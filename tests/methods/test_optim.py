"""AdamW's groups: which rate and which decay each parameter gets."""

import torch
from torch import nn

from raysearch.config import TrainingConfig
from raysearch.methods.optim import adamw


def test_four_groups_hold_every_trained_parameter_once() -> None:
    encoder = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm(4))
    encoder[0].weight.requires_grad_(False)
    head = nn.Linear(4, 1)
    config = TrainingConfig(learning_rate=1e-4, head_learning_rate=1e-2, weight_decay=0.1)
    groups = adamw(encoder, [head], config).param_groups
    assert [(g["lr"], g["weight_decay"], len(g["params"])) for g in groups] == [
        (1e-4, 0.1, 1),  # the linear weight
        (1e-4, 0.0, 3),  # its bias, the norm's weight and bias
        (1e-2, 0.1, 1),
        (1e-2, 0.0, 1),
    ]
    found = {id(p) for group in groups for p in group["params"]}
    wanted = {id(p) for p in (*encoder.parameters(), *head.parameters()) if p.requires_grad}
    assert found == wanted


def test_decay_shrinks_matrices_and_no_vectors() -> None:
    layer = nn.Linear(3, 3)
    nn.init.ones_(layer.weight)
    nn.init.ones_(layer.bias)
    optimizer = adamw(layer, [], TrainingConfig(learning_rate=0.1, weight_decay=0.5))
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.allclose(layer.weight, torch.full((3, 3), 0.95))
    assert torch.equal(layer.bias, torch.ones(3))
