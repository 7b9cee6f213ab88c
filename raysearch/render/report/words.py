"""How does a caption say a number, a count or an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from raysearch.render.format import score
from raysearch.statistics.intervals import Interval

__all__ = ["between", "counted", "listed", "of_mean", "percent", "short"]


def short(value: float) -> str:
    """A figure in four digits, a dash for none."""
    return score(value) or "–"


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 trial``, ``12 trials``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Sequence[object], most: int = 6) -> str:
    """``a, b and c``; of many the first few."""
    shown = [str(name) for name in names]
    if len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def percent(share: float) -> str:
    """``12 %``; below one in a hundred with a decimal."""
    if math.isnan(share):
        return "–"
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 else f"{100 * share:.0f} %"


def between(interval: Interval, digits: int = 2) -> str:
    """``+0.42 [0.11, 0.67]``."""
    if not interval.bounded:
        return f"{interval.value:+.{digits}f}"
    ends = f"[{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]"
    return f"{interval.value:+.{digits}f} {ends}"


def of_mean(mean: float, sd: float, cells: int) -> str:
    """``0.4012 ± 0.0121 over 3 cells``."""
    spread = "" if math.isnan(sd) else f" ± {short(sd)}"
    return f"{short(mean)}{spread} over {counted(cells, 'cell')}"
