"""What did a sweep search: every setting's range or choices, and where it had a say.

A sweep's ``sweep.json`` tells its search space. For rows without one the settings that differ
stand in, with the span of their values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from raysearch.leaderboard.keys import Codes
from raysearch.trial import Scalar

__all__ = ["SearchRange", "is_number", "parse_ranges", "ranges_of"]

_STEPS = 50
"""Points of a range's grid, as Optuna's PED-ANOVA has them."""
_WIDE = 50.0
"""A span of positive values with this ratio is taken for a logarithmic one."""


@dataclass(frozen=True, kw_only=True)
class SearchRange:
    """A setting that was searched.

    Attributes:
        name: The setting.
        choices: Its values where it is not a span of numbers; else empty.
        low: Lower end of a span.
        high: Its upper end, above `low` unless nothing was searched.
        log: Whether the span is logarithmic.
        whole: Whether only whole numbers count.
        when: Other settings and their values with which this one has a say at all.
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
        """Points of its grid: the choices, the whole numbers, or 50; 1 for a single value."""
        if self.choices:
            return len(self.choices)
        if not self.high > self.low:
            return 1
        if self.whole and self.log:  # as Optuna: no finer than doublings
            return min(math.ceil(math.log2(self.high - self.low + 1)) + 1, _STEPS)
        return min(round(self.high - self.low) + 1, _STEPS) if self.whole else _STEPS

    def active(self, config: Mapping[str, Scalar]) -> bool:
        """Whether the configuration's value is one of the search, and has a say.

        The paper's own setting may lie outside.
        """
        for other, values in self.when.items():
            if config.get(other) not in values:
                return False
        value = config.get(self.name)
        if self.choices:
            return value in self.choices
        near = 1e-9 * max(abs(self.low), abs(self.high))
        return is_number(value) and self.low - near <= float(value or 0) <= self.high + near

    def points(self, configs: Sequence[Mapping[str, Scalar]]) -> Codes:
        """Each configuration's point on the grid, (N,) int64; −1 where it has no say."""
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
    """Whether it is an int or a float; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_ranges(raw: object) -> tuple[SearchRange, ...]:
    """Read what ``sweep.json`` has under ``study``; empty for a sweep that does not say.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: It is something else.
    """
    if raw is None:
        return ()
    if not isinstance(raw, Mapping):
        raise TypeError(f"study {raw!r}")
    if "space" not in raw:
        return ()
    return tuple(_range(name, said) for name, said in raw["space"]["search"].items())


def ranges_of(table: pa.Table, known: Sequence[SearchRange]) -> tuple[SearchRange, ...]:
    """The sweep's own ranges, else the span of every setting that differs."""
    if known:
        return tuple(known)
    from raysearch.leaderboard.tasks import searched  # which imports the card, which imports this

    return tuple(
        _span(name, table.column(f"config/{name}").to_pylist()) for name in searched(table)
    )


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
    """A list is a flat row's text, as its rows have it."""
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else value


def _span(name: str, values: Sequence[Scalar]) -> SearchRange:
    found = [value for value in dict.fromkeys(values) if value is not None]
    if not all(map(is_number, found)):
        return SearchRange(name=name, choices=tuple(dict.fromkeys(values)))
    low, high = min(map(float, found)), max(map(float, found))
    whole = all(isinstance(value, int) for value in found)
    return SearchRange(
        name=name, low=low, high=high, log=low > 0 and high / low > _WIDE, whole=whole
    )
