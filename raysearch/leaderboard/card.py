"""What does a sweep say of itself, so that its rows can be ranked: metric, cells, tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from raysearch.errors import ConfigError
from raysearch.leaderboard.ranges import SearchRange, parse_ranges
from raysearch.objective import AGGREGATES, Aggregate
from raysearch.trial import MetricGoal

__all__ = ["Mode", "SweepCard", "parse_card", "parse_goal", "used_up_text"]

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


def parse_card(raw: Mapping[str, Any]) -> SweepCard:
    """Read what a sweep writes; cards of older sweeps have neither mode, aggregate nor tasks.

    Raises:
        ValueError, KeyError, TypeError: It is something else.
    """
    mode, aggregate = raw.get("mode", "joint"), raw.get("aggregate", "mean")
    for name, value, known in (
        ("direction", raw["direction"], ("maximize", "minimize")),
        ("mode", mode, ("joint", "per_task")),
        ("aggregate", aggregate, AGGREGATES),
    ):
        if value not in known:
            raise ValueError(f"{name} {value!r}")
    return SweepCard(
        goal=MetricGoal(raw["metric"], raw["direction"]),
        cells=int(raw.get("cells", 0)),
        mode=mode,
        aggregate=aggregate,
        tasks=tuple(raw.get("tasks", ())),
        ranges=parse_ranges(raw.get("study")),
        used_up=tuple(map(str, raw.get("used_up", ()))),
        **{name: str(_space(raw).get(name, "")) for name in ("pruner", "sampler")},
    )


def _space(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    study: Mapping[str, Any] = raw.get("study") or {}
    space: Mapping[str, Any] = study.get("space") or {}
    return space


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
