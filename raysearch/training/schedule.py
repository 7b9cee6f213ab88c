"""Which learning rate at which step, and after which steps a report is due."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from raysearch.methods.stage import Stage

__all__ = ["report_rungs", "scale_learning_rates", "stage_rungs", "warmup_then_linear"]


def warmup_then_linear(step: int, steps: int, warmup_share: float) -> float:
    """Factor on the peak learning rate: a linear rise over the warm-up, then linear to 0.

    Args:
        step: The step about to be taken, from 0.
        steps: Steps of the stage.
        warmup_share: Share of `steps` in which the rate rises.

    Returns:
        A factor in (0, 1]; the last step still has a positive rate.
    """
    warmup = math.ceil(steps * warmup_share)
    if step < warmup:
        return (step + 1) / warmup
    return (steps - step) / max(1, steps - warmup)


def scale_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to `factor` times the rate it was built with."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def report_rungs(total_steps: int, reports: int) -> dict[int, int]:
    """Step count after which a report is due, to its rung.

    Rung r of R is due after ceil(total · r / R) steps. Where a short trial would report twice
    after the same step, the later rung stands; a trial of no steps reports once, at rung R.
    """
    return {math.ceil(total_steps * rung / reports): rung for rung in range(1, reports + 1)}


def stage_rungs(stages: Sequence[Stage], reports: int) -> list[dict[int, int]]:
    """Of each stage, the steps within it after which a report is due, and their rungs.

    Reports are spread over the steps of the stages that have them, as in `report_rungs`; when
    these have no steps, the one report comes at the end of the trial.
    """
    total = sum(stage.steps for stage in stages if stage.reports)
    if total == 0:
        return [{} for _ in stages[:-1]] + [{stages[-1].steps: reports}]
    due = report_rungs(total, reports)
    found: list[dict[int, int]] = []
    before = 0
    for stage in stages:
        steps = stage.steps if stage.reports else 0
        within = {at - before: rung for at, rung in due.items() if before < at <= before + steps}
        found.append(within)
        before += steps
    return found
