"""Shows the progress of one run that trains in this process."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from raysearch.render.terminal import Terminal
from raysearch.run import Report

__all__ = ["TrialProgress"]


class TrialProgress:
    """A listener of the training loop that draws a bar and prints a line per report.

    Args:
        label: Description of the run.
        console: Output; standard error by default, so that tables can be piped.
    """

    def __init__(self, label: str, console: Terminal | None = None) -> None:
        self.console = console or Terminal(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._task = self._bar.add_task(label, total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def started(self, device: str, provenance: Mapping[str, str]) -> None:
        """Print the device and the sources."""
        self.console.print(
            f"corpora {provenance.get('corpora', '')} · encoder {provenance.get('encoder', '')} · "
            f"{device}",
        )

    def progress(self, step: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step, total=total)

    def report(self, report: Report) -> None:
        """Print the development means of this report."""
        means = [
            f"{name} {value:.4f}"
            for name, value in sorted(report.metrics.items())
            if name.startswith("dev/") and name.count("/") == 1
        ]
        self.console.print(f"step {report.step}: " + ", ".join(means[:6]))

    def stopped(self) -> bool:
        """Never: a single trial runs to its end."""
        return False

    def preempted(self) -> bool:
        """Never: nobody would resume the trial elsewhere."""
        return False

    def owns(self) -> bool:
        """Always: nobody else trains it."""
        return True
