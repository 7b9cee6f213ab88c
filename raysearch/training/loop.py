"""The training loop, which performs the updates of every method.

It depends on no method by name and not on Ray. It schedules, steps, reports, checkpoints and
resumes; the method defines what is learned, and the listener receives the reports.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raysearch import distributed
from raysearch.config import TrainingConfig
from raysearch.errors import RunError
from raysearch.methods.base import Method, Stage
from raysearch.run import Report
from raysearch.storage.uri import redacted
from raysearch.training.checkpoint import load_checkpoint, save_checkpoint
from raysearch.training.hardware import autocast
from raysearch.training.progress import Listener, Position
from raysearch.training.seed import (
    derive_seed,
    random_state,
    restore_random_state,
    seed_everything,
)
from raysearch.training.stages.cache import StageCache
from raysearch.training.stages.sharing import ClaimAbandoned, SharedStages
from raysearch.training.steps import endless_batches, stage_rungs, take_step

__all__ = ["Fit"]

_log = logging.getLogger(__name__)

TICK_STEPS = 10
"""Steps between checks that synchronise with the device: finite terms, progress, checkpoints."""


class Fit:
    """The training of one trial through its stages.

    Args:
        method: Freshly built.
        config: The loop's settings.
        seed: The cell's seed.
        checkpoint: Path or URI of the trial's checkpoint.
        listener: Receives the reports.
        keys: Key of every stage, in order.
        cache: The cache of finished stages that others may share, or None.
    """

    def __init__(
        self,
        method: Method,
        config: TrainingConfig,
        *,
        seed: int,
        checkpoint: str | Path,
        listener: Listener,
        keys: Sequence[str],
        cache: StageCache | None = None,
    ) -> None:
        self.method, self.config, self.seed = method, config, seed
        self.checkpoint, self.listener = checkpoint, listener
        self.keys = list(keys)
        self.stages = list(method.stages())
        self.total = sum(stage.steps for stage in self.stages)
        self.rungs = stage_rungs(self.stages, config.reports)
        self.sharing = SharedStages(self.stages, self.keys, cache)
        self.position = Position()
        self.result: dict[str, Any] = {}
        """The result of the last stage, once `run` has returned."""
        self._life = self._saved = time.monotonic()

    def run(self) -> bool:
        """Train from the checkpoint, shared stages or the start, to the end.

        Returns:
            True when the trial is complete; False when the listener stopped it, or its node is
            about to go and a checkpoint was just written.

        Raises:
            RunError: A term is not finite, or the method measured a failure signature.
        """
        with self.sharing.pinned():
            resumed = self._restore()
            for report in self.position.reports:
                if self._deliver(report):
                    return False
            try:
                for index in range(self.position.stage, len(self.stages)):
                    if not self._pass_stage(index, resumed=resumed):
                        return False
                    resumed = False
            except ClaimAbandoned:
                return False
        return True

    def elapsed(self) -> float:
        """Seconds of this trial, over all of its processes."""
        return self.position.seconds + time.monotonic() - self._life

    def _pass_stage(self, index: int, *, resumed: bool) -> bool:
        """Run a stage, take over its result, or skip it; False when the trial must stop."""
        stage, position = self.stages[index], self.position
        if not self.sharing.needs(index):
            position.stage, position.step = index + 1, 0
            position.done += stage.steps
            position.reused += stage.steps
            return True
        if resumed:
            entry = self._run_stage(index)
            if entry is not None:
                self.sharing.keep(index, entry)
        else:
            position.stage, position.step, position.selecting = index, 0, []
            with self.sharing.claimed(index, self._idle) as found:
                entry = found
                if entry is None:
                    seed_everything(derive_seed(self.seed, stage.name))
                    self.method.begin(stage)
                    entry = self._run_stage(index)
                    if entry is not None:
                        self.sharing.keep(index, entry)
                elif self._take_over(stage, entry):
                    return False
        if entry is None:
            return False
        self.method.accept(stage, entry["method"])
        self.result = entry["method"]
        position.accepted.append(stage.name)
        return True

    def _take_over(self, stage: Stage, entry: Mapping[str, Any]) -> bool:
        """Take over another trial's stage; True when the trial must stop."""
        position = self.position
        position.step = stage.steps
        position.done += stage.steps
        position.reused += stage.steps
        if not stage.reports:
            return False
        known = len(position.reports)
        position.reports = [Report(**report) for report in entry["reports"]]
        position.sums, position.counts = dict(entry["sums"]), dict(entry["counts"])
        return any(self._deliver(report) for report in position.reports[known:])

    def _run_stage(self, index: int) -> dict[str, Any] | None:
        """Run the stage's steps from the current position; None when the trial must stop."""
        stage, position = self.stages[index], self.position
        batches = endless_batches(self.method, stage, self.seed, skip=position.step)
        owed = self._owed(index)
        if owed is not None and self._report(owed):
            return None
        while position.step < stage.steps:
            take_step(self.method, self.config, stage, next(batches), position)
            # With several workers the check is collective, which takes time.
            tick = position.done % TICK_STEPS == 0
            if (tick or distributed.world_size() == 1) and self._preempted():
                return None
            rung = self.rungs[index].get(position.step)
            if rung is not None:
                if self._report(rung):
                    return None
            elif tick and self._tick():
                return None
        if not stage.reports:
            self._judge(self._means())
            position.sums, position.counts = {}, {}
        position.sums = self._sums_of_all()
        with autocast(self.config.precision):
            result = self.method.finish(stage)
        return {
            "method": result,
            "reports": [asdict(report) for report in self._reports_of(stage)],
            "sums": dict(position.sums),
            "counts": dict(position.counts),
        }

    def _owed(self, index: int) -> int | None:
        """Rung of a report due before any step: of a stage without steps, or after preemption."""
        rung, known = (
            self.rungs[index].get(self.position.step),
            self._reports_of(self.stages[index]),
        )
        return rung if all(report.rung != rung for report in known) else None

    def _reports_of(self, stage: Stage) -> list[Report]:
        """The trial's reports, or those by which a stage without any selects its result."""
        return self.position.reports if stage.reports else self.position.selecting

    def _means(self) -> dict[str, float]:
        """Means of the terms since the last report; synchronises with the device."""
        position = self.position
        position.sums = {name: float(value) for name, value in position.sums.items()}
        sums = self._sums_of_all().items()
        means = {name: value / position.counts[name] for name, value in sums}
        broken = sorted(name for name, value in means.items() if not math.isfinite(value))
        if broken:
            raise RunError(f"{', '.join(broken)} is not finite by step {position.done}")
        return means

    def _sums_of_all(self) -> dict[str, float]:
        """The terms' sums since the last report, as the workers' mean."""
        sums = self.position.sums
        averages = distributed.average_values([float(value) for value in sums.values()])
        return dict(zip(sums, averages, strict=True))

    def _tick(self) -> bool:
        """Checks between reports; True when the trial must stop."""
        self._means()
        if self.config.checkpoint_seconds > 0:
            self._save_if_due()
        if distributed.rank() != 0:
            return False
        self.listener.progress(self.position.done, self.total)
        # Only a single worker stops between reports: others would wait for worker 0.
        return distributed.world_size() == 1 and self.listener.stopped()

    def _report(self, rung: int) -> bool:
        """Evaluate on dev, check health, report; True when the trial must stop."""
        terms = self._means()
        failure: RunError | None = None
        report = None
        if distributed.rank() == 0:
            try:
                metrics = {**{f"train/{k}": v for k, v in terms.items()}, **self._evaluate(terms)}
                report = Report(
                    rung=rung, step=self.position.done, seconds=self.elapsed(), metrics=metrics
                )
            except RunError as error:
                failure = error
        failure, report = distributed.broadcast_object((failure, report))  # type: ignore[misc]
        if failure is not None:
            raise failure
        assert report is not None
        stage = self.stages[self.position.stage]
        self._reports_of(stage).append(report)
        self.position.sums, self.position.counts = {}, {}
        self._save_if_due()
        return stage.reports and self._deliver(report)

    def _judge(self, terms: Mapping[str, float]) -> None:
        """Check the health of a stage that has no report to do it."""
        failure: RunError | None = None
        if distributed.rank() == 0:
            try:
                self.method.check_health(terms, {})
            except RunError as error:
                failure = error
        failure = distributed.broadcast_object(failure)  # type: ignore[assignment]
        if failure is not None:
            raise failure

    def _evaluate(self, terms: Mapping[str, float]) -> dict[str, float]:
        generators = random_state()  # evaluation must not change the training's randomness
        with distributed.alone(), autocast(self.config.precision):  # the others wait for worker 0
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

    def _preempted(self) -> bool:
        """Whether a worker's node is about to go; if so, writes the checkpoint at once."""
        if not any(distributed.average_values([float(self.listener.preempted())])):
            return False
        self._save()
        if distributed.rank() == 0:
            self.listener.progress(self.position.done, self.total)
        return True

    def _save_if_due(self) -> None:
        """Write the checkpoint when worker 0 finds that it is time; all workers call it."""
        due = time.monotonic() - self._saved >= self.config.checkpoint_seconds
        if distributed.broadcast_object(due):
            self._save()

    def _save(self) -> None:
        """Write the checkpoint; all workers call it, for it has a part of each."""
        state = self._state()
        if distributed.rank() == 0 and self.listener.owns():
            save_checkpoint(self.checkpoint, state)
            self._saved = time.monotonic()

    def _idle(self) -> bool:
        """Called while another trial runs a shared stage; True when this one must stop."""
        self.listener.progress(self.position.done, self.total)
        return self.listener.stopped() or self.listener.preempted()

    def _state(self) -> dict[str, Any]:
        position = self.position
        sums = {name: float(value) for name, value in position.sums.items()}
        own = {"random": random_state(), "sums": sums}
        return {
            "keys": self.keys[: position.stage + 1],
            "position": {**asdict(position), "seconds": self.elapsed()},
            "method": self.method.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in self.method.optimizers.items()},
            "workers": distributed.gather_objects(own),
        }

    def _restore(self) -> bool:
        """Resume from the trial's own checkpoint; False when it starts from the beginning."""
        state = load_checkpoint(self.checkpoint)
        if state is not None:
            raw = state["position"]
            # Its code, data or settings differ: the numbers would not be this trial's.
            current = raw["stage"]
            same = state.get("keys") == self.keys[: current + 1]
            same = same and len(state.get("workers", ())) == distributed.world_size()
            has = (*raw["accepted"], self.stages[current].name)
            if same and self.sharing.resolve(current + 1, has):
                self._go_on(state)
                return True
            _log.warning(
                "checkpoint %s is of other settings, data or code, of another number of workers, "
                "or relies on a stage that is gone; its trial starts from the beginning",
                redacted(self.checkpoint),
            )
        self.sharing.resolve(0, ())
        return False

    def _go_on(self, state: Mapping[str, Any]) -> None:
        raw, own = state["position"], state["workers"][distributed.rank()]
        lists = {
            name: [Report(**report) for report in raw[name]] for name in ("reports", "selecting")
        }
        self.position = Position(**{**raw, **lists, "sums": dict(own["sums"])})
        self.method.begin(self.stages[self.position.stage], state["method"])
        for name, optimizer in self.method.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        restore_random_state(own["random"])
