"""AdamW for the networks of any method: rates and weight decay of groups of parameters."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from raysearch.config import TrainingConfig

__all__ = ["adamw", "fuses"]


def fuses(device: torch.device) -> bool:
    """Whether AdamW has a kernel that steps all parameters of a device at once."""
    return device.type in ("cuda", "cpu")


def adamw(
    encoder: nn.Module, heads: Iterable[nn.Module], config: TrainingConfig
) -> torch.optim.AdamW:
    """AdamW over an encoder and the heads on it.

    Four groups: encoder and heads each have their own peak learning rate, and vectors (biases,
    normalisation weights) have no decay. Parameters that need no gradient are left out.

    Args:
        encoder: Pre-trained; trained at `config.learning_rate`.
        heads: Modules that start from random weights; trained at `config.head_learning_rate`.
        config: Rates and decay.

    Returns:
        The optimizer, with the fused kernel where the parameters' device has one.
    """
    groups = []
    rates = ((config.learning_rate, [encoder]), (config.head_learning_rate, list(heads)))
    for rate, modules in rates:
        trained = [p for module in modules for p in module.parameters() if p.requires_grad]
        for decay, chosen in (
            (config.weight_decay, [p for p in trained if p.ndim > 1]),
            (0.0, [p for p in trained if p.ndim <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, fused=fuses(next(encoder.parameters()).device))
