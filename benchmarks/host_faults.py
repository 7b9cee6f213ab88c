"""What does each fault of a host cost a running sweep: trials lost, steps redone, seconds?

    python benchmarks/host_faults.py [--faults worker,raylet,...] [--json PATH]

Needs root, the packages of `.ci/run` and a C compiler: the hosts are namespaces of this machine
(tests/hosts), a head and two workers that Ray's own launcher brings up over SSH. Each fault has a
sweep of its own, trained for real, whose study lies on PostgreSQL. It strikes shortly before a
checkpoint is due, when most is at stake. Afterwards every row must equal, bit by bit, that of
the same sweep in one process without Ray. Steps done twice are counted from a log of all steps.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "faults")]

import pandas as pd  # noqa: E402
from hosts.fault_kinds import CLOCK, DISK, FAULTS, Fault, endure  # noqa: E402
from hosts.faults import Run, twice  # noqa: E402
from hosts.faults_driver import CHECKPOINT_STEPS, STEPS, sweep_plan  # noqa: E402
from hosts.lab import Lab, lab, missing  # noqa: E402
from hosts.ray_cluster import Cluster, ray_up, wait_for_nodes  # noqa: E402
from hosts.sweeps import assert_same_trials, rows  # noqa: E402
from kill_points import drive  # noqa: E402
from postgres import running_postgres  # noqa: E402

COLUMNS = ("fault", "trials done", "lost", "twice", "failed", "met", "redone", "most", "seconds")


@contextmanager
def cluster_with_clocks(folder: Path) -> Iterator[Cluster]:
    """The hosts; workers have a wall clock that can be set, and a small disk for Ray's session."""
    with lab(folder, ["head", "worker1", "worker2"]) as made:
        clock = folder / "clock.so"
        compiler = ["cc", "-shared", "-fPIC", "-O2", "-o", clock, TESTS / "hosts" / "clock.c"]
        subprocess.run([*compiler, "-ldl", "-lpthread"], check=True)
        _prepare(made)
        setup = f"export LD_PRELOAD={clock} RAYSEARCH_CLOCK={CLOCK}"
        with ray_up(made, folder, cpus=2, setup=setup) as cluster:
            yield cluster


def _prepare(made: Lab) -> None:
    for host in made.hosts[1:]:
        small = f"mkdir {DISK} && mount -t tmpfs -o size=200m disk {DISK}"
        host.run("sh", "-c", f"{small} && echo 0 > {CLOCK}")


def suffer(run: Run, name: str, fault: Fault, expected: pd.DataFrame) -> dict[str, Any]:
    """Run a sweep through a fault, compare its rows, and give what it cost."""
    run.start()
    met = endure(run, fault)
    said = run.finish()
    assert said == f"done {run.trials} 0", said
    found = run.rows()
    assert_same_trials(found, expected)
    assert set(found["reason"]) == {""}
    steps = run.steps()
    cost = met.cost(steps)
    assert cost.most <= CHECKPOINT_STEPS and cost.redone == twice(steps), (cost, twice(steps))
    return {
        "fault": fault.what,
        "trials done": len(found),
        "lost": len(set(expected["trial"]) - set(found["trial"])),
        "twice": int(found.duplicated(["trial", "task", "seed"]).sum()),
        "failed": int((found["state"] != "complete").sum()),
        **dict(zip(COLUMNS[5:], asdict(cost).values(), strict=True)),
        "name": name,
        "load": os.getloadavg()[0],
    }


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A storage that can be filled; mounted before the hosts are made, so that they see it."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "disk", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def main(names: list[str], trials: int) -> Iterator[dict[str, Any]]:
    """One row of the table per fault, as soon as it is known."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        drive(sweep_plan(folder / "alone", trials, step_seconds=0))
        expected = rows(folder, "alone")
        sockets = folder / "sockets"
        sockets.mkdir()
        sockets.chmod(0o777)
        folder.chmod(0o755)
        server = stack.enter_context(running_postgres(sockets))
        small = stack.enter_context(small_disk(folder / "small"))
        cluster = stack.enter_context(cluster_with_clocks(folder))
        for name in names:
            wait_for_nodes(cluster, 3)
            where = folder / "sweeps" / name
            storage = small if name == "storage" else where
            server.execute(f"CREATE DATABASE {name}")
            run = Run(cluster, where, trials, storage, server.url_over_socket(name))
            yield suffer(run, name, FAULTS[name], expected)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", default=",".join(FAULTS), help="default: %(default)s")
    parser.add_argument("--trials", type=int, default=4, help="of each sweep; default: %(default)s")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    arguments = parser.parse_args()
    if absent := missing():
        parser.error(f"test hosts need {', '.join(absent)}")
    began, found = time.monotonic(), []
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for row in main(arguments.faults.split(","), arguments.trials):
        found.append(row)
        shown = [f"{row[name]:.0f}" if name == "seconds" else str(row[name]) for name in COLUMNS]
        print("| " + " | ".join(shown) + " |", flush=True)
    if arguments.json:
        about = {"steps": STEPS, "checkpoint_steps": CHECKPOINT_STEPS, "cores": os.cpu_count()}
        about["seconds"] = time.monotonic() - began
        arguments.json.write_text(json.dumps({**about, "faults": found}, indent=1) + "\n")
