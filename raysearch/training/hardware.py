"""Chooses how a trial uses its device: threads, number formats, fused steps, pinned loading.

``precision: auto`` follows the device: on a CUDA device of capability 8.0 or more, bf16 autocast,
and TF32 for the products that autocast leaves in fp32; fp32 on any other. The inputs of those
products were computed in bf16, eight times coarser than TF32. With the explicit ``fp32`` and
``bf16`` no product runs in TF32, so that their numbers match every earlier version. ``fp32`` stays
the default: a configuration has the same numbers, up to rounding, on every node of a cluster,
and CARL's literal perturbation needs it.

The row records the choice (``provenance/precision``, ``tf32``, ``fused``, ``pinned``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from raysearch.methods.optim import fuses
from raysearch.methods.tensors import pins

__all__ = [
    "Hardware",
    "autocast",
    "choose_hardware",
    "matmul_format",
    "number_format",
    "torch_threads",
]

TENSOR_CORES = (8, 0)
"""Compute capability from which a CUDA device has bf16 and TF32 products."""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """How a trial uses its device.

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
        """The part that changes numbers; goes into every stage's key."""
        return f"{self.precision}+tf32" if self.tf32 else self.precision

    @property
    def annotations(self) -> dict[str, str]:
        """The entries of a row's provenance."""
        return {
            "precision": self.precision,
            "tf32": str(self.tf32).lower(),
            "fused": str(self.fused).lower(),
            "pinned": str(self.pinned).lower(),
        }


def choose_hardware(precision: str, device: torch.device) -> Hardware:
    """The choice for a device under a setting of `precision`."""
    auto = precision == "auto"
    capable = auto and device.type == "cuda" and _capability(device) >= TENSOR_CORES
    if auto:
        precision = "bf16" if capable else "fp32"
    return Hardware(precision=precision, tf32=capable, fused=fuses(device), pinned=pins(device))


@contextmanager
def matmul_format(hardware: Hardware) -> Iterator[None]:
    """Compute fp32 products in the chosen format inside, whatever the process had set."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if hardware.tf32 else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def autocast(precision: str) -> AbstractContextManager[Any]:
    """The number format of forward passes: ``fp32``, or ``bf16`` by autocast."""
    if precision == "fp32":
        return nullcontext()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.autocast(device, dtype=torch.bfloat16)


@contextmanager
def number_format(provenance: Mapping[str, str]) -> Iterator[None]:
    """Compute inside in the number format of a row, which its numbers were computed in.

    Args:
        provenance: The row's; fp32 where it does not say.
    """
    hardware = Hardware(
        precision="bf16" if provenance.get("precision") == "bf16" else "fp32",
        tf32=provenance.get("tf32") == "true",
        fused=False,
        pinned=False,
    )
    with matmul_format(hardware), autocast(hardware.precision):
        yield


def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Use this many torch threads inside; then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
