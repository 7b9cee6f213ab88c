"""How is a ranked configuration, or a setting, written as one flat record for csv and json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from raysearch.analysis.correlation import task_settings
from raysearch.config import as_scalar
from raysearch.leaderboard.card import SweepCard
from raysearch.leaderboard.keys import distinct
from raysearch.leaderboard.rank import Ranked
from raysearch.printable import printable
from raysearch.run import MetricGoal

__all__ = ["records", "setting_records", "spreadsheet_cell"]

_FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""What a spreadsheet's formula begins with, also in full width."""


def records(ranking: Iterable[Ranked], goal: MetricGoal) -> list[dict[str, Any]]:
    """One mapping a configuration, every value a scalar; what is not known is None or NaN.

    The order of names is that of the table: place, identity, score, costs, reason, where there
    are several tasks the mean of each as ``mean/*``, then ``config/*`` and ``metric/*`` (means
    over the cells that have it).
    """
    return [
        {
            "rank": item.rank,
            "sweep": item.sweep,
            "trial": item.trial,
            "method": item.method,
            "tasks": item.tasks,
            "state": str(item.standing),
            "cells": item.cells,
            "goal": goal.name,
            "direction": goal.direction,
            "score": item.score,
            "mean": item.mean,
            "sd": item.sd,
            "seconds": item.seconds,
            "steps": item.steps,
            "reason": item.reason,
            **(
                {f"mean/{name}": value for name, value in item.by_task.items()}
                if len(item.by_task) > 1
                else {}
            ),
            **{f"config/{name}": value for name, value in item.config.items()},
            **{f"metric/{name}": value for name, value in item.metrics.items()},
        }
        for item in ranking
    ]


def setting_records(
    table: pa.Table, card: SweepCard, papers: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One mapping a task and setting, in the order of the board by parameter.

    Args:
        table: Rows of *trials* of one sweep.
        card: What ranks them.
        papers: Task to the paper's values of it, by setting; empty where there are none.

    Raises:
        ConfigError: No row of a task has the metric.
    """
    columns, names = task_settings(table, card)
    found = []
    for column in columns:
        best = column.best
        for name in names:
            known = column.associations.get(name)
            found.append(
                {
                    "sweep": ", ".join(distinct(table, "sweep")),
                    "task": column.task,
                    "goal": card.goal.name,
                    "direction": card.goal.direction,
                    "trial": best.trial if best else None,
                    "score": best.score if best else None,
                    "complete": column.complete,
                    "setting": name,
                    "value": best.config.get(name) if best else None,
                    "paper": as_scalar(papers.get(column.task, {}).get(name)),
                    "association": known.value if known else None,
                    "measure": ("spearman" if known.signed else "eta") if known else None,
                    "told": known.told if known else None,
                }
            )
    return found


def spreadsheet_cell(value: Any) -> Any:
    """A cell that a spreadsheet shows and does not run: a quote before what it would compute.

    Numbers stay, also where they are written as text.
    """
    if not isinstance(value, str):
        return value
    quote = "'" if value[:1] in _FORMULA and not _is_number(value) else ""
    return quote + printable(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == ""
    return True
