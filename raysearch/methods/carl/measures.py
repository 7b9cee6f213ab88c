"""Which scalars show how a step went, at next to no cost: gradient lengths, batch geometry."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from raysearch.distributed import world_size
from raysearch.methods.numerics import widened

__all__ = ["batch_geometry", "length_of_gradient"]


def length_of_gradient(tensor: torch.Tensor, minus: torch.Tensor | None = None) -> torch.Tensor:
    """A scalar that the coming backward pass fills with the length of the tensor's gradient.

    Read at the word embeddings, the deepest point that both terms reach. Over several workers
    the mean of the scalars is about the length of the whole batch's gradient.

    Args:
        tensor: Has a graph.
        minus: A part of the gradient that is not to be counted.
    """
    length = torch.zeros((), device=tensor.device)

    def measure(gradient: torch.Tensor) -> None:
        rest = gradient if minus is None else gradient - minus
        length.copy_(rest.norm() / math.sqrt(world_size()))

    tensor.register_hook(measure)  # type: ignore[no-untyped-call]
    return length


@torch.no_grad()
def batch_geometry(queries: torch.Tensor, keys: torch.Tensor) -> dict[str, torch.Tensor]:
    """How the batch lies on the sphere: collapse shows here first.

    ``branch_alignment`` is the mean squared distance of a sentence's query and key,
    ``uniformity`` the log mean of exp(-2 d²) over pairs of queries, ``prediction_sd`` the mean
    sd of a coordinate times √D: 1 when spread evenly, 0 when collapsed.
    """
    queries = functional.normalize(widened(queries), dim=-1)
    keys = functional.normalize(widened(keys), dim=-1)
    spread = torch.pdist(queries).square().mul(-2).exp().mean().log()
    return {
        "branch_alignment": (queries - keys).square().sum(-1).mean(),
        "uniformity": spread,
        "prediction_sd": queries.std(0).mean() * math.sqrt(queries.shape[-1]),
    }
