"""Faults of hosts in one running sweep: a worker dies, the driver, a link is cut; all goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hosts.fault_kinds import FAULTS, endure
from hosts.faults import Run, twice
from hosts.faults_driver import CHECKPOINT_STEPS
from hosts.lab import lab
from hosts.ray_cluster import ROOT, laptop_run, ray_up
from hosts.sweeps import assert_same_trials, rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # a minute to start, another to end; more on a busy machine
    pytest.mark.hosts,
]
TRIALS = 5
PLACES = (ROOT, ROOT / "tests", ROOT / "tests" / "faults")
PATHS = {"PYTHONPATH": os.pathsep.join(map(str, PLACES))}
ALONE = f"""
import sys
from pathlib import Path
from kill_points import drive
from hosts.faults_driver import sweep_plan
drive(sweep_plan(Path(sys.argv[1]), {TRIALS}, step_seconds=0))
"""
"""The same sweep without Ray, at a host's login: the last bits of a probe depend on the kernels of
OpenBLAS, which a variable of the environment may choose."""


def test_a_sweep_gets_over_the_faults_of_its_hosts(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    with lab(tmp_path, ["head", "worker1", "worker2"]) as made:
        with ray_up(made, tmp_path, cpus=2) as cluster:
            run = Run(cluster, together, TRIALS, together)
            run.start()
            met = [endure(run, FAULTS[name]) for name in ("worker", "driver", "link")]
            assert run.finish() == f"done {TRIALS} 0"
            laptop_run(made, "python", "-c", ALONE, str(alone), environment=PATHS)
    found = run.rows()
    assert_same_trials(found, rows(tmp_path, "alone"))
    assert set(found["reason"]) == {""}
    costs = [fault.cost(run.steps()) for fault in met]
    assert max(cost.most for cost in costs) <= CHECKPOINT_STEPS
    assert sum(cost.redone for cost in costs) == twice(run.steps())  # and nothing beside these
