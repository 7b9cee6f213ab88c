"""A sweep whose trials train nothing: a deterministic curve, a real checkpoint, a step log."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ray import cloudpickle

from raysearch.config import TrainingConfig, setting
from raysearch.devices import cpu_device
from raysearch.run import Cell, MetricGoal, Report, Run, RunSpec, RunState
from raysearch.search.plan import SweepPlan
from raysearch.search.space.parameters import Parameter
from raysearch.search.space.space import SearchSpace
from raysearch.training.progress import Listener

# Ray's workers do not have the tests on their path: what is sent to them goes whole.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

GOAL = "dev/score"


@dataclass(frozen=True, kw_only=True)
class NoopConfig(TrainingConfig):
    """Settings of a method that is not there."""

    x: float = setting(0.5, low=0, high=1)
    """The score is best at 0.3."""


def noop_space(
    *,
    trials: int = 6,
    reports: int = 3,
    seeds: int = 1,
    sampler: str = "random",
    pruner: str = "none",
    time_seconds: float | None = None,
) -> SearchSpace:
    return SearchSpace(
        method="noop",
        config_type=NoopConfig,
        goal=MetricGoal(GOAL),
        trials=trials,
        time_seconds=time_seconds,
        seeds=seeds,
        sampler=sampler,
        pruner=pruner,
        reduction=2,
        setting={"reports": reports},
        parameters=(Parameter(name="x", kind="float", low=0.0, high=1.0),),
        source="noop.yaml",
    )


@dataclass(frozen=True, kw_only=True)
class NoopRunner:
    """Reports `reports` scores; a checkpoint after each of `steps_per_report` steps.

    Attributes:
        step_seconds: Sleep per step.
        steps_per_report: Steps between reports.
        log: File that gets a line for every step that is really done, or empty.
        deaths: Trial's number to how often its process dies before its second report.
        hangs: Numbers of trials whose process stops, once, before their second report.
        raises: Trial's number to the exception that it raises at its first step.
    """

    step_seconds: float = 0.0
    steps_per_report: int = 1
    log: str = ""
    deaths: Mapping[int, int] = field(default_factory=dict)
    hangs: Collection[int] = ()
    raises: Mapping[int, Exception] = field(default_factory=dict)

    def __call__(self, spec: RunSpec, listener: Listener) -> Run | None:
        from raysearch import distributed

        curve = self._restore(Path(spec.folder) / "checkpoint.safetensors")
        if distributed.rank() != 0:  # as in training: worker 0 alone speaks and writes
            return None
        listener.started(cpu_device(1), {"host": "here", "workers": str(distributed.world_size())})
        for report in curve:
            listener.report(report)
            if listener.stopped():
                return None
        return self._train(spec, listener, curve)

    def _train(self, spec: RunSpec, listener: Listener, curve: list[Report]) -> Run | None:
        folder = Path(spec.folder)
        total = spec.config["reports"] * self.steps_per_report
        start = len(curve) * self.steps_per_report
        for step in range(start + 1, total + 1):
            self._misbehave(spec, step)
            time.sleep(self.step_seconds)
            if self.log:
                with open(self.log, "a") as file:
                    file.write(f"{spec.id} {step}\n")
            listener.progress(step, total)
            if step % self.steps_per_report == 0:
                curve.append(
                    noop_report(spec.config, spec.cell, step // self.steps_per_report, step)
                )
                self._save(folder / "checkpoint.safetensors", curve)
                listener.report(curve[-1])
            if listener.stopped() or listener.preempted():
                return None
        if spec.keep:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "final.safetensors").write_text("weights")
        return Run(
            sweep=spec.sweep,
            number=spec.number,
            cell=spec.cell,
            method=spec.method,
            state=RunState.COMPLETE,
            config=dict(spec.config),
            metrics=curve[-1].metrics,
            curve=tuple(curve),
            steps=total,
            device=cpu_device(1),
        )

    def _misbehave(self, spec: RunSpec, step: int) -> None:
        if spec.number in self.raises:
            raise self.raises[spec.number]
        if spec.number in self.deaths and step == self.steps_per_report + 1:
            tombs = Path(spec.folder).parent.parent / "tombs" / spec.id
            tombs.parent.mkdir(parents=True, exist_ok=True)
            died = len(tombs.read_text()) if tombs.exists() else 0
            if died < self.deaths[spec.number]:
                tombs.write_text("+" * (died + 1))
                os._exit(1)
        stone = Path(spec.folder) / "hung"
        if spec.number in self.hangs and step > self.steps_per_report and not stone.exists():
            stone.touch()
            os.kill(os.getpid(), signal.SIGSTOP)

    def _restore(self, checkpoint: Path) -> list[Report]:
        if not checkpoint.exists():
            return []
        return [Report(**raw) for raw in json.loads(checkpoint.read_text())]

    def _save(self, checkpoint: Path, curve: list[Report]) -> None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        fresh = checkpoint.with_suffix(".tmp")
        fresh.write_text(json.dumps([asdict(report) for report in curve]))
        os.replace(fresh, checkpoint)


def noop_report(config: Any, cell: Cell, rung: int, step: int) -> Report:
    score = 1.0 - abs(config["x"] - 0.3) - 0.5 * math.exp(-rung) + 0.001 * cell.seed
    return Report(rung=rung, step=step, seconds=float(step), metrics={GOAL: score})


def noop_plan(
    folder: Path, space: SearchSpace, runner: Any = NoopRunner(), **more: Any
) -> SweepPlan:
    return SweepPlan(
        **{
            "name": "noop",
            "folder": folder,
            "space": space,
            "cells": lambda config: [Cell("noop", seed) for seed in range(space.seeds)],
            "runner": runner,
            **more,
        }
    )


def outcome(trials: list[Run]) -> dict[tuple[int, str], tuple[Any, ...]]:
    """What must not depend on kills: everything but times."""
    return {
        (trial.number, trial.cell.slug): (
            trial.state,
            trial.config["x"],
            trial.metrics.get(GOAL),
            tuple((report.rung, report.metrics[GOAL]) for report in trial.curve),
            trial.steps,
        )
        for trial in trials
    }
