"""What a sweep is expected to take: hours, money and places, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raysearch.devices import Kind

__all__ = ["Interval", "MoneyTerms", "PlaceEstimate", "PriorRuns", "SweepEstimate"]


@dataclass(frozen=True)
class Interval:
    """An expectation and where 90 % of the cases lie; `low` and `high` are None from one case."""

    mean: float
    low: float | None
    high: float | None

    def scaled(self, factor: float) -> Interval:
        """The interval of a multiple."""
        low, high = (None if end is None else factor * end for end in (self.low, self.high))
        return Interval(factor * self.mean, low, high)


@dataclass(frozen=True, kw_only=True)
class PriorRuns:
    """The seconds of earlier trials, as a planned sweep's would take.

    Attributes:
        seconds: Of each earlier configuration the seconds of its trials, as whole ones.
        rows: Trials in all.
        alike: What they have in common with the plan, in words.
        scaled: By what they were scaled, in words; empty when by nothing.
        devices: What they ran on, as their rows say it.
    """

    seconds: tuple[tuple[float, ...], ...]
    rows: int
    alike: str
    scaled: str
    devices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PlaceEstimate:
    """What all trials take on a kind of node.

    Attributes:
        name: The node type.
        nodes: Nodes of it that the slots need.
        slots: Trials at once on these.
        seconds: From the first trial's start to the last one's end.
        money: For these nodes and the head; None where prices are not known.
    """

    name: str
    nodes: int
    slots: int
    seconds: Interval
    money: Interval | None


@dataclass(frozen=True, kw_only=True)
class MoneyTerms:
    """What a cluster's money is counted in.

    Attributes:
        currency: Its name; may be empty.
        head: The head, in words with the currency, an hour.
        idle_seconds: How long a node stays that nobody needs.
        unfit: Node types that cannot hold a trial.
    """

    currency: str
    head: str
    idle_seconds: float
    unfit: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SweepEstimate:
    """What a sweep is expected to take.

    Attributes:
        name: The sweep's name.
        method: Its method.
        source: Its search space's file.
        tasks: Tasks that are each searched by itself; 0 where one configuration is for all.
        configurations: Configurations, over all tasks.
        cells: Cells of each.
        pruner: What stops trials early, or ``none``.
        kept: Share of the reports that early stopping should leave.
        device: The kind of device that it asks for.
        prior: Earlier trials like its own; None without any, and then nothing below is known.
        trial: Seconds of one whole trial.
        total: Seconds of slots, over all trials.
        hours: The same in hours of the devices.
        places: Where it may run.
        money: Of a cluster with prices; None without.
        max_cost: The most that it may cost.
    """

    name: str
    method: str
    source: str
    tasks: int
    configurations: int
    cells: int
    pruner: str
    kept: float
    device: Kind
    prior: PriorRuns | None = None
    trial: Interval | None = None
    total: Interval | None = None
    hours: Interval | None = None
    places: Sequence[PlaceEstimate] = ()
    money: MoneyTerms | None = None
    max_cost: float | None = None
