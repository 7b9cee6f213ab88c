"""Rows trained again as they were: settings, cell, threads, and as far as they went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch

from raysearch import corpora
from raysearch.analysis.replay import TOLERANCE, compare_replay
from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import Folder
from raysearch.api.select import rows_of
from raysearch.api.trials import spec_of
from raysearch.cluster.session_folder import scratch_folder
from raysearch.devices import cpu_threads
from raysearch.errors import ConfigError
from raysearch.findings.audit import Replay
from raysearch.run import Report, Run, RunState
from raysearch.storage.uri import join
from raysearch.training.hardware import torch_threads
from raysearch.training.progress import Listener
from raysearch.training.provenance import device_name, pick_device
from raysearch.training.run import execute_run

__all__ = ["check_tolerance", "replay", "replay_run"]


def replay(
    row: str,
    *,
    task: str | None = None,
    seed: int | None = None,
    tolerance: float = TOLERANCE,
    data_dir: Folder | None = None,
    messages: Messages = QUIET,
) -> Iterator[Replay]:
    """Train the cells of a trial again, and compare every number of every report.

    Args:
        row: ``SWEEP:N``.
        task: Only the cell of this corpus or pair.
        seed: Only the cell of this seed.
        tolerance: Largest difference that another machine or version may explain, relative for
            numbers above 1.
        data_dir: Folder of the corpora.
        messages: Where training is shown.

    Returns:
        What came of each cell, as soon as it is trained.

    Raises:
        ConfigError: There is no such row, or the tolerance is below 0.
    """
    check_tolerance(tolerance)
    _, rows = rows_of(row, task=task, seed=seed)
    folder = str(corpora.data_dir(data_dir))
    return (replay_run(run, folder, tolerance=tolerance, messages=messages) for run in rows)


def check_tolerance(tolerance: float) -> None:
    """See that differences can be compared with it.

    Raises:
        ConfigError: It is below 0 or not a number.
    """
    if not tolerance >= 0:
        raise ConfigError(f"`--tolerance` must be >= 0, but got {tolerance}")


def replay_run(
    row: Run, data_dir: str, *, tolerance: float = TOLERANCE, messages: Messages = QUIET
) -> Replay:
    """Train a row again in this process and compare; nothing of the sweep is read or written.

    Args:
        row: A finished row with its curve; a pruned one is trained to the report it ended at.
        data_dir: Folder of the corpora.
        tolerance: What another machine or version may explain.
        messages: Where training is shown.

    Raises:
        RaysearchError: Its settings are not known to this version, or its data or encoder are
            not there.
    """
    last = len(row.curve) if row.state is RunState.PRUNED else None
    threads = cpu_threads(row.device) or torch.get_num_threads()  # sums are split by them
    with scratch_folder("replay") as folder, torch_threads(threads):
        scratch = str(folder)
        spec = replace(spec_of(row, scratch), keep=False)
        with messages.training(f"trial {row.id}") as shown:
            listener = _AsFarAs(shown, last)
            again = execute_run(spec, listener, data_dir=data_dir, stages=join(scratch, "stages"))
        if again is None:  # the listener stopped it, as the sweep stopped the row
            reports = listener.reports
            again = replace(
                row,
                curve=tuple(reports),
                metrics=reports[-1].metrics if reports else {},
                device=device_name(pick_device()),
                provenance=listener.provenance,
            )
    return compare_replay(row, again, tolerance=tolerance)


class _AsFarAs:
    """Passes on what a trial says, keeps its reports, and stops it after a rung.

    Args:
        listener: Who is told.
        rung: The last one; None for the trial's own end.
    """

    def __init__(self, listener: Listener, rung: int | None) -> None:
        self._listener = listener
        self._rung = rung
        self.reports: list[Report] = []
        self.provenance: Mapping[str, str] = {}

    def started(self, device: str, provenance: Mapping[str, str]) -> None:
        """Keep what the numbers come from."""
        self.provenance = dict(provenance)
        self._listener.started(device, provenance)

    def progress(self, step: int, total: int) -> None:
        """Pass it on."""
        self._listener.progress(step, total)

    def report(self, report: Report) -> None:
        """Keep it."""
        self.reports.append(report)
        self._listener.report(report)

    def stopped(self) -> bool:
        """Whether the rung is reached."""
        return self._rung is not None and len(self.reports) >= self._rung

    def preempted(self) -> bool:
        """Never: nobody would go on with the trial elsewhere."""
        return False

    def owns(self) -> bool:
        """Always: nobody else trains it."""
        return True
