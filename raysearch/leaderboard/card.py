"""What does a sweep say of itself, so that its rows can be ranked: metric, cells, tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from raysearch.errors import ConfigError, quoted
from raysearch.json_text import read_json
from raysearch.leaderboard.ranges import SearchRange, parse_ranges
from raysearch.objective import AGGREGATES, Aggregate
from raysearch.seal import is_sealed, unseal
from raysearch.trial import MetricGoal

__all__ = ["Mode", "SweepCard", "parse_card", "parse_goal", "read_card", "used_up_text"]

_DIRECTIONS = ("maximize", "minimize")
_MOST_BYTES = 2**24
"""A space of every setting takes some ten thousand."""
_LONGEST_NAME = 300

Mode = Literal["joint", "per_task"]


@dataclass(frozen=True, kw_only=True)
class SweepCard:
    """What ``sweep.json`` says about ranking.

    Attributes:
        goal: Metric and direction.
        cells: Cells that a configuration must have to be complete; 0 where it does not say.
        mode: Whether a configuration is judged over all tasks, or every task has its own.
        aggregate: Whether the mean over the tasks or the worst of them ranks a configuration
            that is judged over all.
        tasks: All tasks of the sweep, in its order; empty where it does not say.
        ranges: What was searched, in the space's order; empty where it does not say.
        pruner: What stopped trials early; empty where it does not say.
        sampler: What proposed configurations; empty where it does not say.
        used_up: Tasks, or "" for all together, whose space had no configuration left that was
            not tried.
    """

    goal: MetricGoal
    cells: int = 0
    mode: Mode = "joint"
    aggregate: Aggregate = "mean"
    tasks: tuple[str, ...] = ()
    ranges: tuple[SearchRange, ...] = ()
    pruner: str = ""
    sampler: str = ""
    used_up: tuple[str, ...] = ()

    @property
    def cells_of_task(self) -> int:
        """Cells of a complete configuration within one task; 0 where it does not say."""
        return self.cells if self.mode == "per_task" else self.cells // max(len(self.tasks), 1)

    @property
    def cells_of_all(self) -> int:
        """Cells of a configuration that has run on every task; 0 where it does not say."""
        return self.cells * max(len(self.tasks), 1) if self.mode == "per_task" else self.cells


def read_card(data: bytes) -> tuple[dict[str, Any], bool]:
    """What the bytes of a ``sweep.json`` hold, as it was written, and whether it has a seal.

    Raises:
        ValueError: They are no JSON object, or not the one that was sealed; says so in a clause.
    """
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    raw = read_json(data)
    if not isinstance(raw, dict):
        raise ValueError(f"it must be an object, but is {type(raw).__name__}")
    return unseal(raw), is_sealed(raw)


def parse_card(raw: Mapping[str, Any]) -> SweepCard:
    """Read what a sweep writes; cards of older sweeps have neither mode, aggregate nor tasks.

    Raises:
        ValueError: It is something else; a clause for each field that is.
    """
    mode, aggregate = raw.get("mode", "joint"), raw.get("aggregate", "mean")
    cells, tasks, used_up = raw.get("cells", 0), raw.get("tasks", []), raw.get("used_up", [])
    metric: Any = raw.get("metric")
    direction: Any = raw.get("direction")
    study = raw.get("study") or {}
    space: Any = study.get("space") or {} if isinstance(study, dict) else None
    wrong = [
        f"`{name}` must be {rule}, but is {quoted(value)}"
        for name, value, rule, holds in (
            ("metric", metric, "a name", _is_name(metric)),
            ("direction", direction, "maximize or minimize", direction in _DIRECTIONS),
            ("mode", mode, "joint or per_task", mode in ("joint", "per_task")),
            ("aggregate", aggregate, " or ".join(AGGREGATES), aggregate in AGGREGATES),
            ("cells", cells, "a whole number from 0", type(cells) is int and 0 <= cells < 2**31),
            ("tasks", tasks, "a list of names", _are_names(tasks)),
            ("used_up", used_up, "a list of tasks", used_up == [""] or _are_names(used_up)),
            ("study", study, "what was searched", isinstance(space, dict)),
        )
        if not holds
    ]
    if wrong:
        raise ValueError("; ".join(wrong))
    try:
        ranges = parse_ranges(raw.get("study"))
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"`study` must be what was searched, but: {error!r}") from error
    return SweepCard(
        goal=MetricGoal(metric, direction),
        cells=cells,
        mode=mode,
        aggregate=aggregate,
        tasks=tuple(tasks),
        ranges=ranges,
        used_up=tuple(used_up),
        **{name: str(space.get(name, "")) for name in ("pruner", "sampler")},
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_name, value))


def used_up_text(tasks: Sequence[str]) -> str:
    """Why a sweep ended before its budget, for the tasks of `SweepCard.used_up`; at least one."""
    of = " of " + ", ".join(tasks) if any(tasks) else ""
    return f"the search space{of} is used up: no configuration is left that was not tried"


def parse_goal(text: str) -> MetricGoal:
    """``NAME`` or ``NAME:max`` where higher is better, ``NAME:min`` where lower is.

    Raises:
        ConfigError: There is no name, or the ending is another.
    """
    name, colon, ending = text.partition(":")
    if not name or (colon and ending not in ("min", "max")):
        raise ConfigError(f"`--metric` must be NAME, NAME:max or NAME:min, but got {text!r}")
    return MetricGoal(name, "minimize" if ending == "min" else "maximize")
