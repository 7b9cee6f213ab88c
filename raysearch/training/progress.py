"""The position of a trial, and the listeners that follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from raysearch.run import Report

__all__ = ["Listener", "NullListener", "Position"]


class Listener(Protocol):
    """What a trial reports to. Only worker 0 speaks to it; `preempted` is each worker's own."""

    def started(self, device: str, provenance: Mapping[str, str]) -> None:
        """The trial begins or resumes on this device."""

    def progress(self, step: int, total: int) -> None:
        """Optimizer steps done and to do; called every few steps."""

    def report(self, report: Report) -> None:
        """A point of the curve; after a resume all earlier points come again, unchanged."""

    def stopped(self) -> bool:
        """Whether the trial shall end here; asked after reports and every few steps."""

    def preempted(self) -> bool:
        """Whether this worker's node is about to go; asked after every step, so it is cheap."""

    def owns(self) -> bool:
        """Whether the trial still is this process's; asked before each of its files is written.

        Another may have been given it while this one could not be reached. An answer that was
        true a moment too long does no harm but to cost steps: files are replaced whole, and
        whoever trains the trial comes to the same numbers.
        """


class NullListener:
    """A listener for a trial that nobody watches, stops, or trains beside this process."""

    def started(self, device: str, provenance: Mapping[str, str]) -> None:
        """Nobody is told."""

    def progress(self, step: int, total: int) -> None:
        """Nobody is told."""

    def report(self, report: Report) -> None:
        """Nobody is told: the trial's record has the curve."""

    def stopped(self) -> bool:
        """Never: to the end."""
        return False

    def preempted(self) -> bool:
        """Never: nobody would go on with the trial elsewhere."""
        return False

    def owns(self) -> bool:
        """Always: nobody else trains it."""
        return True


@dataclass
class Position:
    """Where a trial is; all of it is in the checkpoint."""

    stage: int = 0
    step: int = 0
    """Steps done in the stage."""
    done: int = 0
    """Steps done in the trial, those that were taken over included."""
    reused: int = 0
    """Of these, steps that others had done: taken over from the stage cache."""
    accepted: list[str] = field(default_factory=list)
    """Names of the stages whose results the method has."""
    seconds: float = 0.0
    """Seconds spent up to the last checkpoint, over all lives."""
    reports: list[Report] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)
    """Sums of the terms since the last report."""
    counts: dict[str, int] = field(default_factory=dict)
