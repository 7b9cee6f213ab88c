"""A driver at the head of hosts that fail: ``faults_driver.py FOLDER TRIALS ROOT STUDY_URL``.

The study's URL may be empty. Trials are trained for real. Each step is slowed down, so that
faults come in mid-trial, and leaves a line in ``FOLDER/log``, so that it can be told what was
done twice, where and when.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from raysearch.corpora import data_dir
from raysearch.errors import RaysearchError
from raysearch.leaderboard import Store
from raysearch.run import Run, RunSpec
from raysearch.search.plan import SweepPlan, method_cells
from raysearch.search.space.space import load_space
from raysearch.search.sweep import run_sweep
from raysearch.training.progress import Listener

STEPS = 60
"""Steps of a trial."""
STEP_SECONDS = 0.1
CHECKPOINT_STEPS = 10
"""Steps between checkpoints: one is due after a second, and looked for every tenth step."""
SPACE: dict[str, Any] = {
    "method": "carl",
    "objective": {"metric": "dev/va_pearson", "direction": "maximize"},
    "sampler": "random",
    "pruner": "none",
    "setting": {
        "encoder": "tiny", "layers": 0, "corpora": ["sample"], "epochs": 3, "reports": 2,
        "batch_size": 16, "checkpoint_seconds": 1,
    },
    "search": {
        "learning_rate": {"low": 2e-5, "high": 1e-3, "log": True},
        "top_k": {"low": 0.05, "high": 0.4},
    },
}  # fmt: skip
"""Neither its proposals nor its stops depend on what ends first."""


@dataclass(frozen=True, kw_only=True)
class LoggedTraining:
    """The runner of real sweeps, with a line in a file for every step that was taken.

    Attributes:
        log: The file, which all hosts see.
        step_seconds: Sleep per step.
    """

    log: str
    step_seconds: float

    def __call__(self, spec: RunSpec, listener: Listener) -> Run | None:
        import torch

        from raysearch.training import loop
        from raysearch.training.run import execute_run

        torch.set_num_threads(1)  # on the hosts and beside them: the last bits depend on it
        take_step = loop.take_step

        def logged(method: Any, config: Any, stage: Any, batch: Any, position: Any) -> None:
            time.sleep(self.step_seconds)
            take_step(method, config, stage, batch, position)
            who = f"{platform.node()}:{os.getpid()}"
            line = f"{spec.id} {position.done} {who} {time.monotonic():.3f}\n"
            with open(self.log, "a") as file:
                file.write(line)

        loop.take_step = logged
        try:
            return execute_run(spec, listener, data_dir=str(data_dir(None)))
        finally:
            loop.take_step = take_step


def sweep_plan(folder: Path, trials: int, **more: Any) -> SweepPlan:
    """The sweep in a folder that all hosts see; on one machine with ``step_seconds=0``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump({**SPACE, "budget": {"trials": trials, "seeds": 1}}))
    space = load_space(path)
    seconds = more.pop("step_seconds", STEP_SECONDS)
    runner = LoggedTraining(log=str(folder / "log"), step_seconds=seconds)
    return SweepPlan(
        **{
            "name": "faults",
            "folder": folder,
            "space": space,
            "cells": method_cells(space),
            "runner": runner,
            **more,
        }
    )


if __name__ == "__main__":
    folder, trials, storage, study_url = sys.argv[1:]
    plan = sweep_plan(
        Path(folder), int(trials), storage=storage, study_url=study_url, slots=2, address="auto"
    )
    store = Store(plan.root)
    try:
        summary = run_sweep(plan, on_trial=store.append)
    except RaysearchError as error:
        sys.exit(f"raysearch: {error}")
    sys.stdout.write(f"{summary.ending} {summary.asked} {summary.unfinished}")
