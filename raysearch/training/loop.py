"""How is a step taken: the one loop that performs the updates of every method.

It knows no method by name and no Ray. It schedules, steps, reports, writes checkpoints and
resumes; what is learned is in the method, where reports go is in the listener.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from raysearch import distributed
from raysearch.config import TrainingConfig
from raysearch.errors import TrialError
from raysearch.methods.base import Method, Stage
from raysearch.training.checkpoint import load_checkpoint, save_checkpoint
from raysearch.training.progress import Listener, Position
from raysearch.training.schedule import report_rungs, scale_learning_rates, warmup_then_linear
from raysearch.training.seed import (
    derive_seed,
    random_state,
    restore_random_state,
    seed_everything,
)
from raysearch.training.stages import StageCache
from raysearch.trial import Report

__all__ = ["Fit", "Listener"]

TICK_STEPS = 10
"""Steps between checks that wait for the device: finite terms, progress, a due checkpoint."""


class Fit:
    """One trial's way through its stages.

    Args:
        method: Freshly built.
        config: The loop's settings.
        seed: The cell's seed.
        checkpoint: Path of the trial's checkpoint.
        listener: Where reports go.
        keys: Key of every stage, in order.
        cache: Where finished stages that others may share are kept, or None.
    """

    def __init__(
        self,
        method: Method,
        config: TrainingConfig,
        *,
        seed: int,
        checkpoint: Path,
        listener: Listener,
        keys: Sequence[str],
        cache: StageCache | None = None,
    ) -> None:
        self.method, self.config, self.seed = method, config, seed
        self.checkpoint, self.listener = checkpoint, listener
        self.keys, self.cache = keys, cache
        self.stages = list(method.stages())
        self.total = sum(stage.steps for stage in self.stages)
        self.rungs = report_rungs(self.total, config.reports)
        self.position = Position()
        self._life = self._saved = time.monotonic()

    def run(self) -> bool:
        """Train from the checkpoint, a shared stage or the start, to the end.

        Returns:
            True when the trial is complete, False when the listener stopped it.

        Raises:
            TrialError: A term is not finite, or the method measured a failure signature.
        """
        restored = self._restore()
        for report in self.position.reports:
            if self._deliver(report):
                return False
        if self.total == 0 and not self.position.reports:
            return not self._report(self.rungs[0])
        for index in range(self.position.stage, len(self.stages)):
            if index > self.position.stage or not restored:
                self.position.stage, self.position.step = index, 0
                seed_everything(derive_seed(self.seed, self.stages[index].name))
                self.method.begin(self.stages[index])
            if not self._run_stage(self.stages[index]):
                return False
            restored = False
            self._share(index)
        return True

    def elapsed(self) -> float:
        """Seconds that this trial has taken, over all lives."""
        return self.position.seconds + time.monotonic() - self._life

    def _run_stage(self, stage: Stage) -> bool:
        batches = self._batches(stage) if self.position.step < stage.steps else iter(())
        while self.position.step < stage.steps:
            self._step(stage, next(batches))
            rung = self.rungs.get(self.position.done)
            if rung is not None:
                if self._report(rung):
                    return False
            elif self.position.done % TICK_STEPS == 0 and self._tick():
                return False
        return True

    def _batches(self, stage: Stage) -> Iterator[Any]:
        """Batches without end, from the position on; an epoch's order depends on its number."""
        skip, epoch = self.position.step, 0
        while True:
            count = 0
            for batch in self.method.batches(stage, derive_seed(self.seed, stage.name, epoch)):
                count += 1
                if skip > 0:
                    skip -= 1
                else:
                    yield batch
            if count == 0:
                raise TrialError(f"stage `{stage.name}` must have at least one batch, but got none")
            epoch += 1

    def _step(self, stage: Stage, batch: Any) -> None:
        method, position = self.method, self.position
        factor = warmup_then_linear(position.step, stage.steps, self.config.warmup_share)
        pending: set[str] = set()
        updates = method.updates(batch, position.step)
        while True:
            with self._autocast():
                update = next(updates, None)
            if update is None:
                break
            optimizer = method.optimizers[update.optimizer]
            if update.optimizer not in pending:
                optimizer.zero_grad(set_to_none=True)
                pending.add(update.optimizer)
            update.loss.backward()  # type: ignore[no-untyped-call]
            if update.step:
                scale_learning_rates(optimizer, factor)
                self._take(optimizer)
                pending.discard(update.optimizer)
            for name, value in update.terms.items():
                value = value.detach().double() if isinstance(value, torch.Tensor) else value
                position.sums[name] = position.sums.get(name, 0.0) + value  # type: ignore[assignment]
                position.counts[name] = position.counts.get(name, 0) + 1
        assert not pending, f"gradients of {pending} were never stepped"
        position.step += 1
        position.done += 1

    def _take(self, optimizer: torch.optim.Optimizer) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        distributed.average_gradients(parameters)
        if self.config.clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(parameters, self.config.clip_norm)
        optimizer.step()

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.precision == "fp32":
            return nullcontext()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.autocast(device, dtype=torch.bfloat16)

    def _means(self) -> dict[str, float]:
        """Means of the terms since the last report; waits for the device."""
        position = self.position
        position.sums = {name: float(value) for name, value in position.sums.items()}
        local = [value / position.counts[name] for name, value in position.sums.items()]
        means = dict(zip(position.sums, distributed.average_values(local), strict=True))
        broken = sorted(name for name, value in means.items() if not math.isfinite(value))
        if broken:
            raise TrialError(f"{', '.join(broken)} is not finite by step {position.done}")
        return means

    def _tick(self) -> bool:
        """Checks between reports; True when the trial shall stop."""
        self._means()
        if self.config.checkpoint_seconds > 0:
            self._save_if_due()
        if distributed.rank() != 0:
            return False
        self.listener.progress(self.position.done, self.total)
        # A stop between reports is for a single worker only: the others would wait for worker 0.
        return distributed.world_size() == 1 and self.listener.stopped()

    def _report(self, rung: int) -> bool:
        """Evaluate on dev, check health, tell; True when the trial shall stop."""
        terms = self._means()
        failure: TrialError | None = None
        report = None
        if distributed.rank() == 0:
            try:
                metrics = {**{f"train/{k}": v for k, v in terms.items()}, **self._evaluate(terms)}
                report = Report(
                    rung=rung, step=self.position.done, seconds=self.elapsed(), metrics=metrics
                )
            except TrialError as error:
                failure = error
        failure, report = distributed.broadcast_object((failure, report))  # type: ignore[misc]
        if failure is not None:
            raise failure
        assert report is not None
        self.position.reports.append(report)
        self.position.sums, self.position.counts = {}, {}
        self._save_if_due()
        return self._deliver(report)

    def _evaluate(self, terms: Mapping[str, float]) -> dict[str, float]:
        generators = random_state()  # evaluation leaves the training's randomness as it was
        with distributed.alone(), self._autocast():  # the other workers wait for worker 0
            metrics = self.method.evaluate("dev")
        restore_random_state(generators)
        self.method.check_health(terms, metrics)
        return metrics

    def _deliver(self, report: Report) -> bool:
        stop = False
        if distributed.rank() == 0:
            self.listener.progress(report.step, self.total)
            self.listener.report(report)
            stop = self.listener.stopped()
        return bool(distributed.broadcast_object(stop))

    def _save_if_due(self) -> None:
        if (
            distributed.rank() != 0
            or time.monotonic() - self._saved < self.config.checkpoint_seconds
        ):
            return
        save_checkpoint(self.checkpoint, self._state())
        self._saved = time.monotonic()

    def _share(self, index: int) -> None:
        """Keep a finished stage for others; the last stage is nobody's prefix."""
        if self.cache is None or index + 1 >= len(self.stages) or distributed.rank() != 0:
            return
        if self.stages[index].steps > 0 and not self.cache.has(self.keys[index]):
            self.cache.put(self.keys[index], self._state())

    def _state(self) -> dict[str, Any]:
        position = self.position
        return {
            "key": self.keys[position.stage],
            "position": {**asdict(position), "seconds": self.elapsed()},
            "method": self.method.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in self.method.optimizers.items()},
            "random": random_state(),
        }

    def _restore(self) -> bool:
        """Load the trial's own checkpoint, else the longest prefix that somebody finished."""
        state = load_checkpoint(self.checkpoint)
        if state is not None and state["key"] != self.keys[state["position"]["stage"]]:
            state = None  # of other code, data or settings: its numbers would not be this trial's
        if state is None and self.cache is not None:
            found = (self.cache.get(key) for key in reversed(self.keys[:-1]))
            state = next((entry for entry in found if entry is not None), None)
        if state is None:
            return False
        raw = state["position"]
        reports = [Report(**report) for report in raw["reports"]]
        self.position = Position(**{**raw, "reports": reports})
        self.method.begin(self.stages[self.position.stage])
        self.method.load_state_dict(state["method"])
        for name, optimizer in self.method.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        restore_random_state(state["random"])
        return True
