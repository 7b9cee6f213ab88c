"""Estimates of a sweep as numbers: hours, money and nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raysearch.devices import Kind

__all__ = ["Interval", "MoneyTerms", "PlaceEstimate", "PriorRuns", "SweepEstimate"]


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its 90 % interval; `low` and `high` are None for a single case."""

    mean: float
    low: float | None
    high: float | None

    def scaled(self, factor: float) -> Interval:
        """The interval multiplied by a factor."""
        low, high = (None if end is None else factor * end for end in (self.low, self.high))
        return Interval(factor * self.mean, low, high)


@dataclass(frozen=True, kw_only=True)
class PriorRuns:
    """The seconds of earlier trials, scaled to a planned sweep.

    Attributes:
        seconds: For each earlier configuration the seconds of its trials, as whole ones.
        rows: Number of trials.
        alike: Description of what they have in common with the plan.
        same_kind: Whether all have its encoder, data and kind of device, so that their spread is
            that of the planned trials.
        scaled: Description of how they were scaled; empty if they were not.
        devices: Their devices, as in their rows.
    """

    seconds: tuple[tuple[float, ...], ...]
    rows: int
    alike: str
    same_kind: bool
    scaled: str
    devices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PlaceEstimate:
    """Time and money of all trials on one kind of node.

    Attributes:
        name: The node type.
        nodes: Nodes of it that the slots need.
        slots: Trials at once on these.
        seconds: From the first trial's start to the last one's end.
        money: For these nodes and the head; None if prices are unknown.
    """

    name: str
    nodes: int
    slots: int
    seconds: Interval
    money: Interval | None


@dataclass(frozen=True, kw_only=True)
class MoneyTerms:
    """Terms of a cluster's cost.

    Attributes:
        currency: Its name; may be empty.
        head: Hourly price of the head, with the currency.
        idle_seconds: How long an idle node stays.
        unfit: Node types that cannot hold a trial.
    """

    currency: str
    head: str
    idle_seconds: float
    unfit: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SweepEstimate:
    """The estimate of a sweep.

    Attributes:
        name: The sweep's name.
        method: Its method.
        source: Its search space's file.
        tasks: Number of tasks that are searched separately; 0 if one configuration is for all.
        configurations: Configurations, over all tasks.
        cells: Cells of each.
        pruner: Name of the pruner, or ``none``.
        kept: Fraction of the reports that early stopping should leave.
        device: The kind of device that it needs.
        beside: What its first trial changes that is not searched, in a sentence; or empty.
        prior: Similar earlier trials; None if there are none, and then nothing below is known.
        trial: Seconds of one whole trial.
        total: Slot seconds over all trials.
        hours: The same in device hours.
        places: Kinds of nodes that can run it.
        money: Terms of a cluster with prices; None without.
        max_cost: Its cost limit.
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
    beside: str = ""
    prior: PriorRuns | None = None
    trial: Interval | None = None
    total: Interval | None = None
    hours: Interval | None = None
    places: Sequence[PlaceEstimate] = ()
    money: MoneyTerms | None = None
    max_cost: float | None = None
