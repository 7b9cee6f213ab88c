"""Measures how long each node was up, with and without a trial.

Pure arithmetic on observations: node ids with their types at an instant, and runs that start
and end on nodes. Times are seconds of any monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from raysearch.summary import NodeTimes, total

__all__ = ["LiveNode", "NodeClock"]


@dataclass(frozen=True, kw_only=True)
class LiveNode:
    """A node that is up.

    Attributes:
        id: Its id in Ray.
        type: Its node type in the cluster file; empty if it was not started from one.
        head: Whether it is the head, which runs no trial.
    """

    id: str
    type: str = ""
    head: bool = False


@dataclass
class _Node:
    type: str
    head: bool
    since: float
    gone: float | None = None
    runs: set[str] = field(default_factory=set)
    busy_since: float = 0.0
    busy: float = 0.0
    """Seconds of the finished spans with a trial."""
    first: float | None = None
    last: float = 0.0
    """End of the last span with a trial."""

    def begin(self, now: float, run_id: str) -> None:
        if not self.runs:
            self.busy_since = now
            self.first = now if self.first is None else self.first
        self.runs.add(run_id)

    def end(self, now: float, run_id: str) -> None:
        if self.runs == {run_id}:
            self.busy, self.last = self.busy + now - self.busy_since, now
        self.runs.discard(run_id)

    def times(self, now: float) -> NodeTimes:
        until = now if self.gone is None else self.gone
        up, leased = until - self.since, self.busy
        before, after = up, 0.0
        if self.first is not None:
            before, after = self.first - self.since, until - self.last
        if self.runs:
            leased, after = leased + until - self.busy_since, 0.0
        return NodeTimes(
            type=self.type,
            head=self.head,
            nodes=1,
            up=up,
            leased=leased,
            before=before,
            between=up - leased - before - after,
            after=after,
        )


class NodeClock:
    """The uptimes of a cluster's nodes while a sweep runs; `now` never decreases."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._where: dict[str, tuple[str, ...]] = {}

    def see(self, now: float, live: Iterable[LiveNode]) -> None:
        """Update which nodes are up; the others have ended, and their runs too.

        Ray never reuses an id. A node that was missing and is seen again, after a lost link,
        counts as up all the while, which it was.
        """
        up = {node.id: node for node in live}
        for node_id, node in up.items():
            known = self._nodes.setdefault(node_id, _Node(node.type, node.head, since=now))
            known.type, known.head, known.gone = node.type, node.head, None
        for node_id, known in self._nodes.items():
            if node_id not in up and known.gone is None:
                for run_id in tuple(known.runs):
                    known.end(now, run_id)
                known.gone = now

    def begin(self, now: float, run_id: str, nodes: Sequence[str]) -> None:
        """A run has started on these nodes; it no longer runs on any other."""
        self.end(now, run_id)
        self._where[run_id] = tuple(nodes)
        for node_id in nodes:
            known = self._nodes.setdefault(node_id, _Node("", False, since=now))
            known.gone = None  # not in the list, but it has just reported
            known.begin(now, run_id)

    def end(self, now: float, run_id: str) -> None:
        """A run has ended; does nothing if it never started."""
        for node_id in self._where.pop(run_id, ()):
            self._nodes[node_id].end(now, run_id)

    def live(self) -> tuple[LiveNode, ...]:
        """The nodes that were up when last seen."""
        return tuple(
            LiveNode(id=node_id, type=node.type, head=node.head)
            for node_id, node in self._nodes.items()
            if node.gone is None
        )

    def times(self, now: float) -> tuple[NodeTimes, ...]:
        """Totals per node type, in order of first appearance."""
        groups: dict[tuple[str, bool], list[NodeTimes]] = {}
        for node in self._nodes.values():
            groups.setdefault((node.type, node.head), []).append(node.times(now))
        return tuple(total(parts, name, head=head) for (name, head), parts in groups.items())
