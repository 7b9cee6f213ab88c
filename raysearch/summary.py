"""What a run of a sweep leaves behind: how it ended, the best configurations, nodes and cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from raysearch.objective import Best
from raysearch.run import RunState

__all__ = ["Cost", "Ending", "NodeTimes", "NodeUsage", "PaperResult", "SweepSummary", "total"]


@dataclass(frozen=True, kw_only=True)
class NodeTimes:
    """What became of the time of all nodes of a type; the last four sum up to `up`.

    Attributes:
        type: The node type.
        head: Whether these are heads.
        nodes: Nodes that were ever up.
        up: Seconds that they were up, together.
        leased: With at least one trial.
        before: Before a node's first trial; of a node that never had one, all its time.
        between: Without a trial, but before a later one.
        after: After a node's last trial, until it was gone or until now.
    """

    type: str
    head: bool = False
    nodes: int = 0
    up: float = 0.0
    leased: float = 0.0
    before: float = 0.0
    between: float = 0.0
    after: float = 0.0


def total(parts: Iterable[NodeTimes], name: str = "", *, head: bool = False) -> NodeTimes:
    """The sum of several times under one name."""
    found = tuple(parts)
    return NodeTimes(
        type=name,
        head=head,
        nodes=sum(part.nodes for part in found),
        up=sum(part.up for part in found),
        leased=sum(part.leased for part in found),
        before=sum(part.before for part in found),
        between=sum(part.between for part in found),
        after=sum(part.after for part in found),
    )


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a sweep has cost.

    Attributes:
        spent: Money for all nodes, the head too, while the sweep ran, over all its runs.
        run: What of it this run cost.
        tail: What the workers that are up cost until their idle time-out ends them; a cap holds
            for `spent` and `tail` together.
        cap: The most that the sweep may cost, or None.
        rate: Money per hour of the nodes that are up.
        unpriced: Node types that were up and have no price: they count with the dearest.
        currency: Name of the money; may be empty.
    """

    spent: float
    run: float
    tail: float
    cap: float | None
    rate: float
    unpriced: tuple[str, ...] = ()
    currency: str = ""


@dataclass(frozen=True, kw_only=True)
class NodeUsage:
    """The nodes of a run of a sweep.

    Attributes:
        types: Each node type's times.
        cost: What they cost; None where nodes have no prices.
    """

    types: tuple[NodeTimes, ...]
    cost: Cost | None = None

    @property
    def workers(self) -> NodeTimes:
        """The times of all nodes but the head."""
        return total(item for item in self.types if not item.head)

    @classmethod
    def from_plain(cls, raw: Mapping[str, Any]) -> NodeUsage:
        """Read what JSON holds of it.

        Raises:
            LookupError, TypeError: A field is missing or is another.
        """
        types = tuple(NodeTimes(**item) for item in raw["types"])
        cost = raw["cost"]
        if cost is not None:
            cost = Cost(**{**cost, "unpriced": tuple(cost["unpriced"])})
        return cls(types=types, cost=cost)


class PaperResult(NamedTuple):
    """How the paper's own setting ended.

    Attributes:
        number: Its number.
        value: What it is worth; NaN unless every cell is in. One of a single cell that was
            stopped early has its last report.
        note: Why it is not complete; empty when it is.
    """

    number: int
    value: float
    note: str


class Ending(StrEnum):
    """Why a run of a sweep ended."""

    DONE = "done"
    TIME = "time"
    COST = "cost"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class SweepSummary:
    """What a run of a sweep leaves behind.

    Attributes:
        ending: Why it ended.
        asked: Configurations asked so far, over all runs.
        origins: Where they came from (`raysearch.run`) to how many; "" stands for
            those of an older version, which did not say.
        used_up: Tasks, or "" for all together, whose space has no configuration left that was
            not tried, so that the sweep ended before its budget.
        trials: State to number of cells that ended in it, over all runs.
        unfinished: Configurations that the next run goes on with.
        best: Task to its best complete configuration and what that is worth; "" stands for all
            tasks together, so it is the only key in joint mode. Empty when none is complete.
        papers: Task, or "", to how the paper's own setting ended, once it was asked.
        seconds: Seconds that this run took.
        freed: Bytes of checkpoints, weights and stages that this run removed.
        nodes: The cluster's nodes while this run lasted, and the cost; None without a cluster.
    """

    ending: Ending
    asked: int
    origins: Mapping[str, int] = field(default_factory=dict)
    used_up: Sequence[str] = ()
    trials: Mapping[RunState, int] = field(default_factory=dict)
    unfinished: int = 0
    best: Mapping[str, Best] = field(default_factory=dict)
    papers: Mapping[str, PaperResult] = field(default_factory=dict)
    seconds: float = 0.0
    freed: int = 0
    nodes: NodeUsage | None = None

    @property
    def best_number(self) -> int | None:
        """Of a joint sweep the best complete configuration; None when there is none."""
        return self.best[""].number if "" in self.best else None

    @property
    def best_value(self) -> float | None:
        """What that one is worth."""
        return self.best[""].value if "" in self.best else None

    @classmethod
    def from_plain(cls, raw: Mapping[str, Any]) -> SweepSummary:
        """Read what JSON holds of a summary.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: A field is missing or is another.
        """
        parts = {
            "ending": Ending(raw["ending"]),
            "trials": {RunState(state): count for state, count in raw["trials"].items()},
            "best": {task: Best(*best) for task, best in raw["best"].items()},
            "papers": {task: PaperResult(*paper) for task, paper in raw["papers"].items()},
            "nodes": NodeUsage.from_plain(raw["nodes"]) if raw["nodes"] else None,
            "used_up": tuple(raw.get("used_up", ())),
        }
        return cls(**{**raw, **parts})
