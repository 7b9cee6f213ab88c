"""How does a sweep over several tasks go about them, and do its options go together.

The options are ``mode``, ``aggregate``, ``warm_start`` and ``reuse`` of a search space; see
`raysearch.search.space_file`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raysearch.search.parameters import Parameter
from raysearch.search.samplers import reuse_problem
from raysearch.trial import Cell

__all__ = ["MODES", "TASK_DEFAULTS", "task_problems", "tasks_of"]

MODES = ("joint", "per_task")
TASK_DEFAULTS: Mapping[str, Any] = {
    "mode": "joint",
    "aggregate": "mean",
    "warm_start": 0,
    "reuse": 0.0,
}
"""A space says nothing of an option at its default, so that older studies keep their identity."""


def tasks_of(cells: Sequence[Cell]) -> tuple[str, ...]:
    """The tasks of cells, each once, in their order."""
    return tuple(dict.fromkeys(cell.task for cell in cells))


def task_problems(options: Mapping[str, Any], searched: Sequence[Parameter]) -> dict[str, str]:
    """What of the options cannot go together.

    Args:
        options: Values of the names in `TASK_DEFAULTS` and of ``sampler``.
        searched: What is searched.

    Returns:
        Name of the key to blame to a sentence without its end.
    """
    found = {}
    if options["mode"] == "joint" and options["warm_start"]:
        found["warm_start"] = (
            f"`warm_start` must be 0 unless `mode` is per_task, but got {options['warm_start']}: "
            "in joint mode every configuration runs on all tasks anyway"
        )
    if options["mode"] == "per_task":
        if options["aggregate"] != "mean":
            found["aggregate"] = (
                f"`aggregate` must be left out where `mode` is per_task, but got "
                f"{options['aggregate']}: a configuration has one task then"
            )
        if any(item.name == "pairs" for item in searched):
            found["pairs"] = (
                "`pairs` must be fixed where `mode` is per_task, but is searched: give it under "
                "`setting` or by --pairs"
            )
    problem = reuse_problem(options["sampler"], options["reuse"])
    if problem:
        found["reuse"] = problem
    return found
