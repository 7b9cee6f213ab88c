"""What does a trial of the campaign of faults do, in a slot and as a function of Tune alike?

Steps whose result tells whether each was taken once, with a checkpoint every `INTERVAL`. All
that really happens is noted in a log of steps, by which redone ones are counted. Two kinds of
work: `MapWork` iterates the logistic map, which is chaotic, so that a step left out or taken
twice changes the value in all its digits; `CarlWork` trains CARL with the tiny encoder on the
sample that the package brings, through the package's own loop.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ray import cloudpickle

from raysearch.config import TrainingConfig, read_config, setting
from raysearch.devices import cpu_device
from raysearch.run import Cell, MetricGoal, Report, Run, RunSpec, RunState
from raysearch.search.space.parameters import Parameter
from raysearch.training.progress import Listener, NullListener

# Ray's workers do not have benchmarks/ on their path: what is sent to them goes whole.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

STEPS = 40
"""Of every trial."""
INTERVAL = 5
"""Steps between two checkpoints."""

Tell = Callable[[Path, float], None]
"""Takes the file of a new checkpoint and the objective there."""


@dataclass(frozen=True, kw_only=True)
class MapConfig(TrainingConfig):
    """Setting of the logistic map."""

    x: float = setting(0.5, low=0, high=1)
    """The map's rate is 3.6 to 3.99, where it is chaotic."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What all trials of a campaign do; a trial is known by the value of its one parameter.

    Attributes:
        log: File that gets a line for every step that is really taken.
        step_seconds: Sleep per step.
    """

    log: str
    step_seconds: float = 0.0

    def note(self, key: float, step: int) -> None:
        """A step was taken; a line is written whole, whoever else writes."""
        time.sleep(self.step_seconds)
        with open(self.log, "a") as file:
            file.write(f"{key!r} {step}\n")


@dataclass(frozen=True, kw_only=True)
class MapWork(Work):
    """Iterates the logistic map; its checkpoint is a file of the step and the state."""

    method = "map"
    config_type = MapConfig
    goal = MetricGoal("dev/score")
    parameter = Parameter(name="x", kind="float", low=0.0, high=1.0)
    cell = Cell("map", 0)
    setting = {"reports": STEPS // INTERVAL}

    def value(self, key: float, steps: int = STEPS) -> float:
        """The objective after so many steps, each taken once."""
        state = 0.5
        for _ in range(steps):
            state = _advance(state, key)
        return state

    def run(self, key: float, restored: Path | None, tell: Tell) -> None:
        """A trial from a checkpoint or the start."""
        known, state = json.loads(restored.read_text()) if restored else (0, 0.5)
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder) / "checkpoint.pt"
            for step in range(known + 1, STEPS + 1):
                state = _advance(state, key)
                self.note(key, step)
                if step % INTERVAL == 0:
                    fresh.write_text(json.dumps([step, state]))
                    tell(fresh, state)

    def __call__(self, spec: RunSpec, listener: Listener) -> Run | None:
        """The same in a slot."""
        listener.started(cpu_device(1), {})
        key, kept = spec.config["x"], Path(spec.folder) / "checkpoint.pt"
        kept.parent.mkdir(parents=True, exist_ok=True)
        known = json.loads(kept.read_text())[0] if kept.exists() else 0
        curve: list[Report] = []

        def report(value: float) -> None:
            rung = len(curve) + 1
            metrics = {self.goal.name: value}
            curve.append(Report(rung=rung, step=rung * INTERVAL, seconds=0.0, metrics=metrics))
            listener.report(curve[-1])

        def tell(fresh: Path, value: float) -> None:
            beside = kept.with_name(f".{os.getpid()}.tmp")
            shutil.copy(fresh, beside)
            beside.replace(kept)
            report(value)

        for step in range(INTERVAL, known + 1, INTERVAL):
            report(self.value(key, step))
        self.run(key, kept if known else None, tell)
        return Run(
            sweep=spec.sweep,
            number=spec.number,
            cell=spec.cell,
            method=spec.method,
            state=RunState.COMPLETE,
            config=dict(spec.config),
            metrics=curve[-1].metrics,
            curve=tuple(curve),
            steps=STEPS,
            device=cpu_device(1),
        )


def _advance(state: float, key: float) -> float:
    return (3.6 + 0.39 * key) * state * (1 - state)


@dataclass(frozen=True, kw_only=True)
class CarlWork(Work):
    """Trains CARL's tiny encoder on the package's sample, in the package's own loop."""

    method = "carl"
    goal = MetricGoal("dev/va_pearson")
    parameter = Parameter(name="learning_rate", kind="float", low=1e-4, high=1e-2, log=True)
    cell = Cell("emobank", 0)
    setting = {
        "encoder": "tiny",
        "layers": 0,
        "epochs": 2,  # of twenty steps
        "batch_size": 16,
        "reports": STEPS // INTERVAL,
        "checkpoint_seconds": 0,  # one at every report
    }

    @property
    def config_type(self) -> type[TrainingConfig]:
        """CARL's settings; importing them takes torch."""
        from raysearch.methods.carl.config import CarlConfig

        return CarlConfig

    def value(self, key: float) -> float:
        """The objective of a trial that nothing disturbs, on one thread like those of the sweep."""
        import torch

        torch.set_num_threads(1)
        found: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            quiet = CarlWork(log=f"{folder}/log")
            quiet.run(key, None, lambda path, value: found.append(value))
        return found[-1]

    def run(self, key: float, restored: Path | None, tell: Tell) -> None:
        """A trial from a checkpoint or the start."""
        # A key outside of the range is the paper's own setting, a sweep's trial 0.
        paper = {} if key >= (self.parameter.low or 0) else self.config_type.PAPER
        raw = {**paper, **self.setting, self.parameter.name: key}
        config = asdict(read_config(self.config_type, raw, where="faults"))
        with tempfile.TemporaryDirectory() as folder:
            kept = Path(folder) / "leases" / "trial" / "checkpoint.pt"
            kept.parent.mkdir(parents=True)
            if restored:
                shutil.copy(restored, kept)
            spec = RunSpec(
                sweep="faults",
                number=0,
                cell=self.cell,
                method=self.method,
                config=config,
                folder=str(kept.parent),
            )
            self(spec, _Relay(self.goal.name, kept, tell))

    def __call__(self, spec: RunSpec, listener: Listener) -> Run | None:
        """The same in a slot, whose own runner notes every step."""
        from raysearch.training import loop
        from raysearch.training.run import execute_run
        from raysearch.training.steps import take_step

        key = spec.config[self.parameter.name]

        def noted(method: Any, config: Any, stage: Any, batch: Any, position: Any) -> None:
            take_step(method, config, stage, batch, position)
            self.note(key, position.done)

        loop.take_step = noted
        return execute_run(spec, listener, data_dir="", limit=0)


class _Relay(NullListener):
    """A `Listener` that hands on each report with its checkpoint, but not those of a past life."""

    def __init__(self, goal: str, kept: Path, tell: Tell) -> None:
        self._goal, self._kept, self._tell = goal, kept, tell
        self._saved = kept.stat().st_mtime_ns if kept.exists() else 0

    def report(self, report: Report) -> None:
        """A report has a checkpoint of its own if it was made in this life."""
        saved = self._kept.stat().st_mtime_ns
        if saved != self._saved:
            self._saved = saved
            self._tell(self._kept, report.metrics[self._goal])


WORKS: dict[str, type[MapWork | CarlWork]] = {"map": MapWork, "carl": CarlWork}
