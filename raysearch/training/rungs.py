"""When a trial reports."""

from __future__ import annotations

import math

__all__ = ["report_rungs"]


def report_rungs(total_steps: int, reports: int) -> dict[int, int]:
    """Step count after which a report is due, to its rung.

    Rung r of R is due after ceil(total · r / R) steps. If a short trial would report twice after
    the same step, only the later rung is reported; a trial without steps reports once, at rung R.
    """
    return {math.ceil(total_steps * rung / reports): rung for rung in range(1, reports + 1)}
