"""The position of a trial, and the listeners that follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from raysearch.run import Report

__all__ = ["Listener", "NullListener", "Position"]


class Listener(Protocol):
    """Receives a trial's progress. Only worker 0 calls it, but each worker asks `preempted`."""

    def started(self, device: str, provenance: Mapping[str, str]) -> None:
        """The trial starts or resumes on this device."""

    def progress(self, step: int, total: int) -> None:
        """Optimizer steps done and in total; called every few steps."""

    def report(self, report: Report) -> None:
        """A point of the curve; after a resume all earlier points are repeated, unchanged."""

    def stopped(self) -> bool:
        """Whether to end the trial; called after reports and every few steps."""

    def preempted(self) -> bool:
        """Whether this worker's node is about to go; called after every step, must be cheap."""

    def owns(self) -> bool:
        """Whether the trial is still this process's; called before each of its files is written.

        Another process may have got the trial while this one was unreachable. An answer that is
        outdated by a moment only costs steps: files are replaced whole, and whoever trains the
        trial gets the same numbers.
        """


class NullListener:
    """A listener for a trial that nobody watches, stops, or trains elsewhere."""

    def started(self, device: str, provenance: Mapping[str, str]) -> None:
        """Ignored."""

    def progress(self, step: int, total: int) -> None:
        """Ignored."""

    def report(self, report: Report) -> None:
        """Ignored: the trial's record has the curve."""

    def stopped(self) -> bool:
        """Never: trains to the end."""
        return False

    def preempted(self) -> bool:
        """Never: nobody would resume the trial elsewhere."""
        return False

    def owns(self) -> bool:
        """Always: nobody else trains it."""
        return True


@dataclass
class Position:
    """Position of a trial; the checkpoint contains all of it."""

    stage: int = 0
    step: int = 0
    """Steps done in the stage."""
    done: int = 0
    """Steps done in the trial, including those taken over."""
    reused: int = 0
    """The part of these taken over from the stage cache."""
    accepted: list[str] = field(default_factory=list)
    """Names of the stages whose results the method has."""
    seconds: float = 0.0
    """Seconds up to the last checkpoint, over all processes."""
    reports: list[Report] = field(default_factory=list)
    selecting: list[Report] = field(default_factory=list)
    """Those by which the current stage selects its result, and which are not the trial's."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums of the terms since the last report."""
    counts: dict[str, int] = field(default_factory=dict)
