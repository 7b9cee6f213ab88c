"""What does a trial cost beside its training, in slots and in the ways that rivals offer?

    python benchmarks/overhead.py [--trials 30] [--slow-trials 3] [--json PATH]

Trials that train nothing, ten parameters, one at a time, with 1 and with 11 reports; all rivals
in the same minutes on the same machine. The figure is seconds per trial between the first and
the last end of a trial, so start-up is left out; that is measured apart, as the time from the
start of the command to the first reported metric.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import ray
import ray.train
import ray.train.torch
from noop import GOAL, PARAMETERS, run_noop, score
from ray import tune
from rich.console import Console
from rich.table import Table

from raysearch.cluster.ray_session import ray_session
from raysearch.events import EventKind
from raysearch.training.provenance import provenance

Ends = list[float]
SPACE = {f"x{i}": tune.uniform(0, 1) for i in range(PARAMETERS)}


def optuna_alone(trials: int, reports: int) -> Ends:
    """Optuna's own loop in this process, study on SQLite."""
    ends: Ends = []

    def objective(trial: optuna.Trial) -> float:
        config = {f"x{i}": trial.suggest_float(f"x{i}", 0, 1) for i in range(PARAMETERS)}
        for rung in range(1, reports + 1):
            trial.report(score(config, rung), rung)
        return score(config, reports)

    with tempfile.TemporaryDirectory() as folder:
        study = optuna.create_study(
            storage=f"sqlite:///{folder}/study.db", sampler=optuna.samplers.RandomSampler(seed=0)
        )
        callbacks = [lambda study, trial: ends.append(time.monotonic())]
        study.optimize(objective, n_trials=trials, callbacks=callbacks)
    return ends


class _Ends(tune.Callback):
    def __init__(self) -> None:
        self.ends: Ends = []

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self.ends.append(time.monotonic())


def _function(config: dict[str, Any]) -> None:
    for rung in range(1, config["reports"] + 1):
        tune.report({GOAL: score(config, rung)})


class _Trainable(tune.Trainable):
    def setup(self, config: dict[str, Any]) -> None:
        self.settings, self.rung = config, 0

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.settings, self.rung = new_config, 0
        return True

    def step(self) -> dict[str, Any]:
        self.rung += 1
        done = self.rung >= self.settings["reports"]
        return {GOAL: score(self.settings, self.rung), "done": done}

    def save_checkpoint(self, folder: str) -> None: ...
    def load_checkpoint(self, checkpoint: Any) -> None: ...


def _tune(trainable: Any, trials: int, reports: int, *, reuse: bool) -> Ends:
    ends = _Ends()
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            tune.with_resources(trainable, {"CPU": 1}),
            param_space={**SPACE, "reports": reports},
            tune_config=tune.TuneConfig(
                num_samples=trials, max_concurrent_trials=1, reuse_actors=reuse
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[ends]),
        ).fit()
    return ends.ends


def tune_function(trials: int, reports: int) -> Ends:
    """Tune's function API as it comes: a new process per trial."""
    return _tune(_function, trials, reports, reuse=False)


def tune_function_reused(trials: int, reports: int) -> Ends:
    """Tune's function API with reused actors."""
    return _tune(_function, trials, reports, reuse=True)


def tune_class_reused(trials: int, reports: int) -> Ends:
    """Tune's class API with reused actors."""
    return _tune(_Trainable, trials, reports, reuse=True)


def _train_loop(config: dict[str, Any]) -> None:
    for rung in range(1, config["reports"] + 1):
        ray.train.report({GOAL: score(config, rung)})


def torch_trainer(trials: int, reports: int) -> Ends:
    """One TorchTrainer per trial, one worker, as Ray's guide has it; without Tune around it."""
    ends: Ends = [time.monotonic()]
    for number in range(trials):
        config = {f"x{i}": 0.5 for i in range(PARAMETERS)}
        with tempfile.TemporaryDirectory() as folder:
            ray.train.torch.TorchTrainer(
                _train_loop,
                train_loop_config={**config, "reports": reports},
                scaling_config=ray.train.ScalingConfig(num_workers=1),
                run_config=ray.train.RunConfig(name=f"trial-{number}", storage_path=folder),
            ).fit()
        ends.append(time.monotonic())
    return ends


def slots(trials: int, reports: int) -> Ends:
    """Raysearch: study on SQLite, slot, Parquet rows."""
    ends: Ends = []
    with tempfile.TemporaryDirectory() as folder:
        run_noop(
            Path(folder),
            trials=trials,
            reports=reports,
            on_trial=lambda trial: ends.append(time.monotonic()),
        )
    return ends


def first_metric(began: float) -> None:
    """In a process of its own: when what was reached, in seconds since the command."""
    marks = {"imports": time.time() - began}

    def event(news: Any) -> None:
        if news.kind in (EventKind.STARTED, EventKind.REPORT):
            marks.setdefault(str(news.kind), time.time() - began)

    with tempfile.TemporaryDirectory() as folder:
        run_noop(
            Path(folder),
            trials=1,
            reports=1,
            on_event=event,
            on_open=lambda: marks.setdefault("ray and study", time.time() - began),
        )
    sys.stdout.write(json.dumps(marks) + "\n")


RIVALS: dict[str, tuple[Callable[[int, int], Ends], bool]] = {
    "plain Optuna, SQLite": (optuna_alone, False),
    "Tune function, default": (tune_function, True),
    "Tune function, actors reused": (tune_function_reused, False),
    "Tune class, actors reused": (tune_class_reused, False),
    "TorchTrainer per trial": (torch_trainer, True),
    "raysearch slots": (slots, False),
}


def per_trial(ends: Ends) -> float:
    """Steady seconds per trial."""
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All rivals in one Ray, then the start-up in fresh processes."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = []
    with ray_session(cpus=2):
        for name, (rival, slow) in RIVALS.items():
            trials = args.slow_trials if slow else args.trials
            found = {reports: per_trial(rival(trials, reports)) for reports in (1, 11)}
            rows.append({"way": name, "trials": trials, "1": found[1], "11": found[11]})
    starts = []
    for _ in range(args.starts):
        began = time.time()
        command = [sys.executable, __file__, "--first-metric", str(began)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        starts.append(json.loads(answer.stdout.splitlines()[-1]))
    where = provenance()
    return {
        "benchmark": "overhead",
        "rows": rows,
        "first_metric_seconds": starts,
        "load": os.getloadavg()[0],
        "commit": where["commit"],
        "dirty": where["dirty"],
    }


def show(result: dict[str, Any]) -> None:
    """The table, each way beside the slots."""
    table = Table(title="seconds per trial that trains nothing, one at a time")
    for column in ("way", "trials", "1 report", "11 reports", "× slots, 1", "× slots, 11"):
        table.add_column(column, justify="left" if column == "way" else "right")
    ours = result["rows"][-1]
    for row in result["rows"]:
        ratios = [f"{row[n] / ours[n]:.1f}" for n in ("1", "11")]
        table.add_row(
            row["way"], str(row["trials"]), f"{row['1']:.3f}", f"{row['11']:.3f}", *ratios
        )
    console = Console()
    console.print(table)
    for marks in result["first_metric_seconds"]:
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in marks.items())
        console.print(f"seconds from the command to: {parts}")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--slow-trials", type=int, default=3)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--first-metric", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.first_metric is not None:
        first_metric(args.first_metric)
        return
    result = measure(args)
    show(result)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
