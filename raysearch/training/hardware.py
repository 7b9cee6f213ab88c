"""What of its device a trial uses: threads, number formats, fused steps, pinned loading.

``precision: auto`` leaves the number format to the device: bf16 autocast, and TF32 for the
products that autocast leaves in fp32, on a CUDA device of capability 8.0 or more, which has
both; fp32 on any other. What reaches those products was computed in bf16, eight times
coarser than TF32. A named format is taken at its word: with ``fp32`` and ``bf16`` no product
runs in TF32, so that their numbers are those of every earlier version. ``fp32`` stays the
default: one configuration has the same numbers, up to rounding, on every node of a cluster,
and CARL's literal perturbation needs it.

What was used stands in the row (``provenance/precision``, ``tf32``, ``fused``, ``pinned``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from raysearch.methods.optim import fuses
from raysearch.methods.tensors import pins

__all__ = ["Hardware", "choose_hardware", "matmul_format", "torch_threads"]

TENSOR_CORES = (8, 0)
"""Compute capability from which a CUDA device has bf16 and TF32 products."""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What a trial uses of its device.

    Attributes:
        precision: Number format of the forward passes: ``fp32``, or ``bf16`` by autocast.
        tf32: Whether fp32 products run in TF32.
        fused: Whether AdamW steps in one kernel.
        pinned: Whether batches go through pinned memory.
    """

    precision: str
    tf32: bool
    fused: bool
    pinned: bool

    @property
    def numbers(self) -> str:
        """What of it changes numbers; part of every stage's key."""
        return f"{self.precision}+tf32" if self.tf32 else self.precision

    @property
    def annotations(self) -> dict[str, str]:
        """As it stands in a row."""
        return {
            "precision": self.precision,
            "tf32": str(self.tf32).lower(),
            "fused": str(self.fused).lower(),
            "pinned": str(self.pinned).lower(),
        }


def choose_hardware(precision: str, device: torch.device) -> Hardware:
    """What a trial with this setting of `precision` uses on a device."""
    auto = precision == "auto"
    capable = auto and device.type == "cuda" and _capability(device) >= TENSOR_CORES
    if auto:
        precision = "bf16" if capable else "fp32"
    return Hardware(precision=precision, tf32=capable, fused=fuses(device), pinned=pins(device))


@contextmanager
def matmul_format(hardware: Hardware) -> Iterator[None]:
    """Inside, fp32 products run as chosen, whatever the process had set."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if hardware.tf32 else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Inside, torch has so many threads; then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
