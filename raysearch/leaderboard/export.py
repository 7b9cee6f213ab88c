"""How is a ranked configuration written as one flat record for csv and json."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raysearch.leaderboard.ranked import Ranked
from raysearch.printable import printable
from raysearch.trial import MetricGoal

__all__ = ["records", "spreadsheet_cell"]

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
