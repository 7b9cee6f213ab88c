"""What does a slot tell about its lease: frozen events, and records of trials cut short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from raysearch.config import as_scalar
from raysearch.run import Report, Run, RunSpec, RunState

__all__ = ["EventKind", "SlotEvent", "ended_trial"]


class EventKind(StrEnum):
    """What happened in a slot."""

    TAKEN = "taken"
    """Workers have the lease and make ready."""
    STARTED = "started"
    PROGRESS = "progress"
    REPORT = "report"
    FINISHED = "finished"
    """The lease is over; `SlotEvent.trial` is its record."""
    STOPPED = "stopped"
    """The worker let go of the lease because it was told to; there is no record."""
    PREEMPTED = "preempted"
    """The worker let go of the lease because its node is about to go; another goes on with it."""
    MESSAGE = "message"
    """What keeps the lease waiting, or does no more; `SlotEvent.text` is for the user."""
    REFUSED = "refused"
    """No trial of the sweep can run; `SlotEvent.text` is for the user."""
    CRASHED = "crashed"
    """The slot itself broke; `SlotEvent.text` is a traceback."""


@dataclass(frozen=True, kw_only=True)
class SlotEvent:
    """One piece of news about a lease, in the order in which the mailbox took it.

    Attributes:
        kind: What happened; it says which of the other fields matter.
        lease: The lease's id.
        sequence: Its number in the slot, from 1; given by the mailbox.
        step: Optimizer steps done (PROGRESS, PREEMPTED).
        total: Optimizer steps to do (PROGRESS).
        nodes: Ray's ids of the nodes that the workers are on (TAKEN).
        device: Where the trial runs (STARTED).
        provenance: Digests, versions, host (STARTED).
        report: A point of the curve (REPORT).
        trial: The record (FINISHED).
        text: What went wrong (REFUSED, CRASHED), or one sentence (PREEMPTED, MESSAGE).
    """

    kind: EventKind
    lease: str
    sequence: int = 0
    step: int = 0
    total: int = 0
    nodes: tuple[str, ...] = ()
    device: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
    report: Report | None = None
    trial: Run | None = None
    text: str = ""


NODE_WENT = "its node went away"
"""How the reason of a trial begins that failed through no fault of its own."""


def ended_trial(
    lease: RunSpec,
    state: RunState,
    reason: str,
    *,
    curve: Sequence[Report] = (),
    device: str = "",
    provenance: Mapping[str, str] | None = None,
) -> Run:
    """The record of a trial that did not write its own: pruned, lost or broken.

    Args:
        lease: What was run.
        state: PRUNED or FAILED.
        reason: Why; the row shows it.
        curve: The reports that count, in order; metrics, steps and seconds are the last one's.
        device: Where it ran, as far as known.
        provenance: As far as known.
    """
    last = curve[-1] if curve else None
    return Run(
        sweep=lease.sweep,
        number=lease.number,
        cell=lease.cell,
        method=lease.method,
        state=state,
        reason=reason,
        config={name: as_scalar(value) for name, value in lease.config.items()},
        metrics=dict(last.metrics) if last else {},
        curve=tuple(curve),
        steps=last.step if last else 0,
        seconds=last.seconds if last else 0.0,
        device=device,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        provenance=dict(provenance or {}),
    )
