"""How much of a device's memory does a trial take at its peak, all of its process included?

A few steps of every stage and one evaluation are run and thrown away, in a process of its own:
what a process once reserved, and what its CUDA context takes, comes back only with its end.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import torch

from raysearch.config import TrainingConfig, read_config
from raysearch.errors import RaysearchError, TrialError
from raysearch.methods import get_method
from raysearch.methods.base import Method
from raysearch.training.hardware import choose_hardware, matmul_format
from raysearch.training.progress import Position
from raysearch.training.provenance import device_name, pick_device
from raysearch.training.seed import derive_seed, seed_everything
from raysearch.training.steps import autocast, endless_batches, take_step
from raysearch.trial import Lease

__all__ = ["STEPS", "CudaMeter", "Meter", "Peak", "ResidentMeter", "measure_peak"]

STEPS = 20
"""Steps of each stage; a longer batch than these may come later, for which there is a margin."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """What was measured.

    Attributes:
        taken: Bytes at the peak.
        total: Bytes that the device has.
        device: Its name.
    """

    taken: int
    total: int
    device: str


class Meter(Protocol):
    """Reads a device's memory, in bytes."""

    def taken(self) -> int:
        """The most that this process took so far."""

    def total(self) -> int:
        """What there is."""


class CudaMeter:
    """Memory of a GPU that nobody else uses meanwhile; else theirs counts as the trial's."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        torch.cuda.reset_peak_memory_stats(device)

    def taken(self) -> int:
        """What torch's allocator reserved at its peak, and what lies outside: the context."""
        free, total = torch.cuda.mem_get_info(self._device)
        outside = total - free - torch.cuda.memory_reserved(self._device)
        return torch.cuda.max_memory_reserved(self._device) + max(0, outside)

    def total(self) -> int:
        """Of the whole GPU."""
        return torch.cuda.mem_get_info(self._device)[1]


class ResidentMeter:
    """Memory of the host: the most that was ever resident of this process.

    Linux's ``ru_maxrss`` is no less than the size of whatever process started this one, which
    it keeps over ``exec``; the high-water mark of ``/proc`` is this program's own.
    """

    def taken(self) -> int:
        """In bytes; where there is no ``/proc`` (macOS), ``ru_maxrss`` has bytes, too."""
        status = Path("/proc/self/status")
        if not status.exists():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024

    def total(self) -> int:
        """Of the whole machine."""
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def measure_peak(lease: Lease, *, data_dir: str, meter: Meter | None = None) -> Peak:
    """Run a few steps of a lease, with an evaluation, and read the meter.

    Args:
        lease: What to run; nothing is written to its folder.
        data_dir: Folder of the corpora.
        meter: What reads the memory; None for that of the device at hand.

    Raises:
        RaysearchError: Data or encoder cannot be used, or the device is too small.
    """
    device = pick_device()
    config = read_config(get_method(lease.method).config_type, lease.config, where="measured")
    hardware = choose_hardware(config.precision, device)
    config = replace(config, precision=hardware.precision)
    if meter is None:
        meter = CudaMeter(device) if device.type == "cuda" else ResidentMeter()
    seed_everything(derive_seed(lease.cell.seed, "build"))
    try:
        method = get_method(lease.method).build(
            config, lease.cell, device=device, roles=("train", "dev"), data_dir=data_dir
        )
        with matmul_format(hardware):
            _exercise(method, config, lease.cell.seed)
    except torch.OutOfMemoryError as error:
        text = str(error).split("\n")[0]
        raise RaysearchError(
            f"a trial must fit {device_name(device)} to share it, but does not: {text}"
        ) from error
    return Peak(taken=meter.taken(), total=meter.total(), device=device_name(device))


def _exercise(method: Method, config: TrainingConfig, seed: int) -> None:
    """Every stage as in `training.loop`, but short; an evaluation where its memory is largest."""
    for stage in method.stages():
        method.begin(stage)
        batches = endless_batches(method, stage, seed, skip=0)
        position = Position()
        with suppress(TrialError):  # a step that ends a trial takes its memory all the same
            for batch in islice(batches, min(STEPS, stage.steps)):
                take_step(method, config, stage, batch, position)
        with autocast(config.precision):
            if stage.reports:
                method.evaluate("dev")
            result = method.finish(stage)
        method.accept(stage, result)
