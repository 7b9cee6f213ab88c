"""What does a sweep save when its trials share stages, and does it change a single bit?

    python benchmarks/stage_reuse.py [--corpus xabsa --data-dir DIR] [--json PATH]

24 trials of MSMO with distillation, c (2) x beta (3) x distillation (4), are run one after
another in this process: first cold, with no stage kept, then with one stage folder for all.
Steps are those really taken, by the trials' own provenance. Every report of every trial must
be the same, bit by bit. The steps of the stages are in proportion to the defaults.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raysearch.config import flatten, read_config
from raysearch.corpora import data_dir
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.run import Cell, Run, RunSpec, RunState
from raysearch.training.progress import NullListener
from raysearch.training.provenance import device_name, pick_device, provenance
from raysearch.training.run import execute_run
from raysearch.training.stages.cache import StageCache

AXES: Mapping[str, tuple[Any, ...]] = {
    "critic_clip": (0.01, 0.1),
    "consistency_weight": (1.5e-3, 2.5e-3, 3.5e-3),
    "distill_loss": ("mse", "kl"),
    "distill_temperature": (1.0, 2.0),
}
STEPS = {"align_steps": 100, "steps": 400, "student_steps": 200, "distill_steps": 200}

LIMIT = 50 * 10**9
"""Bytes of stages kept; 39 different ones are needed at most."""


def configs(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The settings of all trials, validated; c outermost."""
    fixed = {
        "encoder": arguments.encoder,
        "layers": arguments.layers,
        "corpus": arguments.corpus,
        "pairs": [arguments.pair],
        "batch_size": arguments.batch_size,
        "freeze_embeddings": True,
        "distillation": "single",
        "reports": 2,
        "guards": "report",
        **{name: max(1, round(steps * arguments.scale)) for name, steps in STEPS.items()},
    }
    found = []
    for values in itertools.product(*AXES.values()):
        raw = {**fixed, **dict(zip(AXES, values, strict=True))}
        found.append(asdict(read_config(MsmoConfig, raw, where="stage_reuse.py")))
    return found[: arguments.trials]


def sweep(name: str, folder: Path, arguments: argparse.Namespace, *, shared: bool) -> list[Run]:
    """All trials one after another, with one stage folder or with nothing kept."""
    trials = []
    place = str(data_dir(arguments.data_dir))
    for number, config in enumerate(configs(arguments)):
        spec = RunSpec(
            sweep=name,
            number=number,
            cell=Cell(arguments.pair, 0),
            method="msmo",
            config=config,
            folder=str(folder / name / "trials" / f"{number:05d}"),
        )
        trial = execute_run(spec, NullListener(), data_dir=place, limit=LIMIT if shared else 0)
        assert trial is not None and trial.state is RunState.COMPLETE, trial and trial.reason
        trials.append(trial)
    return trials


def row(way: str, trials: list[Run], start: tuple[float, float], stages: Path) -> dict[str, Any]:
    """What a sweep cost that began at `start`, in wall and processor time."""
    end = time.perf_counter(), time.process_time()
    reused = sum(int(trial.provenance["steps_reused"]) for trial in trials)
    kept = StageCache(stages).summary()
    return {
        "way": way,
        "trials": len(trials),
        "steps": sum(trial.steps for trial in trials) - reused,
        "seconds": end[0] - start[0],
        "processor_seconds": end[1] - start[1],
        "entries": kept.entries,
        "bytes": kept.bytes,
    }


def curve(trial: Run) -> list[Any]:
    """All numbers of a trial that do not tell time; floats as their exact hexadecimal text."""
    return [
        (report.rung, report.step, {key: float(x).hex() for key, x in report.metrics.items()})
        for report in trial.curve
    ] + [{key: float(x).hex() for key, x in trial.metrics.items()}]


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both sweeps; gives what is printed and written."""
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        # What a process loads once (encoder, corpus) is loaded before either is timed.
        sweep("warm", folder, argparse.Namespace(**{**vars(arguments), "trials": 1}), shared=False)
        for way, shared in (("cold", False), ("shared", True)):
            start = time.perf_counter(), time.process_time()
            found[way] = sweep(way, folder, arguments, shared=shared)
            rows.append(row(way, found[way], start, folder / way / "stages"))
    pairs = zip(found["cold"], found["shared"], strict=True)
    where = provenance()
    return {
        "benchmark": "stage_reuse",
        "encoder": arguments.encoder,
        "layers": arguments.layers,
        "corpus": arguments.corpus,
        "pair": arguments.pair,
        "axes": AXES,
        "settings": flatten(read_config(MsmoConfig, configs(arguments)[0], where="first trial")),
        "rows": rows,
        "fewer_steps": rows[0]["steps"] / rows[1]["steps"],
        "faster": rows[0]["seconds"] / rows[1]["seconds"],
        "same": sum(curve(cold) == curve(shared) for cold, shared in pairs),
        "device": device_name(pick_device()),
        "commit": where["commit"],
        "dirty": where["dirty"],
    }


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    trials = result["rows"][0]["trials"]
    print(
        f"{trials} trials of msmo, {result['encoder']} ({result['layers']} layers), "
        f"{result['corpus']} {result['pair']}, {result['device']}"
    )
    print(f"{'stages':<10}{'steps':>8}{'seconds':>10}{'processor':>11}{'entries':>9}{'MB kept':>9}")
    for found in result["rows"]:
        print(
            f"{found['way']:<10}{found['steps']:>8}{found['seconds']:>10.1f}"
            f"{found['processor_seconds']:>11.1f}{found['entries']:>9}{found['bytes'] / 1e6:>9.1f}"
        )
    print(
        f"shared: {result['fewer_steps']:.2f} times fewer steps, {result['faster']:.2f} times "
        f"faster; {result['same']} of {trials} trials the same in every bit"
    )


def main() -> None:
    """Measure, print, write; fails when a trial differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", default="package:me5")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--corpus", default="sample_reviews")
    parser.add_argument("--pair", default="en-es")
    parser.add_argument("--data-dir")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--scale", type=float, default=0.05, help="of the default steps")
    parser.add_argument("--trials", type=int, default=24, help="the first so many")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if result["same"] != result["rows"][0]["trials"]:
        raise SystemExit("sharing stages must not change a number, but it did")


if __name__ == "__main__":
    main()
