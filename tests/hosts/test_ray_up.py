"""Three hosts, `ray up` over SSH with a token: the sweep's rows are those of one machine."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest
from hosts.lab import Lab, lab, missing
from hosts.ray_cluster import ENVIRONMENT, Cluster, laptop_run, ray_processes, ray_up
from hosts.sweeps import assert_same_trials, on_one_machine, on_the_cluster, rows, write_space

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # a minute to start, another to end; more on a busy machine
    pytest.mark.skipif(bool(missing()), reason=f"test hosts need {', '.join(missing())}"),
]


def test_a_submitted_sweep_equals_that_of_one_machine(tmp_path: Path) -> None:
    alone, together, fetched = tmp_path / "alone", tmp_path / "together", tmp_path / "fetched"
    space = write_space(tmp_path, trials=4)
    with lab(tmp_path, ["head", "worker1", "worker2"]) as made:
        with ray_up(made, tmp_path) as cluster:
            refused_without_the_token(cluster)
            said = on_the_cluster(cluster, space, together, fetched)
            assert "4/4 trials" in said
            again = laptop_run(made, "python", "-m", "raysearch", "attach", str(cluster.manifest))
            assert said in again
            git = ("git", "-C", "raysearch", "rev-parse", "HEAD")
            commits = {host.run(*git).strip() for host in made.hosts}
        on_one_machine(made, space, alone)
        wait_until_ended(made)
    found = rows(together)
    assert_same_trials(found, rows(alone))
    assert set(found["provenance/host"]) == {"worker1", "worker2"}
    assert set(found["provenance/commit"]) == commits
    pd.testing.assert_frame_equal(rows(fetched), found)


def wait_until_ended(made: Lab) -> None:
    """`ray down` stops the head; a worker leaves by itself a minute after it has lost the head."""
    deadline = time.monotonic() + 180
    while any(ray_processes(host) for host in made.hosts):
        assert time.monotonic() < deadline, [ray_processes(host) for host in made.hosts]
        time.sleep(3)


def refused_without_the_token(cluster: Cluster) -> None:
    """The head's port on the network lets nobody in who has no token."""
    open_door = {**ENVIRONMENT, "RAY_AUTH_MODE": "disabled"}
    address = f"{cluster.lab.hosts[0].address}:6379"
    with pytest.raises(AssertionError, match="InvalidAuthToken"):
        laptop_run(cluster.lab, "ray", "status", "--address", address, environment=open_door)
