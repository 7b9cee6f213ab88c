"""How far do threads move a trial's numbers, in fp32 and in bf16?

    python benchmarks/threads.py [--layers 2] [--json PATH]

One trial of each method with MiniLM's first layers on the bundled sample, trained with one, two
and four threads. Differences are relative to the number of the trial with one thread: the largest
of any score on dev and of any mean of a training term, at the first report and at the last.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from raysearch.config import flatten, read_config
from raysearch.methods import get_method
from raysearch.run import Cell, Report, Run, RunSpec
from raysearch.training.partner import execute_on_workers
from raysearch.training.progress import NullListener
from raysearch.training.provenance import provenance

THREADS = (1, 2, 4)
COMMON = {"encoder": "package:minilm", "max_length": 48, "batch_size": 16, "reports": 4}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "carl": {**COMMON, "epochs": 1, "learning_rate": 1e-4},
    "msmo": {**COMMON, "steps": 40, "align_steps": 10, "learning_rate": 1e-4},
}


def train(method: str, precision: str, threads: int, layers: int, folder: Path) -> Run:
    """The trial, which shares nothing with another."""
    loader = get_method(method)
    given = {**SETTINGS[method], "precision": precision, "layers": layers}
    config = read_config(loader.config_type, given, where="benchmark")
    cell = Cell(loader.tasks(config)[0], 0)
    spec = RunSpec(
        sweep="threads", number=0, cell=cell, method=method, config=flatten(config), folder=""
    )
    spec = replace(spec, folder=str(folder / "leases" / spec.id))
    found = execute_on_workers(spec, NullListener(), workers=1, threads=threads, data_dir="none")
    assert found is not None and found.curve, found
    return found


def apart(one: Report, other: Report, role: str) -> float:
    """The largest difference of the numbers of a role, relative to the first report's."""
    found = [
        abs(value - other.metrics[name]) / abs(value)
        for name, value in one.metrics.items()
        if name.startswith(role) and value and math.isfinite(value)
    ]
    return max(found)


def measure(method: str, precision: str, layers: int) -> list[dict[str, Any]]:
    """Rows for two and four threads."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            train(method, precision, threads, layers, Path(folder) / str(threads))
            for threads in THREADS
        ]
    rows = []
    for threads, run in zip(THREADS[1:], runs[1:], strict=True):
        row: dict[str, Any] = {"method": method, "precision": precision, "threads": threads}
        for place, at in (("first", 0), ("last", -1)):
            for role in ("dev", "train"):
                row[f"{place}/{role}"] = apart(runs[0].curve[at], run.curve[at], f"{role}/")
        rows.append({**row, "steps": run.steps})
    return rows


def main() -> None:
    """Measure, show and, where asked, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    for method in SETTINGS:
        for precision in ("fp32", "bf16"):
            rows += measure(method, precision, args.layers)
            print(json.dumps(rows[-2:], indent=1), flush=True)
    record = {"layers": args.layers, "rows": rows, "cpu": provenance()["cpu"]}
    record["commit"] = provenance()["commit"]
    if args.json:
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
