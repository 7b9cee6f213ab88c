"""What does CARL give on EmoBank: the sweep's best, the paper-literal setting, every baseline.

    python benchmarks/emobank.py --results results --data-dir DIR --json PATH [--set NAME=VALUE]

Three sweeps by the same command that a user types, then the one reading of test data:

1. ``carl-emobank``: the search, one seed, dev decides.
2. ``carl-emobank-literal``: the paper's own setting, three seeds.
3. ``carl-emobank-baselines``: the best trial's settings with every variant, three seeds.

All rows have the same encoder, data, steps and seeds. The baselines have the learning rate and
temperature that were found for CARL; they were not tuned themselves, which favours CARL.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from rich.console import Console
from rich.table import Table

from raysearch.config import flatten
from raysearch.leaderboard import Store, load_goal, rank
from raysearch.leaderboard.keys import encoder_name
from raysearch.methods import get_method
from raysearch.run import Run

METRICS = (
    "test/emobank/valence_pearson",
    "test/emobank/arousal_pearson",
    "test/va_pearson",
    "test/va_spearman",
)
SPACE = "search_spaces/carl-emobank.yaml"
STUDY = "search_spaces/studies/carl-baselines.yaml"
NAMES = {
    "carl": "CARL, best trial",
    "no_mccl": "CARL without MCCL",
    "no_ptd": "CARL without PTD",
    "saliency": "ε = 0 (saliency prediction)",
    "placebo": "random tokens (placebo)",
    "supcon": "supervised contrast, discrete labels",
    "simcse": "SimCSE-style InfoNCE",
    "finetune": "plain fine-tuning on VA",
    "frozen": "frozen encoder",
}


def raysearch(*arguments: str) -> None:
    """Run one command as a user would."""
    subprocess.run([sys.executable, "-m", "raysearch", *arguments], check=True)


def best_settings(folder: Path) -> list[str]:
    """``--set`` arguments that make the best trial again, its variant left open."""
    best = rank(Store(folder).table(), load_goal(folder))[0]
    config_type = get_method("carl").config_type
    default = flatten(config_type())
    held = {"variant", "encoder", "layers", "corpora", "reports"}
    chosen = {
        name: value
        for name, value in best.config.items()
        if name not in held and value not in (None, "")
        if name in config_type.PAPER or value != default.get(name)
    }
    return [part for name, value in chosen.items() for part in ("--set", f"{name}={_text(value)}")]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def rows(literal: Sequence[Run], baselines: Sequence[Run]) -> list[dict[str, object]]:
    """One row a configuration: mean, sd and number of seeds of every metric."""
    groups = {"CARL, paper-literal setting": list(literal)}
    for variant, name in NAMES.items():
        cells = [trial for trial in baselines if trial.config["variant"] == variant]
        groups[name] = list({trial.cell.seed: trial for trial in cells}.values())
    found: list[dict[str, object]] = []
    for name, cells in groups.items():
        row: dict[str, object] = {"setting": name, "seeds": len(cells)}
        for metric in METRICS:
            values = [trial.metrics[metric] for trial in cells]
            spread = stdev(values) if len(values) > 1 else None
            row[metric] = {"mean": fmean(values), "sd": spread} if values else None
        found.append(row)
    return found


def show(result: dict[str, object]) -> Table:
    """The table as the README prints it."""
    table = Table(title=str(result["title"]), title_justify="left")
    table.add_column("setting")
    for metric in METRICS:
        table.add_column(metric.removeprefix("test/").removeprefix("emobank/"), justify="right")
    for row in result["rows"]:  # type: ignore[attr-defined]
        cells = [row[metric] for metric in METRICS]
        texts = [f"{c['mean']:.3f} ± {c['sd'] or 0:.3f}" if c else "failed" for c in cells]
        table.add_row(row["setting"], *texts)
    return table


def main() -> None:
    """Run the sweeps, read test, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", default="results")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    args = parser.parse_args()
    shared = ["--results", args.results, "--data-dir", args.data_dir]
    extra = [part for pair in args.settings for part in ("--set", pair)]
    search, literal, base = (
        Path(args.results) / f"carl-emobank{end}" for end in ("", "-literal", "-baselines")
    )

    raysearch("sweep", "carl", "--space", SPACE, *shared, *extra)
    raysearch(
        *("sweep", "carl", "--space", SPACE, "--name", literal.name, "--trials", "1"),
        *("--seeds", "3", "--keep", "all", *shared, "--set", "reports=1", *extra),
    )
    raysearch(
        *("sweep", "carl", "--space", STUDY, "--name", base.name, "--keep", "all"),
        *(*shared, *best_settings(search), *extra),
    )
    for folder in (literal, base):
        raysearch("evaluate", str(folder), "--trial", "all", "--data-dir", args.data_dir)

    readings = Store(base / "test").trials()
    found = rows(Store(literal / "test").trials(), readings)
    first = readings[0]
    result: dict[str, object] = {
        "benchmark": "emobank",
        "title": f"EmoBank test, {encoder_name(first.config)}, {first.steps} steps of "
        f"{first.config['batch_size']}, mean ± sd over seeds",
        "commit": first.provenance["commit"],
        "dirty": first.provenance["dirty"],
        "device": first.device,
        "rows": found,
    }
    Console().print(show(result))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
