"""How does a sweep's news travel as text: one JSON object a line, and back again.

`raysearch sweep --format json` writes it. The rows are in it, so whoever reads along, for
example a laptop that watches a sweep on a cluster, has the leaderboard without the cluster's
files. Each line has ``news``, its kind, and ``at``, Unix seconds:

    {"news": "sweep", "card": {...}, "headline": "...", "root": "...", "seconds": null}
    {"news": "trial", "trial": {...}, "earlier": false}      a row that is safe
    {"news": "started", "lease": {...}, "device": "cpu (1 threads)"}
    {"news": "progress", "id": "00001-sample-s0", "step": 8, "total": 37}
    {"news": "report", "id": "00001-sample-s0", "report": {...}}
    {"news": "finished", "id": "00001-sample-s0"}            after its row
    {"news": "message", "text": "...", "warning": false}     true: also for who sees no progress
    {"news": "ending", "summary": {...}}

Numbers that are not finite are written as JavaScript names.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

from raysearch.cli.live import SweepHeader
from raysearch.errors import ConfigError, StoreError, quoted
from raysearch.leaderboard.card import parse_card
from raysearch.names import checked_name
from raysearch.objective import Best
from raysearch.run import Report, Run, RunSpec, RunState
from raysearch.search.plan import SweepEvent, SweepEventKind
from raysearch.storage.uri import redacted
from raysearch.summary import Ending, NodeUsage, PaperResult, SweepSummary

__all__ = ["JsonEvents", "EventReader"]

_MOST = 2**53
"""Of a number: a double still tells it from its neighbours."""
_WORTH_TELLING = 0.02
"""A running trial's share must have grown by so much: at most 50 lines a trial."""


class JsonEvents:
    """Writes what it is told, a line each.

    Args:
        opening: What sweep it is.
        write: Takes each line, with its end.
    """

    def __init__(self, opening: SweepHeader, write: Callable[[str], object]) -> None:
        self._opening, self._write = opening, write
        self._told: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._say("sweep", **dataclasses.asdict(self._opening))
        return self

    def __exit__(self, *error: Any) -> None:
        self._told.clear()

    def recorded(self, trial: Run, *, earlier: bool) -> None:
        """A row, once it is safe."""
        self._say("trial", trial=dataclasses.asdict(trial), earlier=earlier)

    def tell(self, event: SweepEvent) -> None:
        """Any other news."""
        match event:
            case SweepEvent(kind=SweepEventKind.MESSAGE | SweepEventKind.WARNING):
                warning = event.kind is SweepEventKind.WARNING
                self._say("message", text=event.text, warning=warning)
            case SweepEvent(kind=SweepEventKind.STARTED, lease=lease) if lease:
                self._told[lease.id] = 0.0
                told = dataclasses.asdict(replace(lease, folder=redacted(lease.folder)))
                self._say("started", lease=told, device=event.device)
            case SweepEvent(kind=SweepEventKind.PROGRESS, lease=lease) if lease and event.total:
                share = event.step / event.total
                if share - self._told.get(lease.id, 0.0) >= _WORTH_TELLING:
                    self._told[lease.id] = share
                    self._say("progress", id=lease.id, step=event.step, total=event.total)
            case SweepEvent(kind=SweepEventKind.REPORT, lease=lease, report=report) if (
                lease and report
            ):
                self._say("report", id=lease.id, report=dataclasses.asdict(report))
            case SweepEvent(kind=SweepEventKind.FINISHED, trial=trial) if trial:
                self._told.pop(trial.id, None)
                self._say("finished", id=trial.id)

    def ended(self, summary: SweepSummary) -> None:
        """The last news."""
        self._say("ending", summary=dataclasses.asdict(summary))

    def _say(self, news: str, **fields: Any) -> None:
        self._write(json.dumps({"news": news, "at": round(time.time(), 3), **fields}) + "\n")


class EventReader:
    """Turns lines into what was told; remembers the leases and rows that later news are of."""

    def __init__(self) -> None:
        self._leases: dict[str, RunSpec] = {}
        self._rows: dict[str, Run] = {}

    def read(self, line: str) -> dict[str, Any] | None:
        """The object on a line; None when it is no news, such as a warning of a library.

        Raises:
            RecursionError: It is nested too deeply for news.
        """
        if not line.startswith('{"news"'):
            return None
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            return None
        return found

    def at(self, news: dict[str, Any]) -> float:
        """When it was told, in Unix seconds of the head's clock."""
        return _number(news, "at")

    def opening(self, news: dict[str, Any]) -> SweepHeader:
        """What sweep it is, from the first line.

        Raises:
            ConfigError: It is not what a sweep tells, or its name is not that of a folder.
        """
        names = [field.name for field in dataclasses.fields(SweepHeader)]
        try:
            opening = SweepHeader(**{name: news[name] for name in names})
            parse_card(opening.card)
            name = _text(opening.card, "name")
            for part, field in ((opening.card, "method"), (news, "headline"), (news, "root")):
                _text(part, field)
            _count(opening.card, "trials")
            if opening.seconds is not None:
                _number(news, "seconds")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"a job's first news must say what sweep it is, but: {error!r}; has the cluster "
                "another version of raysearch?"
            ) from error
        checked_name(name, "a sweep's name in a job's news")
        return opening

    def row(self, news: dict[str, Any]) -> Run:
        """The record of a ``trial`` line.

        Raises:
            ValueError: It has none.
        """
        try:
            trial = Run.from_json(json.dumps(news["trial"]))
        except StoreError as error:
            raise ValueError(str(error)) from error
        if not news["earlier"]:
            self._rows[trial.id] = trial
        return trial

    def event(self, news: dict[str, Any]) -> SweepEvent | None:
        """What the sweep told its view; None for a kind that this version does not know.

        Raises:
            LookupError, TypeError, ValueError: A field is missing or has another type.
        """
        kind = news["news"]
        if kind == "message":
            warns = news.get("warning") is True
            kind_of = SweepEventKind.WARNING if warns else SweepEventKind.MESSAGE
            return SweepEvent(kind=kind_of, text=_text(news, "text"))
        if kind == "started":
            return self._started(news)
        if kind == "finished":
            lease_id = _text(news, "id")
            self._leases.pop(lease_id, None)
            trial = self._rows.pop(lease_id, None)
            return SweepEvent(kind=SweepEventKind.FINISHED, trial=trial)
        if kind == "progress":
            of = self._leases.get(_text(news, "id"))
            step, total = _count(news, "step"), _count(news, "total")
            return SweepEvent(kind=SweepEventKind.PROGRESS, lease=of, step=step, total=total)
        if kind == "report":
            of, report = self._leases.get(_text(news, "id")), Report.from_plain(news["report"])
            return SweepEvent(kind=SweepEventKind.REPORT, lease=of, report=report)
        return None

    def _started(self, news: dict[str, Any]) -> SweepEvent:
        try:
            lease = RunSpec.from_json(json.dumps(news["lease"]))
        except StoreError as error:
            raise ValueError(str(error)) from error
        self._leases[lease.id] = lease
        device = _text(news, "device")
        return SweepEvent(kind=SweepEventKind.STARTED, lease=lease, device=device)

    def summary(self, news: dict[str, Any]) -> SweepSummary:
        """How the sweep ended, from the last line.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: A field is missing or is another.
        """
        raw = news["summary"]
        parts = {
            "ending": Ending(raw["ending"]),
            "trials": {RunState(state): count for state, count in raw["trials"].items()},
            "best": {task: Best(*best) for task, best in raw["best"].items()},
            "papers": {task: PaperResult(*paper) for task, paper in raw["papers"].items()},
            "nodes": NodeUsage.read(raw["nodes"]) if raw["nodes"] else None,
            "used_up": tuple(raw.get("used_up", ())),
        }
        return SweepSummary(**{**raw, **parts})


def _text(news: Mapping[str, Any], name: str) -> str:
    value = news[name]
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be a text, but is {quoted(value)}")
    return value


def _number(news: Mapping[str, Any], name: str) -> float:
    value = news[name]
    if not (isinstance(value, int | float) and 0 <= value < _MOST):
        raise TypeError(f"`{name}` must be a number >= 0, but is {quoted(value)}")
    return float(value)


def _count(news: Mapping[str, Any], name: str) -> int:
    value = news[name]
    if not (type(value) is int and 0 <= value < _MOST):
        raise TypeError(f"`{name}` must be a whole number >= 0, but is {quoted(value)}")
    return value
