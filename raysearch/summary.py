"""The summary of a sweep's session: how it ended, the best configurations, nodes and cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from raysearch.objective import Best
from raysearch.run import RunState

__all__ = ["Cost", "Ending", "NodeTimes", "NodeUsage", "PaperResult", "SweepSummary", "total"]


@dataclass(frozen=True, kw_only=True)
class NodeTimes:
    """Time of all nodes of a type; the last four sum up to `up`.

    Attributes:
        type: The node type.
        head: Whether these are heads.
        nodes: Nodes that were ever up.
        up: Seconds that they were up, in total.
        leased: With at least one trial.
        before: Before a node's first trial; all its time if it never had one.
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
    """The sum of several entries under one name."""
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
    """The cost of a sweep.

    Attributes:
        spent: Money for all nodes, including the head, over all sessions of the sweep.
        run: The part of this session.
        tail: Cost of the live workers until their idle time-out ends them; a cap applies to
            `spent` and `tail` together.
        cap: Cost limit of the sweep, or None.
        rate: Money per hour of the live nodes.
        unpriced: Node types that were up without a price: the highest price is used.
        currency: Name of the currency; may be empty.
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
    """The nodes of a sweep's session.

    Attributes:
        types: Each node type's times.
        cost: Their cost; None if there are no prices.
    """

    types: tuple[NodeTimes, ...]
    cost: Cost | None = None

    @property
    def workers(self) -> NodeTimes:
        """The times of all nodes but the head."""
        return total(item for item in self.types if not item.head)

    @classmethod
    def from_plain(cls, raw: Mapping[str, Any]) -> NodeUsage:
        """Read the usage from JSON.

        Raises:
            LookupError, TypeError: A field is missing or invalid.
        """
        types = tuple(NodeTimes(**item) for item in raw["types"])
        cost = raw["cost"]
        if cost is not None:
            cost = Cost(**{**cost, "unpriced": tuple(cost["unpriced"])})
        return cls(types=types, cost=cost)


class PaperResult(NamedTuple):
    """The outcome of the paper's own setting.

    Attributes:
        number: Its number.
        value: Its aggregate value; NaN unless every cell is in. A single cell that was stopped
            early has its last report's value.
        note: Why it is not complete; empty when it is.
    """

    number: int
    value: float
    note: str

    @classmethod
    def from_plain(cls, raw: Sequence[Any]) -> PaperResult:
        """Read an outcome from JSON, where a value that is not finite is null.

        Raises:
            TypeError, ValueError: It is malformed.
        """
        number, value, note = raw
        return cls(number, math.nan if value is None else value, note)


class Ending(StrEnum):
    """Why a session of a sweep ended."""

    DONE = "done"
    TIME = "time"
    COST = "cost"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class SweepSummary:
    """The result of a sweep's session.

    Attributes:
        ending: Why it ended.
        asked: Configurations asked for so far, over all sessions.
        origins: Their origin (`raysearch.run`) to their number; "" means unknown, from an older
            version.
        used_up: Tasks, or "" for all together, whose space has no untried configuration left, so
            that the sweep ended before its budget.
        trials: State to number of cells that ended in it, over all sessions.
        unfinished: Configurations that the next session resumes.
        best: Task to its best complete configuration and its value; "" means all tasks together,
            and is the only key in joint mode. Empty if none is complete.
        papers: Task, or "", to the outcome of the paper's own setting, once it was asked for.
        seconds: Duration of this session.
        freed: Bytes of checkpoints, weights and stages that this session removed.
        nodes: The cluster's nodes during this session, and the cost; None without a cluster.
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
        """The best complete configuration of a joint sweep; None if there is none."""
        return self.best[""].number if "" in self.best else None

    @property
    def best_value(self) -> float | None:
        """The value of the best."""
        return self.best[""].value if "" in self.best else None

    @classmethod
    def from_plain(cls, raw: Mapping[str, Any]) -> SweepSummary:
        """Read a summary from JSON.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: A field is missing or invalid.
        """
        parts = {
            "ending": Ending(raw["ending"]),
            "trials": {RunState(state): count for state, count in raw["trials"].items()},
            "best": {task: Best(*best) for task, best in raw["best"].items()},
            "papers": {
                task: PaperResult.from_plain(paper) for task, paper in raw["papers"].items()
            },
            "nodes": NodeUsage.from_plain(raw["nodes"]) if raw["nodes"] else None,
            "used_up": tuple(raw.get("used_up", ())),
        }
        return cls(**{**raw, **parts})
