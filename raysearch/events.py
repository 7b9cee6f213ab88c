"""The events of a sweep, from the worker to the display, and their JSON.

A worker makes an event, the slot's channel numbers it, the driver acts on it and passes it to a
`View`, with what only the driver knows. `raysearch sweep --format json` writes each event of a
view as one JSON object per line. The rows are included, so a reader of the stream, for example a
laptop that watches a sweep on a cluster, has the leaderboard without the cluster's files. Each
line has ``news``, its kind, and ``at``, Unix seconds:
    {"news": "sweep", "card": {...}, "headline": "...", "root": "...", "seconds": null}
    {"news": "trial", "trial": {...}, "earlier": false}      a row that is safe
    {"news": "started", "lease": {...}, "device": "cpu (1 threads)"}
    {"news": "progress", "id": "00001-sample-s0", "step": 8, "total": 37}
    {"news": "report", "id": "00001-sample-s0", "report": {...}}
    {"news": "finished", "id": "00001-sample-s0"}            after its row
    {"news": "message", "text": "...", "warning": false}     true: also for who sees no progress
    {"news": "ending", "summary": {...}}

Numbers that are not finite are ``null``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol, Self

from raysearch.config import as_scalar
from raysearch.errors import ConfigError, StoreError, quoted
from raysearch.json_text import plain_json
from raysearch.names import checked_name
from raysearch.run import Report, Run, RunSpec, RunState
from raysearch.summary import SweepSummary

__all__ = [
    "GPU_FAILED",
    "NODE_WENT",
    "Event",
    "EventKind",
    "QuietView",
    "SweepHeader",
    "View",
    "ended_run",
    "strange_header",
]

_LARGEST = 2**53
"""Largest integer that a double distinguishes from its neighbours."""


class EventKind(StrEnum):
    """Kind of event: first those for views, then those that end at the driver."""

    SWEEP = "sweep"
    """The first event: `Event.header` describes the sweep."""
    TRIAL = "trial"
    """A row is stored in the leaderboard: `Event.record`, an old one if `Event.earlier`."""
    STARTED = "started"
    """A run starts or resumes."""
    PROGRESS = "progress"
    REPORT = "report"
    FINISHED = "finished"
    """A run is over; `Event.record` is its record, which views have seen as a row before."""
    MESSAGE = "message"
    """A sentence for the user, such as what a run or the sweep waits for."""
    WARNING = "warning"
    """A message that is also shown without progress."""
    ENDING = "ending"
    """The last event: `Event.summary` says how the sweep ended."""
    OUTPUT = "output"
    """A line of a job's output that is no event: `Event.text`, from whoever reads it."""
    OTHER = "other"
    """A line of a later version's stream, which this version ignores."""

    TAKEN = "taken"
    """Workers have taken the run and are preparing it."""
    STOPPED = "stopped"
    """The worker released the run on request; there is no record."""
    PREEMPTED = "preempted"
    """The worker released the run because its node is about to go; another resumes it."""
    TOO_LARGE = "too_large"
    """The run needs more memory than any GPU there has, as `Event.text` says; it stays open."""
    REFUSED = "refused"
    """No run of the sweep can work; `Event.text` is for the user."""
    CRASHED = "crashed"
    """The slot itself broke; `Event.text` is a traceback."""


@dataclass(frozen=True, kw_only=True)
class SweepHeader:
    """Description of a sweep, in its first event.

    Attributes:
        card: Content of ``sweep.json``.
        headline: What runs on what, in one line.
        root: Folder or URI of the sweep, without credentials.
        seconds: Time limit of this session; None if there is none.
    """

    card: Mapping[str, Any]
    headline: str
    root: str
    seconds: float | None

    @classmethod
    def from_plain(cls, raw: Mapping[str, Any]) -> SweepHeader:
        """Read a header from JSON; of the card only its name, method and trials are checked.

        Raises:
            ConfigError: It is malformed, or its name is not that of a folder.
        """
        try:
            header = cls(**{item.name: raw[item.name] for item in dataclasses.fields(cls)})
            name = _text(header.card, "name")
            for part, field_name in ((header.card, "method"), (raw, "headline"), (raw, "root")):
                _text(part, field_name)
            _count(header.card, "trials")
            if header.seconds is not None:
                _number(raw, "seconds")
        except (LookupError, TypeError) as error:
            raise strange_header(error) from error
        checked_name(name, "a sweep's name in a job's events")
        return header


def strange_header(error: Exception) -> ConfigError:
    """The error for a stream with a malformed header."""
    return ConfigError(
        f"a job's first event must say what sweep it is, but: {error!r}; has the cluster another "
        "version of raysearch?"
    )


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a sweep.

    Attributes:
        kind: Says which of the other fields are used.
        run_id: `RunSpec.id` of its run; empty for an event of the sweep.
        sequence: Its number in the slot, from 1; set by the slot's channel.
        at: When it was written to a stream, in Unix seconds; 0 before that.
        run: The run (STARTED, from the driver on).
        device: Its device (STARTED).
        provenance: Digests, versions, host (STARTED).
        nodes: Ray's ids of the workers' nodes (TAKEN).
        step: Optimizer steps done (PROGRESS, PREEMPTED).
        total: Optimizer steps in total (PROGRESS).
        report: A point of the curve (REPORT).
        record: The run's record (TRIAL, FINISHED; in a stream with TRIAL only).
        earlier: Whether the row is of an earlier session of the sweep (TRIAL).
        text: One sentence (MESSAGE, WARNING, PREEMPTED, TOO_LARGE), the error (REFUSED, CRASHED),
            or a line (OUTPUT).
        header: Description of the sweep (SWEEP).
        summary: How the sweep ended (ENDING).
    """

    kind: EventKind
    run_id: str = ""
    sequence: int = 0
    at: float = 0.0
    run: RunSpec | None = None
    device: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    step: int = 0
    total: int = 0
    report: Report | None = None
    record: Run | None = None
    earlier: bool = False
    text: str = ""
    header: SweepHeader | None = None
    summary: SweepSummary | None = None

    def to_json(self) -> str:
        """The event as one JSON object on a line, without the line end.

        Raises:
            ValueError: Its kind is not for views, or it lacks a required field.
        """
        name, fields = str(self.kind), self._fields()
        if self.kind is EventKind.WARNING:
            name = "message"
        return plain_json({"news": name, "at": self.at, **fields})

    def _fields(self) -> dict[str, Any]:
        match self:
            case Event(kind=EventKind.SWEEP, header=SweepHeader() as header):
                return asdict(header)
            case Event(kind=EventKind.TRIAL, record=Run() as record):
                return {"trial": asdict(record), "earlier": self.earlier}
            case Event(kind=EventKind.STARTED, run=RunSpec() as run):
                return {"lease": asdict(run), "device": self.device}
            case Event(kind=EventKind.PROGRESS):
                return {"id": self.run_id, "step": self.step, "total": self.total}
            case Event(kind=EventKind.REPORT, report=Report() as report):
                return {"id": self.run_id, "report": asdict(report)}
            case Event(kind=EventKind.FINISHED):
                return {"id": self.run_id}
            case Event(kind=EventKind.MESSAGE | EventKind.WARNING):
                return {"text": self.text, "warning": self.kind is EventKind.WARNING}
            case Event(kind=EventKind.ENDING, summary=SweepSummary() as summary):
                return {"summary": asdict(summary)}
        raise ValueError(f"a stream has no event {self}")

    @classmethod
    def from_json(cls, line: str) -> Event | None:
        """The event on a line; None for any other line, such as a warning of a library.

        Raises:
            ConfigError: The header is not what a sweep writes.
            RecursionError: The line is nested too deeply for an event.
            LookupError, TypeError, ValueError, AttributeError: A field is missing or invalid.
        """
        if not line.startswith('{"news"'):
            return None
        try:
            raw: dict[str, Any] = json.loads(line)
        except ValueError:
            return None
        try:
            return _read(raw)
        except StoreError as error:
            raise ValueError(str(error)) from error


def _read(raw: Mapping[str, Any]) -> Event:
    at = _number(raw, "at")
    match raw["news"]:
        case "sweep":
            found = Event(kind=EventKind.SWEEP, header=SweepHeader.from_plain(raw))
        case "trial":
            record, earlier = _record(raw["trial"]), bool(raw["earlier"])
            found = Event(kind=EventKind.TRIAL, run_id=record.id, record=record, earlier=earlier)
        case "started":
            run, device = RunSpec.from_json(json.dumps(raw["lease"])), _text(raw, "device")
            found = Event(kind=EventKind.STARTED, run_id=run.id, run=run, device=device)
        case "progress":
            step, total = _count(raw, "step"), _count(raw, "total")
            found = Event(kind=EventKind.PROGRESS, run_id=_text(raw, "id"), step=step, total=total)
        case "report":
            report = Report.from_plain(_with_nan(raw["report"]))
            found = Event(kind=EventKind.REPORT, run_id=_text(raw, "id"), report=report)
        case "finished":
            found = Event(kind=EventKind.FINISHED, run_id=_text(raw, "id"))
        case "message":
            warns = raw.get("warning") is True
            kind_of = EventKind.WARNING if warns else EventKind.MESSAGE
            found = Event(kind=kind_of, text=_text(raw, "text"))
        case "ending":
            summary = SweepSummary.from_plain(raw["summary"])
            found = Event(kind=EventKind.ENDING, summary=summary)
        case _:
            found = Event(kind=EventKind.OTHER)
    return replace(found, at=at)


def _record(raw: Mapping[str, Any]) -> Run:
    curve = [_with_nan(report) for report in raw.get("curve", ())]
    return Run.from_json(json.dumps({**_with_nan(raw), "curve": curve}))


def _with_nan(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record or report as it was before JSON, where a number that is not finite is null."""
    metrics = raw.get("metrics", {})
    return {**raw, "metrics": {n: math.nan if v is None else v for n, v in metrics.items()}}


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw[name]
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be a text, but is {quoted(value)}")
    return value


def _number(raw: Mapping[str, Any], name: str) -> float:
    value = raw[name]
    if not (isinstance(value, int | float) and 0 <= value < _LARGEST):
        raise TypeError(f"`{name}` must be a number >= 0, but is {quoted(value)}")
    return float(value)


def _count(raw: Mapping[str, Any], name: str) -> int:
    value = raw[name]
    if not (type(value) is int and 0 <= value < _LARGEST):
        raise TypeError(f"`{name}` must be a whole number >= 0, but is {quoted(value)}")
    return value


class View(Protocol):
    """Receives a sweep's events; shows something from entering it to leaving it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: Any) -> None: ...

    def event(self, event: Event) -> None:
        """Process an event; they come in order, from one thread at a time."""


class QuietView:
    """Shows no progress, since the rows are in the leaderboard; warnings are passed on.

    Args:
        warn: Called with each warning.
    """

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None: ...

    def event(self, event: Event) -> None:
        """Process an event."""
        if event.kind is EventKind.WARNING:
            self._warn(event.text)


NODE_WENT = "its node went away"
GPU_FAILED = "its GPU failed"
"""Prefixes of the reason of a run that failed through no fault of its own."""


def ended_run(
    run: RunSpec,
    state: RunState,
    reason: str,
    *,
    curve: Sequence[Report] = (),
    device: str = "",
    provenance: Mapping[str, str] | None = None,
) -> Run:
    """The record of a run that did not write its own: pruned, lost or broken.

    Args:
        run: The run.
        state: PRUNED or FAILED.
        reason: Why; shown in the row.
        curve: The valid reports, in order; metrics, steps and seconds are the last one's.
        device: Its device, if known.
        provenance: Its provenance, if known.
    """
    last = curve[-1] if curve else None
    return Run(
        sweep=run.sweep,
        number=run.number,
        cell=run.cell,
        method=run.method,
        state=state,
        reason=reason,
        config={name: as_scalar(value) for name, value in run.config.items()},
        metrics=dict(last.metrics) if last else {},
        curve=tuple(curve),
        steps=last.step if last else 0,
        seconds=last.seconds if last else 0.0,
        device=device,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        provenance=dict(provenance or {}),
    )
