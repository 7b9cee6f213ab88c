"""Records what is needed to reproduce a row: device, versions, digests."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch

from raysearch.devices import cpu_device
from raysearch.training.origin import commit_of, package_digest, versions
from raysearch.version import PACKAGE

__all__ = ["cpu_name", "device_name", "pick_device", "provenance"]


def pick_device() -> torch.device:
    """This worker's device: torch's current CUDA device, or the CPU where none is visible.

    The current one is the first, unless whoever started the worker has set another.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def device_name(device: torch.device) -> str:
    """``cpu (2 threads)`` or the name of the GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return cpu_device(torch.get_num_threads())


@cache
def cpu_name() -> str:
    """Model of the processor and torch's vector instructions, which determine rounding."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model} ({torch.backends.cpu.get_cpu_capability()})"


@cache
def provenance(method: str = "") -> dict[str, str]:
    """Versions of packages, commit of the own checkout, digests of package and code, machine.

    Args:
        method: A method whose code counts, too, if another package adds it.
    """
    package = PACKAGE
    return {
        **versions(method),
        "host": platform.node(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "package": package_digest(package),
        **commit_of(package),
    }
