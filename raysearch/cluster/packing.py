"""How many trials share a GPU: as many as the user says, or as one trial's peak leaves room for?

One trial's peak is measured in a task of its own on a whole GPU, wherever the cluster has one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import ray
from ray.exceptions import GetTimeoutError, RayError

from raysearch.cluster.ray_session import ray_session
from raysearch.errors import ConfigError, RaysearchError
from raysearch.training.peak import Peak, measure_peak
from raysearch.trial import Lease

__all__ = ["MARGIN", "Packing", "fraction", "measure_on_cluster", "pack_by_peak"]

MARGIN = 0.2
"""Share of the measured peak that a trial gets on top: for longer batches and other settings."""
WAIT_SECONDS = 1800.0
"""So long the measuring may take, the coming up of a node with a GPU included."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How trials share GPUs.

    Attributes:
        trials: Workers on one GPU; at least 1.
        peak: What was measured; None where the user gave the number.
    """

    trials: int
    peak: Peak | None = None

    @property
    def stated(self) -> dict[str, str]:
        """As it stands in every row of the sweep."""
        found = {"pack": str(self.trials)}
        if self.peak is not None:
            found |= {
                "pack_peak_bytes": str(self.peak.taken),
                "pack_total_bytes": str(self.peak.total),
                "pack_margin": f"{MARGIN:g}",
            }
        return found


def fraction(trials: int) -> float:
    """GPUs of one of so many workers; Ray counts ten-thousandths, of which none may be too many."""
    return math.floor(10_000 / trials) / 10_000


def pack_by_peak(peak: Peak) -> Packing:
    """As many trials as fit with the margin; one may use the margin up.

    Raises:
        ConfigError: Not even one fits.
    """
    if peak.taken > peak.total:
        raise ConfigError(
            f"`--pack auto` must find room for one trial, but it takes {peak.taken / 1e9:.2f} GB "
            f"of the {peak.total / 1e9:.2f} GB of {peak.device}"
        )
    return Packing(trials=max(1, int(peak.total / (peak.taken * (1 + MARGIN)))), peak=peak)


def measure_on_cluster(
    lease: Lease, *, data_dir: str, address: str | None = None, cpus: float = 1.0, gpus: float = 1.0
) -> Peak:
    """Measure a lease's peak in a task of its own.

    Args:
        lease: What to run.
        data_dir: Folder of the corpora, on every node.
        address: Ray cluster to join; None starts a Ray on this machine.
        cpus: CPUs that the task holds.
        gpus: GPUs that it holds; with 0, memory of the host is measured.

    Raises:
        ConfigError: The lease cannot be run, or no GPU came.
    """
    with ray_session(address):
        # The one call of a fresh process: its peak holds nothing of another's.
        resources = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": 0, "max_calls": 1}
        task = ray.remote(**resources)(_measured)
        try:
            found: Peak | str = ray.get(task.remote(lease, data_dir), timeout=WAIT_SECONDS)
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
    if isinstance(found, str):
        raise ConfigError(f"`--pack auto` must be able to measure a trial, but: {found}")
    return found


def _measured(lease: Lease, data_dir: str) -> Peak | str:
    """The peak, or why there is none."""
    import torch

    torch.set_num_threads(1)
    try:
        return measure_peak(lease, data_dir=data_dir)
    except RaysearchError as error:
        return str(error)
