"""What is lost when a sweep is killed two hundred times, and what by plain Tune's?

    python benchmarks/faults.py [--kills 100] [--seed 0] [--system both] [--folder DIR]
                                [--json PATH]

Three parts. *Write points*: a driver of ours without Ray, killed before each of its writes in
turn (`tests/faults/kill_points.py`). *Map* and *carl*: whole sweeps with real processes, two
trials at a time, killed at instants that the seed draws: the driver, a worker, the process that
owns a slot, the dispatcher; of plain Tune the driver and the trials' processes, at the same
steps of its log. Every trial takes 40 steps, with a checkpoint every 5.

The bound is one checkpoint interval per kill and running trial. What each kill did lies in
DIR/*/journal.jsonl; the same command continues a campaign that was cut short.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from faults_count import Figures, count
from faults_kills import Campaign
from faults_work import INTERVAL
from rich import channel
from rich.console import Console
from rich.table import Table

from raysearch.training.provenance import provenance

ROOT = Path(__file__).parents[1]
PARTS = {"map": (0.75, 0.15), "carl": (0.25, 0.0)}
"""Each part's share of the kills, and its sleep per step in seconds."""
SYSTEMS = ("raysearch", "tune")
WRITE_BOUND = 2
"""Steps between the checkpoints of `kill_points`."""


def write_points(folder: Path) -> Figures:
    """A kill before every write of a driver without Ray."""
    said = folder / "write_points.jsonl"
    if not said.exists():
        scratch = folder / "write_points"
        scratch.mkdir(parents=True)
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "faults")])
        done = subprocess.run(
            [sys.executable, str(ROOT / "tests" / "faults" / "kill_points.py"), str(scratch)],
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        said.write_text(done.stdout)
    quiet: dict[str, dict[str, Any]] = {}
    killed = []
    for line in said.read_text().splitlines():
        run = json.loads(line)
        if "at" in run:
            killed.append(run)
        else:
            quiet[run["kind"]] = run
    pairs = [(run, quiet[run["kind"]]) for run in killed]
    return {
        "system": "raysearch",
        "work": "writes",
        "kills": len(killed),
        "trials": sum(run["count"] for run in killed),
        "lost": sum(_missing(calm["rows"], run["rows"]) for run, calm in pairs),
        "duplicated": sum(len(run["rows"]) - len(set(map(str, run["rows"]))) for run in killed),
        "wrong": sum(_missing(calm["trials"], run["trials"]) for run, calm in pairs),
        "redone": sum(run["redone"] for run in killed),
        "most": max(run["redone"] for run in killed),
        "over_bound": sum(run["redone"] > WRITE_BOUND for run in killed),
        "bound": WRITE_BOUND,
        "not_restored": 0,  # else it would have ended with an error
        "hung": 0,
        "seconds": None,
    }


def _missing(expected: list[Any], found: list[Any]) -> int:
    return len(set(map(str, expected)) - set(map(str, found)))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All parts of all systems, one after the other."""
    rows = []
    systems = SYSTEMS if args.system == "both" else (args.system,)
    for work, (share, step_seconds) in PARTS.items():
        for system in systems:
            campaign = Campaign(
                system,
                work,
                kills=round(args.kills * share),
                seed=args.seed,
                step_seconds=step_seconds,
                folder=args.folder / f"{system}-{work}",
            )
            campaign.run()
            rows.append(count(campaign))
    if "raysearch" in systems:
        rows.append(write_points(args.folder))
    where = provenance()
    return {
        "benchmark": "faults",
        "seed": args.seed,
        "rows": rows,
        "commit": where["commit"],
        "dirty": where["dirty"],
    }


def show(result: dict[str, Any]) -> None:
    """The table."""
    table = Table(channel=channel.SIMPLE_HEAD, pad_edge=False, padding=0)
    columns = {
        "kills": "kills",
        "trials": "trials",
        "lost": "lost",
        "duplicated": "twice",
        "wrong": "wrong",
        "redone": "redone",
        "most": "most",
        "over_bound": "over",
        "not_restored": "stuck",
    }
    for title in ("system", "work", *columns.values(), "min"):
        table.add_column(title, justify="left" if title in ("system", "work") else "right")
    for row in result["rows"]:
        minutes = "" if row["seconds"] is None else f"{row['seconds'] / 60:.0f}"
        table.add_row(row["system"], row["work"], *(str(row[name]) for name in columns), minutes)
    console = Console()
    console.print("Sweeps under kills: what is lost, counted twice, wrong, done again", table)
    console.print(
        "redone: steps; most: of one trial after one kill; over: how often more than lie\n"
        f"between checkpoints, {INTERVAL} (writes: {WRITE_BOUND}); stuck: sweeps given up since "
        "they\nwould not go on, whose finished trials are lost"
    )


def main() -> None:
    """Kill, count, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of each system, beside writes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--system", choices=(*SYSTEMS, "both"), default="both")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/raysearch-faults"))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    result = measure(args)
    show(result)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
