"""Formats numbers, times, settings and curves in a few characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raysearch.printable import printable
from raysearch.run import Scalar
from raysearch.statistics.intervals import Interval

__all__ = [
    "ASCII",
    "UNICODE",
    "Glyphs",
    "duration",
    "glyphs_for",
    "interval_record",
    "json_number",
    "score",
    "setting",
    "sparkline",
]


@dataclass(frozen=True, kw_only=True)
class Glyphs:
    """Characters that not every terminal can show.

    Attributes:
        plus_minus: Between a mean and its standard deviation.
        dot: Between facts on a line.
        none: Placeholder for a missing value.
        bars: The levels of a curve, lowest first.
        full: A filled cell of a progress bar.
        empty: An empty one.
    """

    plus_minus: str
    dot: str
    none: str
    bars: str
    full: str
    empty: str


UNICODE = Glyphs(plus_minus="±", dot="·", none="–", bars="▁▂▃▄▅▆▇█", full="━", empty="─")
ASCII = Glyphs(plus_minus="+-", dot="|", none="-", bars="_.-=+*#@", full="#", empty=".")


def glyphs_for(encoding: str) -> Glyphs:
    """The characters that a stream of this encoding can show."""
    signs = "".join((*vars(UNICODE).values(),))
    try:
        signs.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def score(value: float) -> str:
    """A metric: four decimals below 100 in size, five digits above; empty for NaN.

    A value too small for four decimals has two digits and an exponent.
    """
    if math.isnan(value):
        return ""
    if 0 < abs(value) < 5e-4:
        return f"{value:.1e}"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.5g}"


def json_number(value: float) -> float | None:
    """A number for JSON: null for NaN and infinities."""
    return value if math.isfinite(value) else None


def interval_record(interval: Interval) -> dict[str, Any]:
    """An interval for JSON; ends that are not finite are null."""
    return {
        "mean": interval.value,
        "low": json_number(interval.low),
        "high": json_number(interval.high),
        "level": interval.level,
    }


def setting(value: Scalar) -> str:
    """A setting: three digits of a float, anything else in full.

    Between 0.99 and 1 it keeps two digits of the distance to 1, so that 0.9996 is not 1.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return printable(str(value), lines=False)
    if 0.99 < value < 1:
        places = 1 - math.floor(math.log10(1 - value))
        return f"{value:.{places}f}".rstrip("0")
    if value.is_integer() and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """A time in at most six characters: ``0.8s``, ``42s``, ``3m07s``, ``1h02m``, ``2d03h``."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for size, unit, part, below in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part:02d}{below}"
    return f"{whole}s"


def sparkline(values: Sequence[float], width: int, bars: str) -> str:
    """A curve as one line of bars, scaled from its lowest to its highest value.

    Args:
        values: Points in order; NaN leaves a blank.
        width: Longest result; with more points each character shows the last of its share.
        bars: Levels, lowest first.
    """
    if len(values) > width:
        values = [values[(index + 1) * len(values) // width - 1] for index in range(width)]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return " " * len(values)
    low, high = min(finite), max(finite)
    step = (high - low) / (len(bars) - 1)

    def bar(value: float) -> str:
        if not math.isfinite(value):
            return " "
        return bars[round((value - low) / step)] if step > 0 else bars[len(bars) // 2]

    return "".join(bar(value) for value in values)
