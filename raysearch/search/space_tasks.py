"""How does a sweep over several tasks go about them, and do its options go together.

The options are ``mode``, ``aggregate``, ``warm_start`` and ``reuse`` of a search space; see
`raysearch.search.space_file`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raysearch.config import TrainingConfig, as_scalar, read_config
from raysearch.errors import ConfigError
from raysearch.methods import METHODS, get_method
from raysearch.methods.outside import outside_methods
from raysearch.search.parameters import Parameter
from raysearch.search.samplers import reuse_problem
from raysearch.trial import Cell, Scalar

if TYPE_CHECKING:
    from raysearch.search.space import SearchSpace

__all__ = [
    "MODES",
    "TASK_DEFAULTS",
    "contest_problems",
    "task_problems",
    "task_setting_problems",
    "tasks_of",
]

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
    problem = reuse_problem(options["sampler"], options["reuse"])
    if problem:
        found["reuse"] = problem
    return found


def contest_problems(
    config_type: type[TrainingConfig], pruner: str, searched: Sequence[Parameter]
) -> dict[str, str]:
    """Which searched settings would make configurations that cannot be compared.

    Args:
        config_type: The method's config class.
        pruner: Name in `raysearch.search.pruners.PRUNERS`.
        searched: What is searched.

    Returns:
        Name of the setting to a sentence without its end.
    """
    names = [item.name for item in searched]
    found = {name: _unlike(name) for name in names if name in config_type.SCORED_ON}
    if pruner != "none" and "reports" in names:
        found["reports"] = (
            "`reports` must be fixed where `pruner` is not none, but is searched: a report would "
            "be another share of the training in each configuration; give it under `setting`"
        )
    return found


def task_setting_problems(space: SearchSpace) -> list[str]:
    """Which searched settings change the tasks of the method, so that cells would differ.

    Returns:
        Sentences without their end; none for a config class that is no known method's.
    """
    if space.method not in (*METHODS, *outside_methods()):
        return []
    tasks = get_method(space.method).tasks
    config = {name: as_scalar(value) for name, value in space.paper_first()[0].items()}

    def tasks_with(values: Mapping[str, Scalar]) -> tuple[str, ...]:
        return tasks(read_config(space.config_type, {**config, **values}, where=space.source))

    wanted = tasks_with({})

    def changes(name: str, value: Scalar) -> bool:
        try:
            return tasks_with({name: value}) != wanted
        except ConfigError:  # it cannot be changed alone
            return False

    return [
        _unlike(item.name)
        for item in space.searched
        if any(changes(item.name, value) for value in _ends(item))
    ]


def _ends(item: Parameter) -> tuple[Scalar, ...]:
    return item.choices if item.kind == "choice" else (item.low, item.high)


def _unlike(name: str) -> str:
    return (
        f"`{name}` must be fixed, but is searched: it says on which data a configuration is "
        "scored, and scores on different data cannot be ranked together; give it under `setting`, "
        "in a sweep for each value"
    )
