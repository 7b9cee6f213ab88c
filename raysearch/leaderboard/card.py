"""Reads ``sweep.json``, which says how a sweep's rows are ranked: metric, cells, tasks, ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from raysearch.errors import ConfigError, quoted
from raysearch.json_text import read_json
from raysearch.leaderboard.keys import Codes
from raysearch.objective import AGGREGATES, Aggregate
from raysearch.run import MetricGoal, Scalar
from raysearch.seal import is_sealed, unseal

__all__ = [
    "Mode",
    "SearchRange",
    "SweepCard",
    "is_number",
    "parse_card",
    "parse_goal",
    "parse_ranges",
    "read_card",
    "used_up_text",
]

_STEPS = 50
"""Points of a range's grid, as in Optuna's PED-ANOVA."""


@dataclass(frozen=True, kw_only=True)
class SearchRange:
    """A setting that was searched.

    Attributes:
        name: The setting.
        choices: Its values if it is not a numeric range; else empty.
        low: Lower end of a range.
        high: Its upper end, above `low` unless nothing was searched.
        log: Whether the range is logarithmic.
        whole: Whether it is a range of integers.
        when: Other settings and their values for which this one is active.
    """

    name: str
    choices: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Points of its grid: the choices, the integers, or 50; 1 for a single value."""
        if self.choices:
            return len(self.choices)
        if not self.high > self.low:
            return 1
        if self.whole and self.log:  # as Optuna: no finer than doublings
            return min(math.ceil(math.log2(self.high - self.low + 1)) + 1, _STEPS)
        return min(round(self.high - self.low) + 1, _STEPS) if self.whole else _STEPS

    def active(self, config: Mapping[str, Scalar]) -> bool:
        """Whether the setting is active and the configuration's value in range.

        The paper's own setting may be outside.
        """
        if self.name not in config:  # as in rows of another version
            return False
        for other, values in self.when.items():
            if config.get(other) not in values:
                return False
        value = config.get(self.name)
        if self.choices:
            return value in self.choices
        near = 1e-9 * max(abs(self.low), abs(self.high))
        return is_number(value) and self.low - near <= float(value or 0) <= self.high + near

    def points(self, configs: Sequence[Mapping[str, Scalar]]) -> Codes:
        """Each configuration's point on the grid, (N,) int64; −1 where it is not active."""
        found = np.full(len(configs), -1, dtype=np.int64)
        there = [index for index, config in enumerate(configs) if self.active(config)]
        values = [configs[index].get(self.name) for index in there]
        if self.choices:
            found[there] = [self.choices.index(value) for value in values]
            return found
        if self.size == 1:
            found[there] = 0
            return found
        scale = np.log if self.log else np.asarray
        low, high = scale([self.low, self.high])
        steps = (scale(np.array(values, float)) - low) / ((high - low) / (self.size - 1))
        # A value midway goes to the lower point, as in Optuna.
        found[there] = np.clip(np.ceil(steps - 0.5), 0, self.size - 1).astype(np.int64)
        return found


def is_number(value: object) -> bool:
    """Whether it is an int or a float, but not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_ranges(raw: object) -> tuple[SearchRange, ...]:
    """Read the ranges under ``study`` of ``sweep.json``; empty for a sweep without them.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: They are malformed.
    """
    if raw is None:
        return ()
    if not isinstance(raw, Mapping):
        raise TypeError(f"study {raw!r}")
    if "space" not in raw:
        return ()
    return tuple(_range(name, said) for name, said in raw["space"]["search"].items())


def _range(name: str, said: Mapping[str, Any]) -> SearchRange:
    when = {other: tuple(values) for other, values in said.get("when", {}).items()}
    if "choices" in said:
        return SearchRange(name=name, choices=tuple(map(_scalar, said["choices"])), when=when)
    low, high, log = float(said["low"]), float(said["high"]), bool(said["log"])
    if not (math.isfinite(low) and math.isfinite(high) and low <= high and (low > 0 or not log)):
        raise ValueError(f"the range of {name!r} is {low:g} to {high:g}")
    return SearchRange(
        name=name,
        low=low,
        high=high,
        log=log,
        whole=said["kind"] == "int",
        when=when,
    )


def _scalar(value: Any) -> Scalar:
    """A list becomes a flat row's text, as in the sweep's rows."""
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else value


_DIRECTIONS = ("maximize", "minimize")
_MOST_BYTES = 2**24
"""Longest card; a space of every setting takes some ten thousand bytes."""
_LONGEST_NAME = 300

Mode = Literal["joint", "per_task"]


@dataclass(frozen=True, kw_only=True)
class SweepCard:
    """The ranking rules of ``sweep.json``.

    Attributes:
        goal: Metric and direction.
        cells: Cells of a complete configuration; 0 if unknown.
        mode: Whether a configuration is ranked over all tasks, or each task has its own.
        aggregate: Whether the mean over the tasks or the worst of them ranks a configuration
            over all tasks.
        tasks: All tasks of the sweep, in its order; empty if unknown.
        ranges: What was searched, in the space's order; empty if unknown.
        pruner: Name of the pruner; empty if unknown.
        sampler: Name of the sampler; empty if unknown.
        used_up: Tasks, or "" for all together, whose space had no untried configuration left.
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
        """Cells of a complete configuration within one task; 0 if unknown."""
        return self.cells if self.mode == "per_task" else self.cells // max(len(self.tasks), 1)

    @property
    def cells_of_all(self) -> int:
        """Cells of a configuration that has run on every task; 0 if unknown."""
        return self.cells * max(len(self.tasks), 1) if self.mode == "per_task" else self.cells

    @property
    def alone(self) -> bool:
        """Whether each of several tasks was searched by itself."""
        return self.mode == "per_task" and len(self.tasks) > 1


def read_card(data: bytes) -> tuple[dict[str, Any], bool]:
    """The content of a ``sweep.json`` without its seal, and whether it has one.

    Raises:
        ValueError: It is not a JSON object, or does not match its seal; the message is a clause.
    """
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    raw = read_json(data)
    if not isinstance(raw, dict):
        raise ValueError(f"it must be an object, but is {type(raw).__name__}")
    return unseal(raw), is_sealed(raw)


def parse_card(raw: Mapping[str, Any]) -> SweepCard:
    """Parse the card of a sweep; those of older sweeps have neither mode, aggregate nor tasks.

    Raises:
        ValueError: It is malformed; a clause for each field that is.
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
    """Why a sweep ended before its budget, for the tasks of `SweepCard.used_up` (at least one)."""
    of = " of " + ", ".join(tasks) if any(tasks) else ""
    return f"the search space{of} is used up: no configuration is left that was not tried"


def parse_goal(text: str) -> MetricGoal:
    """Parse ``NAME`` or ``NAME:max`` (higher is better) or ``NAME:min`` (lower is).

    Raises:
        ConfigError: The name is missing, or the ending is unknown.
    """
    name, colon, ending = text.partition(":")
    if not name or (colon and ending not in ("min", "max")):
        raise ConfigError(f"`--metric` must be NAME, NAME:max or NAME:min, but got {text!r}")
    return MetricGoal(name, "minimize" if ending == "min" else "maximize")
