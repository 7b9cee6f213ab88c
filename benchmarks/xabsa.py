"""What does MSMO give on SemEval-2016: the ladder from zero-shot to distillation, pair by pair.

    python benchmarks/xabsa.py --results results --data-dir DIR --json PATH [--set NAME=VALUE]

One sweep by the command that a user types (`search_spaces/studies/msmo-ladder.yaml`), then the
one reading of test data. All rows have the same encoder, data, steps and seeds; the settings of
the useful rows are the defaults with the study's learning rates, not tuned for any row. Published
numbers stand beside the rows for their order only: they are another encoder's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

from rich.console import Console
from rich.table import Table

from raysearch.leaderboard import Store
from raysearch.leaderboard.keys import encoder_name
from raysearch.run import Run

SPACE = "search_spaces/studies/msmo-ladder.yaml"
PAIRS = ("en-fr", "en-es", "en-nl", "en-ru")
ROWS: Mapping[tuple[bool, str, str], str] = {
    (False, "zero_shot", "none"): "zero-shot",
    (False, "acs", "none"): "ACS",
    (False, "msmo", "none"): "MSMO",
    (True, "msmo", "none"): "MSMO, the paper's setting",
    (False, "no_critic", "none"): "MSMO without critic",
    (False, "no_consistency", "none"): "MSMO without consistency",
    (False, "no_code_switch", "none"): "MSMO without code-switched data",
    (False, "no_translation", "none"): "MSMO without translations",
    (False, "msmo", "multi"): "MSMO-Distill-M",
}
"""Whether it is trial 0, its variant and its distillation, to the row's name."""
PUBLISHED: Mapping[str, tuple[float, ...]] = {
    "zero-shot": (56.43, 67.10, 59.03, 56.80),
    "ACS": (59.39, 67.32, 62.83, 60.81),
    "MSMO": (61.01, 69.74, 63.26, 62.52),
    "MSMO without critic": (59.82, 68.10, 62.41, 60.99),
    "MSMO without consistency": (59.51, 67.96, 62.91, 61.82),
    "MSMO-Distill-M": (63.89, 69.93, 65.15, 63.20),
}
"""XLM-R base, 2500 steps, mean of five seeds, in the order of `PAIRS` (docs/msmo.md §3)."""
DIAGNOSTICS = (
    "align/gap",
    "align/critic_accuracy",
    "align/saturation",
    "train/supervised",
    "train/consistency",
    "train/rest_mass",
    "dev/f1",
    "dev/hallucinated",
)


def raysearch(*arguments: str) -> None:
    """Run one command as a user would."""
    subprocess.run([sys.executable, "-m", "raysearch", *arguments], check=True)


def name_of(trial: Run) -> str:
    """The row that a cell belongs to."""
    variant, kind = str(trial.config["variant"]), str(trial.config["distillation"])
    return ROWS[trial.number == 0, variant, kind]


def _spread(values: Sequence[float]) -> dict[str, float | int]:
    sd = stdev(values) if len(values) > 1 else 0.0
    return {"mean": fmean(values), "sd": sd, "cells": len(values)}


def rows(readings: Sequence[Run], trained: Sequence[Run]) -> list[dict[str, object]]:
    """One row a rung: test F1 per pair and over pairs, and what the last report measured."""
    found: list[dict[str, object]] = []
    for name in ROWS.values():
        cells = [trial for trial in readings if name_of(trial) == name]
        if not cells:
            continue
        row: dict[str, object] = {"setting": name, "published": PUBLISHED.get(name)}
        for pair in PAIRS:
            row[pair] = _spread([100 * t.metrics["test/f1"] for t in cells if t.cell.task == pair])
        seeds = sorted({trial.cell.seed for trial in cells})
        means = [
            fmean(100 * t.metrics["test/f1"] for t in cells if t.cell.seed == seed)
            for seed in seeds
        ]
        row["mean"] = _spread(means)
        own = [trial for trial in trained if name_of(trial) == name]
        row["diagnostics"] = {
            metric: fmean(trial.metrics[metric] for trial in own)
            for metric in DIAGNOSTICS
            if all(metric in trial.metrics for trial in own)
        }
        row["steps"] = fmean(trial.steps for trial in own)
        row["seconds"] = fmean(trial.seconds for trial in own)
        found.append(row)
    return found


def show(result: Mapping[str, object]) -> Table:
    """The table as the README prints it."""
    table = Table(title=str(result["title"]), title_justify="left")
    table.add_column("setting")
    for pair in (*PAIRS, "mean"):
        table.add_column(pair, justify="right")
    table.add_column("XLM-R base, published: the same columns", justify="right")
    for row in result["rows"]:  # type: ignore[attr-defined]
        cells = [f"{row[p]['mean']:.1f} ± {row[p]['sd']:.1f}" for p in (*PAIRS, "mean")]
        published = row["published"]
        beside = [f"{value:.1f}" for value in (*published, fmean(published))] if published else []
        table.add_row(row["setting"], *cells, " ".join(beside))
    return table


def main() -> None:
    """Run the sweep, read test, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", default="results")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    args = parser.parse_args()
    folder = Path(args.results) / "msmo-ladder"
    extra = [part for pair in args.settings for part in ("--set", pair)]
    raysearch(
        *("sweep", "msmo", "--space", SPACE, "--keep", "all", "--results", args.results),
        *("--data-dir", args.data_dir, *extra),
    )
    raysearch("evaluate", str(folder), "--trial", "all", "--data-dir", args.data_dir)

    trained = Store(folder).trials()
    found = rows(Store(folder / "test").trials(), trained)
    first = next(trial for trial in trained if trial.number == 0)
    result: dict[str, object] = {
        "benchmark": "xabsa",
        "title": f"SemEval-2016 restaurants, test micro-F1 x 100, {encoder_name(first.config)}, "
        f"{first.config['steps']} steps of {first.config['batch_size']}, "
        f"{first.config['precision']}, mean ± sd over seeds",
        "commit": first.provenance["commit"],
        "dirty": first.provenance["dirty"],
        "device": first.device,
        "config": dict(first.config),
        "rows": found,
    }
    Console(width=140).print(show(result))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
