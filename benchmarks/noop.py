"""A sweep whose trials train nothing: what is left is the cost of the platform itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ray import cloudpickle

from raysearch.config import TrainingConfig, setting
from raysearch.devices import cpu_device
from raysearch.events import Event
from raysearch.leaderboard import Store
from raysearch.run import Cell, MetricGoal, Report, Run, RunSpec, RunState
from raysearch.search.plan import SweepPlan
from raysearch.search.space.parameters import Parameter
from raysearch.search.space.space import SearchSpace
from raysearch.search.sweep import run_sweep
from raysearch.training.progress import Listener

# Ray's workers do not have benchmarks/ on their path: what is sent to them goes whole.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

GOAL = "dev/score"
PARAMETERS = 10


@dataclass(frozen=True, kw_only=True)
class NoopConfig(TrainingConfig):
    """Ten settings, as many as a space of CARL searches."""

    x0: float = setting(0.5, low=0, high=1)
    x1: float = setting(0.5, low=0, high=1)
    x2: float = setting(0.5, low=0, high=1)
    x3: float = setting(0.5, low=0, high=1)
    x4: float = setting(0.5, low=0, high=1)
    x5: float = setting(0.5, low=0, high=1)
    x6: float = setting(0.5, low=0, high=1)
    x7: float = setting(0.5, low=0, high=1)
    x8: float = setting(0.5, low=0, high=1)
    x9: float = setting(0.5, low=0, high=1)


def score(config: dict[str, float], rung: int) -> float:
    """A deterministic curve, best at 0.3 in every setting."""
    return -sum((config[f"x{i}"] - 0.3) ** 2 for i in range(PARAMETERS)) - 1 / rung


@dataclass(frozen=True)
class NoopRunner:
    """Reports as often as the config says, and ends."""

    def __call__(self, spec: RunSpec, listener: Listener) -> Run | None:
        """Run nothing."""
        listener.started(cpu_device(1), {})
        curve = []
        for rung in range(1, spec.config["reports"] + 1):
            metrics = {GOAL: score(spec.config, rung)}
            curve.append(Report(rung=rung, step=rung, seconds=0.0, metrics=metrics))
            listener.report(curve[-1])
            if listener.stopped():
                return None
        return Run(
            sweep=spec.sweep,
            number=spec.number,
            cell=spec.cell,
            method=spec.method,
            state=RunState.COMPLETE,
            config=dict(spec.config),
            metrics=curve[-1].metrics,
            curve=tuple(curve),
            steps=len(curve),
            device=cpu_device(1),
        )


def run_noop(
    folder: Path,
    *,
    trials: int,
    reports: int,
    sampler: str = "random",
    slots: int = 1,
    on_trial: Callable[[Run], None] = lambda trial: None,
    on_event: Callable[[Event], None] = lambda event: None,
    on_open: Callable[[], None] = lambda: None,
) -> None:
    """A whole sweep on SQLite, with its Parquet leaderboard, as `raysearch sweep` runs it."""
    space = SearchSpace(
        method="noop",
        config_type=NoopConfig,
        goal=MetricGoal(GOAL),
        trials=trials,
        time_seconds=None,
        seeds=1,
        sampler=sampler,
        pruner="none",
        reduction=3,
        setting={"reports": reports},
        parameters=tuple(
            Parameter(name=f"x{i}", kind="float", low=0.0, high=1.0) for i in range(PARAMETERS)
        ),
        source="noop",
    )
    plan = SweepPlan(
        name="noop",
        folder=folder,
        space=space,
        cells=lambda config: [Cell("noop", 0)],
        slots=slots,
        runner=NoopRunner(),
        keep="none",
    )
    store = Store(folder)

    def keep(trial: Run) -> None:
        store.append(trial)
        on_trial(trial)

    run_sweep(plan, on_trial=keep, on_event=on_event, on_open=on_open)
