"""Decides how many trials share a GPU: the user's number, or as many as one trial's peak allows.

A trial's peak memory is measured in a separate task on a whole GPU, wherever the cluster has one.
"""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import ray
import torch
from ray.exceptions import GetTimeoutError, RayError

from raysearch.cluster.gpus import ACCELERATOR, claim_device, gpu_nodes
from raysearch.cluster.ray_session import ray_session
from raysearch.cluster.worker import enter_directory
from raysearch.config import TrainingConfig, read_config
from raysearch.errors import ConfigError, RaysearchError, RunError
from raysearch.methods import get_method
from raysearch.methods.base import Method
from raysearch.run import RunSpec
from raysearch.training.hardware import autocast, choose_hardware, matmul_format
from raysearch.training.progress import Position
from raysearch.training.provenance import device_name, pick_device
from raysearch.training.seed import derive_seed, seed_everything
from raysearch.training.steps import endless_batches, take_step

__all__ = [
    "MARGIN",
    "STEPS",
    "CudaMeter",
    "Meter",
    "Packing",
    "Peak",
    "ResidentMeter",
    "fraction",
    "measure_on_cluster",
    "measure_peak",
    "pack_by_peak",
]

STEPS = 20
"""Steps per stage; longer batches may come later, which the margin covers."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Measured memory.

    Attributes:
        taken: Bytes at the peak.
        total: Bytes of the device.
        device: Its name.
    """

    taken: int
    total: int
    device: str


class Meter(Protocol):
    """Measures a device's memory, in bytes."""

    def taken(self) -> int:
        """Peak of this process so far."""

    def total(self) -> int:
        """Total memory."""


class CudaMeter:
    """Memory of a GPU that nobody else may use meanwhile: all use counts as the trial's."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        torch.cuda.reset_peak_memory_stats(device)

    def taken(self) -> int:
        """Peak reserved by torch's allocator, plus memory outside of it: the context."""
        free, total = torch.cuda.mem_get_info(self._device)
        outside = total - free - torch.cuda.memory_reserved(self._device)
        return torch.cuda.max_memory_reserved(self._device) + max(0, outside)

    def total(self) -> int:
        """Of the whole GPU."""
        return torch.cuda.mem_get_info(self._device)[1]


class ResidentMeter:
    """Memory of the host: the peak resident size of this process.

    Linux's ``ru_maxrss`` survives ``exec`` and is at least the size of the parent process;
    the high-water mark in ``/proc`` is this program's own.
    """

    def taken(self) -> int:
        """In bytes; where there is no ``/proc`` (macOS), ``ru_maxrss`` is in bytes, too."""
        status = Path("/proc/self/status")
        if not status.exists():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024

    def total(self) -> int:
        """Of the whole machine."""
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def measure_peak(spec: RunSpec, *, data_dir: str, meter: Meter | None = None) -> Peak:
    """Run a few steps of a run, with an evaluation, and measure.

    Args:
        spec: The run; nothing is written to its folder.
        data_dir: Folder of the corpora.
        meter: Measures the memory; None for the meter of the device at hand.

    Raises:
        RaysearchError: Data or encoder cannot be used, or the device is too small.
    """
    device = pick_device()
    config = read_config(get_method(spec.method).config_type, spec.config, where="measured")
    hardware = choose_hardware(config.precision, device)
    config = replace(config, precision=hardware.precision)
    if meter is None:
        meter = CudaMeter(device) if device.type == "cuda" else ResidentMeter()
    seed_everything(derive_seed(spec.cell.seed, "build"))
    try:
        method = get_method(spec.method).build(
            config, spec.cell, device=device, roles=("train", "dev"), data_dir=data_dir
        )
        with matmul_format(hardware):
            _exercise(method, config, spec.cell.seed)
    except torch.OutOfMemoryError as error:
        text = str(error).split("\n")[0]
        raise RaysearchError(
            f"a trial must fit {device_name(device)} to share it, but does not: {text}"
        ) from error
    return Peak(taken=meter.taken(), total=meter.total(), device=device_name(device))


def _exercise(method: Method, config: TrainingConfig, seed: int) -> None:
    """Shortened version of every stage in `training.loop`; evaluates where memory peaks."""
    for stage in method.stages():
        method.begin(stage)
        batches = endless_batches(method, stage, seed, skip=0)
        position = Position()
        with suppress(RunError):  # a step that fails the trial uses its memory all the same
            for batch in islice(batches, min(STEPS, stage.steps)):
                take_step(method, config, stage, batch, position)
        with autocast(config.precision):
            if stage.reports:
                method.evaluate("dev")
            result = method.finish(stage)
        method.accept(stage, result)


MARGIN = 0.2
"""Fraction of the measured peak added for each trial: for longer batches and other settings."""
WAIT_SECONDS = 1800.0
"""Timeout of the measurement, including the start of a node with a GPU."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How trials share GPUs.

    Attributes:
        trials: Workers on one GPU; at least 1.
        peak: The measurement; None if the user chose the number.
    """

    trials: int
    peak: Peak | None = None

    @property
    def annotations(self) -> dict[str, str]:
        """The columns of every row of the sweep."""
        found = {"pack": str(self.trials)}
        if self.peak is not None:
            found |= {
                "pack_peak_bytes": str(self.peak.taken),
                "pack_total_bytes": str(self.peak.total),
                "pack_margin": f"{MARGIN:g}",
            }
        return found


def fraction(trials: int) -> float:
    """GPUs per worker, rounded down to Ray's ten-thousandths, so that all of them fit."""
    return math.floor(10_000 / trials) / 10_000


def pack_by_peak(peaks: Sequence[Peak]) -> Packing:
    """As many trials as fit each type of GPU with the margin; a single one may use the margin up.

    A share of a GPU is one for all types, so the one that holds the fewest decides. A type that
    does not hold a trial decides nothing: its trials go to another.

    Args:
        peaks: Of each type, at least one.

    Raises:
        ConfigError: Not even one fits any.
    """
    fitting = [peak for peak in peaks if peak.taken <= peak.total]
    if not fitting:
        peak = peaks[0]
        raise ConfigError(
            f"`--pack auto` must find room for one trial, but it takes {peak.taken / 1e9:.2f} GB "
            f"of the {peak.total / 1e9:.2f} GB of {peak.device}"
        )
    return min((_packing(peak) for peak in fitting), key=lambda packing: packing.trials)


def _packing(peak: Peak) -> Packing:
    return Packing(trials=max(1, int(peak.total / (peak.taken * (1 + MARGIN)))), peak=peak)


def measure_on_cluster(
    spec: RunSpec,
    *,
    data_dir: str,
    address: str | None = None,
    cpus: float = 1.0,
    gpus: float = 1.0,
    gpu_types: Collection[str] = (),
) -> tuple[Peak, ...]:
    """Measure a run's peak, on each type of GPU that the cluster has, in separate tasks.

    Args:
        spec: The run.
        data_dir: Folder of the corpora, on every node.
        address: Ray cluster to join; None starts a Ray on this machine.
        cpus: CPUs of the task.
        gpus: GPUs of the task; with 0, memory of the host is measured.
        gpu_types: The types that the sweep may have; empty for any.

    Returns:
        Of each type that the run fits; if there is none, of the first node to come up.

    Raises:
        ConfigError: The run cannot be executed, or no GPU became available.
    """
    with ray_session(address):
        # Called once in a fresh process, so that the peak is this run's alone.
        resources = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": 0, "max_calls": 1}
        task = ray.remote(**resources)(_measured)
        types = set(gpu_nodes().values()) - {""} if gpus > 0 else set()
        types = types & set(gpu_types) or set(gpu_types) or types
        where = [{ACCELERATOR: kind} for kind in sorted(types)] or [{}]
        tasks = [
            task.options(label_selector=label).remote(spec, data_dir, os.getcwd())
            for label in where
        ]
        try:
            found: list[Peak | str] = ray.get(tasks, timeout=WAIT_SECONDS)
        except GetTimeoutError as error:
            raise ConfigError(
                f"`--pack auto` must find a GPU to measure on, but none was free within "
                f"{WAIT_SECONDS / 60:.0f} min; give `--pack N`"
            ) from error
        except RayError as error:
            last = str(error).strip().split("\n")[-1]
            raise ConfigError(
                f"`--pack auto` must be able to measure a trial, but its process ended ({last}); "
                "give `--pack N`"
            ) from error
    peaks = tuple(peak for peak in found if isinstance(peak, Peak))
    if not peaks:
        raise ConfigError(f"`--pack auto` must be able to measure a trial, but: {found[0]}")
    return peaks


def _measured(spec: RunSpec, data_dir: str, directory: str) -> Peak | str:
    """The peak, or why it could not be measured."""
    enter_directory(directory)
    claim_device(len(ray.get_gpu_ids()))
    torch.set_num_threads(1)
    try:
        return measure_peak(spec, data_dir=data_dir)
    except RaysearchError as error:
        return str(error)
