"""The weights of a trial that training changes, without those that its encoder's files have."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import nn

__all__ = ["given_names", "load_trained", "trained"]


def given_names(module: nn.Module, encoder: nn.Module) -> frozenset[str]:
    """Names in the module's state of the encoder's parameters that are not trained.

    Such as frozen word embeddings, most of a small encoder's bytes. A parameter that several parts
    share has several names.

    Args:
        module: Contains the encoder; asked before anything is frozen for a time.
        encoder: As it was loaded.
    """
    given = {id(parameter) for parameter in encoder.parameters() if not parameter.requires_grad}
    named = module.named_parameters(remove_duplicate=False)
    return frozenset(name for name, parameter in named if id(parameter) in given)


def trained(module: nn.Module, given: Collection[str]) -> dict[str, torch.Tensor]:
    """References to all weights and buffers but the given ones."""
    state = module.state_dict()
    return {name: tensor.detach() for name, tensor in state.items() if name not in given}


def load_trained(
    module: nn.Module, weights: Mapping[str, torch.Tensor], given: Collection[str]
) -> None:
    """Load the weights of `trained`; those of earlier versions have the given ones, too.

    Raises:
        RuntimeError: One is missing, unknown or of another shape.
    """
    state = module.state_dict()
    own = {name: state[name] for name in given if name not in weights}
    module.load_state_dict({**own, **weights})
