"""What do autoscaled nodes do while a sweep runs, and for how long has each no trial.

    python benchmarks/autoscaling.py [--slots 4] [--trials 40] [--idle-minutes 0.2] [--json PATH]

Ray's autoscaler with its fake cloud, on a test host (root; tests/hosts): a node is a raylet that
comes up in seconds, and its GPU is a number, so what is measured is what Ray and the slots add.
Trials train nothing and last for six seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from hosts.lab import lab, missing  # noqa: E402

from raysearch.training.provenance import provenance  # noqa: E402


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """One sweep from no node to none."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        with lab(folder, ["cloud"]) as made:
            host = made.hosts[0]
            host.run("ln", "-s", sys.prefix, "/root/venv")
            path = {"PATH": f"/root/venv/bin:{host.environment()['PATH']}"}
            script = str(ROOT / "tests" / "hosts" / "autoscaled.py")
            words = ["/root/venv/bin/python", script, str(folder / "out.json")]
            host.run(*words, json.dumps(settings), timeout=1200, environment=path)
        found: dict[str, Any] = json.loads((folder / "out.json").read_text())
        return found


def table(found: dict[str, Any]) -> Table:
    """Seconds of all workers together, and their share."""
    workers = found["workers"]
    rows = {
        "with a trial": workers["leased"],
        "before their first": workers["before"],
        "between two": workers["between"],
        "after their last, sweep on": workers["after"],
        "after the sweep's end": found["drained"],
    }
    whole = sum(rows.values())
    shown = Table("node seconds", "s", "share")
    for name, seconds in rows.items():
        shown.add_row(name, f"{seconds:.0f}", f"{seconds / whole:.0%}")
    shown.add_row("in all", f"{whole:.0f}", "")
    return shown


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--idle-minutes", type=float, default=0.2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if missing():
        sys.exit(f"test hosts need {', '.join(missing())}")
    settings = {
        "slots": args.slots, "trials": args.trials, "reports": 3, "step_seconds": 2.0,
        "idle_minutes": args.idle_minutes, "max_cost": None,
    }  # fmt: skip
    load = os.getloadavg()[0]
    found = measure(settings)
    console = Console()
    steps = ", ".join(f"{count} at {at:.0f} s" for at, count in found["changes"])
    console.print(f"{found['trials']} trials; last one ended at {found['last_trial']:.0f} s")
    console.print(f"workers up: {steps}", soft_wrap=True)
    console.print(table(found))
    if args.json:
        record = {"load": round(load, 1), **found, "provenance": provenance()}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
