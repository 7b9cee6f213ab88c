"""The best after each trial by steps and seconds, and when each slot was busy.

A configuration counts from the end of its last row; failed and stopped ones cost as the others do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from raysearch.findings.sweep import History, Span
from raysearch.leaderboard.keys import column_values
from raysearch.leaderboard.rank import Ranked, RankStatus
from raysearch.objective import Best
from raysearch.run import MetricGoal

__all__ = ["best_so_far", "spans"]


def best_so_far(items: Sequence[Ranked], table: pa.Table, goal: MetricGoal) -> History:
    """The history of the best configuration.

    Args:
        items: The configurations of one contest.
        table: Rows of *trials*, which say when each was finished.
        goal: The metric and its direction.
    """
    ends = _ends(table)
    ordered = sorted(items, key=lambda item: (ends.get(item.trial, 0.0), item.trial))
    complete = [item.status is RankStatus.COMPLETE for item in ordered]
    scores = [
        item.score if done else math.nan for item, done in zip(ordered, complete, strict=True)
    ]
    first: Best | None = None
    best: list[float] = []
    improved = []
    for index, (item, score) in enumerate(zip(ordered, scores, strict=True)):
        if (found := Best(item.trial, score)).ahead_of(first, goal):
            first = found
            improved.append(index)
        best.append(math.nan if first is None else first.value)
    return History(
        trials=tuple(item.trial for item in ordered),
        steps=np.cumsum([float(item.steps) for item in ordered]),
        seconds=np.cumsum([item.seconds for item in ordered]),
        scores=np.array(scores),
        best=np.array(best),
        improved=tuple(improved),
    )


def spans(table: pa.Table) -> list[Span]:
    """When each row was trained, and on which lane of its machine, in order of start.

    A row has its end and its seconds of training, but not its start: a trial that was interrupted
    appears to have begun later than it did.
    """
    names = ("trial", "task", "seed", "state", "finished")
    columns = {name: table.column(name).to_pylist() for name in names}
    host = "provenance/host"
    hosts = (
        table.column(host).to_pylist() if host in table.column_names else [None] * table.num_rows
    )
    seconds = np.nan_to_num(column_values(table, "seconds")).tolist()
    rows = [
        (end - timedelta(seconds=spent), end, name or "", index)
        for index, (end, spent, name) in enumerate(
            zip(columns["finished"], seconds, hosts, strict=True)
        )
        if end is not None
    ]
    free: dict[str, list[datetime]] = {}
    found = []
    slack = timedelta(seconds=2)  # ends are whole seconds, and evaluation may overlap
    for start, end, name, index in sorted(rows):
        lanes = free.setdefault(name, [])
        slot = next((i for i, until in enumerate(lanes) if until <= start + slack), len(lanes))
        lanes[slot : slot + 1] = [end]
        found.append(
            Span(
                host=name,
                slot=slot,
                trial=columns["trial"][index],
                task=columns["task"][index],
                seed=columns["seed"][index],
                state=columns["state"][index],
                start=start,
                end=end,
            )
        )
    return found


def _ends(table: pa.Table) -> dict[int, float]:
    """Trial to the time of its last row's end."""
    found: dict[int, float] = {}
    for trial, end in zip(
        table.column("trial").to_pylist(), table.column("finished").to_pylist(), strict=True
    ):
        if end is not None:
            found[trial] = max(found.get(trial, 0.0), end.timestamp())
    return found
