"""One training step: due reports, the learning rate, the batch, and the updates in order.

Each update is one backward pass and, unless it says otherwise, averaging the gradients over the
workers, clipping their norm, and a step of its optimizer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from raysearch import distributed
from raysearch.config import TrainingConfig
from raysearch.errors import RunError
from raysearch.methods.base import Method
from raysearch.methods.stage import Stage
from raysearch.training.hardware import autocast
from raysearch.training.progress import Position
from raysearch.training.rungs import report_rungs
from raysearch.training.seed import derive_seed

__all__ = [
    "endless_batches",
    "scale_learning_rates",
    "stage_rungs",
    "take_step",
    "warmup_then_linear",
]


def warmup_then_linear(step: int, steps: int, warmup_share: float) -> float:
    """Factor on the peak learning rate: a linear rise during warm-up, then linear decay to 0.

    Args:
        step: The step about to be taken, from 0.
        steps: Steps of the schedule.
        warmup_share: Fraction of `steps` in which the rate rises.

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


def stage_rungs(stages: Sequence[Stage], reports: int) -> list[dict[int, int]]:
    """For each stage, the steps within it after which a report is due, and their rungs.

    Reports are spread over the steps of the stages that have them, as in `report_rungs`; if
    these have no steps, the only report comes at the end of the trial. A stage that selects has
    its own, spread over its steps alone.
    """
    own = [report_rungs(stage.steps, reports) if stage.selects else {} for stage in stages]
    total = sum(stage.steps for stage in stages if stage.reports)
    if total == 0:
        return [*own[:-1], {stages[-1].steps: reports}]
    due = report_rungs(total, reports)
    found: list[dict[int, int]] = []
    before = 0
    for stage, selecting in zip(stages, own, strict=True):
        steps = stage.steps if stage.reports else 0
        within = {at - before: rung for at, rung in due.items() if before < at <= before + steps}
        found.append(within | selecting)
        before += steps
    return found


def endless_batches(method: Method, stage: Stage, seed: int, *, skip: int) -> Iterator[Any]:
    """Infinite batches of a stage; an epoch's order depends only on its number.

    Args:
        method: Provides the epochs.
        stage: The stage.
        seed: The cell's seed.
        skip: Batches that were already used.

    Raises:
        RunError: An epoch has no batch.
    """
    epoch = 0
    while True:
        count = 0
        for batch in method.batches(stage, derive_seed(seed, stage.name, epoch)):
            count += 1
            if skip > 0:
                skip -= 1
            else:
                yield batch
        if count == 0:
            raise RunError(f"stage `{stage.name}` must have at least one batch, but got none")
        epoch += 1


def take_step(
    method: Method, config: TrainingConfig, stage: Stage, batch: Any, position: Position
) -> None:
    """Perform the updates of one batch; adds their terms to the position's sums."""
    before, steps = stage.scheduled or (0, stage.steps)
    factor = warmup_then_linear(before + position.step, steps, config.warmup_share)
    pending: set[str] = set()
    updates = method.updates(batch, position.step)
    while True:
        with autocast(config.precision):
            update = next(updates, None)
        if update is None:
            break
        optimizer = method.optimizers[update.optimizer]
        if update.optimizer not in pending:
            optimizer.zero_grad(set_to_none=True)
            pending.add(update.optimizer)
        update.loss.backward()  # type: ignore[no-untyped-call]
        if update.step:
            scale_learning_rates(optimizer, factor if update.rate is None else update.rate)
            _take(optimizer, config.clip_norm)
            pending.discard(update.optimizer)
        for name, value in update.terms.items():
            value = value.detach().double() if isinstance(value, torch.Tensor) else value
            position.sums[name] = position.sums.get(name, 0.0) + value  # type: ignore[assignment]
            position.counts[name] = position.counts.get(name, 0) + 1
    assert not pending, f"gradients of {pending} were never stepped"
    position.step += 1
    position.done += 1


def _take(optimizer: torch.optim.Optimizer, clip_norm: float) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    distributed.average_gradients(parameters)
    if clip_norm > 0:
        torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
    optimizer.step()
