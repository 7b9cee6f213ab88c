"""The number format that losses compute in, and tensors on their way to a device."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch

__all__ = ["at_least_fp32", "on_device", "pins"]


def at_least_fp32(tensor: torch.Tensor) -> torch.Tensor:
    """The same values in fp32, or unchanged in fp64."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def pins(device: torch.device) -> bool:
    """Whether to use pinned memory, from which CUDA copies asynchronously."""
    return device.type == "cuda"


def on_device(values: npt.NDArray[Any] | torch.Tensor, device: torch.device) -> torch.Tensor:
    """The values as a tensor on the device, of the same shape and type.

    Args:
        values: On the host; must not be modified afterwards, since the copy may be asynchronous.
        device: The device.
    """
    tensor = values if isinstance(values, torch.Tensor) else torch.from_numpy(values)
    if pins(device):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
