"""Does a sweep slow down as it grows: rate, memory, files and bytes over thousands of trials.

    python benchmarks/scale.py [--trials 3000] [--sampler random] [--rival] [--json PATH]

Trials train nothing and report once, in two slots, with the study on SQLite and every row in
Parquet. The sampler is random by default, since TPE's own suggestion grows with the number of
trials whoever calls it; ``--sampler tpe`` shows that. ``--rival`` runs plain Tune with Optuna's
searcher over as many trials, actors reused and loggers off.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from noop import GOAL, PARAMETERS, run_noop, score
from rich.console import Console
from rich.table import Table

from raysearch.cluster.ray_session import ray_session
from raysearch.training.provenance import provenance


def rates(ends: list[float], block: int) -> dict[str, float]:
    """Trials per second in the first and the last block, and over all."""
    return {
        "first": block / (ends[block] - ends[0]),
        "last": block / (ends[-1] - ends[-1 - block]),
        "all": (len(ends) - 1) / (ends[-1] - ends[0]),
    }


def ours(trials: int, sampler: str, block: int) -> dict[str, Any]:
    """A sweep of raysearch."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "noop"
        run_noop(
            folder,
            trials=trials,
            reports=1,
            sampler=sampler,
            slots=2,
            on_trial=lambda trial: ends.append(time.monotonic()),
        )
        files = [path for path in folder.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        return {
            "way": f"raysearch, {sampler}",
            **rates(ends, block),
            "megabytes_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "files_per_trial": len(files) / trials,
            "bytes_per_trial": size / trials,
        }


def _noop(config: dict[str, Any]) -> None:
    from ray import tune

    tune.report({GOAL: score(config, 1)})


def rival(trials: int, sampler: str, block: int) -> dict[str, Any]:
    """Plain Tune with Optuna's searcher in memory."""
    import optuna
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    ends: list[float] = []

    class Ends(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            ends.append(time.monotonic())

    samplers = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    with tempfile.TemporaryDirectory() as name:
        tune.Tuner(
            tune.with_resources(_noop, {"CPU": 1}),
            param_space={f"x{i}": tune.uniform(0, 1) for i in range(PARAMETERS)},
            tune_config=tune.TuneConfig(
                metric=GOAL,
                mode="max",
                num_samples=trials,
                max_concurrent_trials=2,
                reuse_actors=True,
                search_alg=OptunaSearch(sampler=samplers[sampler](seed=0)),
            ),
            run_config=tune.RunConfig(storage_path=name, verbose=0, callbacks=[Ends()]),
        ).fit()
        files = [path for path in Path(name).rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
    return {
        "way": f"Tune with OptunaSearch, {sampler}",
        **rates(ends, block),
        "megabytes_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "files_per_trial": len(files) / trials,
        "bytes_per_trial": size / trials,
    }


def show(result: dict[str, Any]) -> None:
    """The table."""
    block = result["block"]
    table = Table(
        title=f"{result['trials']} trials that train nothing, two at a time: trials/s over the "
        f"first and last {block}, the driver's memory, files and bytes per trial"
    )
    for name in ("way", "first", "last", "ratio", "MB", "files", "bytes"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for row in result["rows"]:
        table.add_row(
            row["way"],
            f"{row['first']:.1f}",
            f"{row['last']:.1f}",
            f"{row['last'] / row['first']:.2f}",
            f"{row['megabytes_rss']:.0f}",
            f"{row['files_per_trial']:.2f}",
            f"{row['bytes_per_trial']:.0f}",
        )
    Console().print(table)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=3000)
    parser.add_argument("--sampler", choices=("random", "tpe"), default="random")
    parser.add_argument("--rival", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    block = min(500, args.trials // 3)
    with ray_session(cpus=2):
        rows = [ours(args.trials, args.sampler, block)]
        if args.rival:
            rows.append(rival(args.trials, args.sampler, block))
    where = provenance()
    result = {
        "benchmark": "scale",
        "trials": args.trials,
        "block": block,
        "rows": rows,
        "commit": where["commit"],
        "dirty": where["dirty"],
    }
    show(result)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
