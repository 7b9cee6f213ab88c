"""How is a row trained again as it was: its settings, its cell, its threads, as far as it went?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from raysearch.analysis.replay import TOLERANCE, Replay, compare_replay
from raysearch.api.restore import lease_of
from raysearch.cluster.session_folder import scratch_folder
from raysearch.devices import cpu_threads
from raysearch.render.progress import TrialProgress
from raysearch.render.terminal import Terminal
from raysearch.run import Report, Run, RunState
from raysearch.storage.place import join

__all__ = ["replay"]


class _AsFarAs(TrialProgress):
    """Shows a trial and stops it after a rung; keeps what it reported.

    Args:
        label: What is trained.
        rung: The last one; None for the trial's own end.
        console: Where to.
    """

    def __init__(self, label: str, rung: int | None, console: Terminal) -> None:
        super().__init__(label, console)
        self._rung = rung
        self.reports: list[Report] = []
        self.provenance: Mapping[str, str] = {}

    def started(self, device: str, provenance: Mapping[str, str]) -> None:
        """Keep what the numbers come from."""
        self.provenance = dict(provenance)
        super().started(device, provenance)

    def report(self, report: Report) -> None:
        """Keep it, and show it."""
        self.reports.append(report)
        super().report(report)

    def stopped(self) -> bool:
        """Whether the rung is reached."""
        return self._rung is not None and len(self.reports) >= self._rung


def replay(row: Run, data_dir: str, *, tolerance: float = TOLERANCE, quiet: bool = False) -> Replay:
    """Train a row again in this process and compare; nothing of the sweep is read or written.

    Args:
        row: A finished row with its curve; a pruned one is trained to the report it ended at.
        data_dir: Folder of the corpora.
        tolerance: What another machine or version may explain.
        quiet: Whether nothing is shown meanwhile.

    Raises:
        RaysearchError: Its settings are not known to this version, or its data or encoder are
            not there.
    """
    import torch

    from raysearch.training.provenance import device_name, pick_device
    from raysearch.training.run import run_lease
    from raysearch.training.threads import torch_threads

    last = len(row.curve) if row.state is RunState.PRUNED else None
    console = Terminal(stderr=True, quiet=quiet)
    threads = cpu_threads(row.device) or torch.get_num_threads()  # sums are split by them
    with scratch_folder("replay") as folder, torch_threads(threads):
        scratch = str(folder)
        lease = replace(lease_of(row, scratch), keep=False)
        with _AsFarAs(f"trial {row.id}", last, console) as listener:
            again = run_lease(lease, listener, data_dir=data_dir, stages=join(scratch, "stages"))
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
