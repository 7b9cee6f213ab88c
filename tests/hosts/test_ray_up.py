"""Three hosts, `ray up` over SSH with a token: the sweep's rows are those of one machine."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest
from hosts.lab import Lab, lab, missing
from hosts.ray_cluster import ENVIRONMENT, Cluster, laptop_run, ray_processes, ray_up

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"test hosts need {', '.join(missing())}"),
]

LAPTOP = Path(__file__).with_name("laptop_sweep.py")
SPACE = """\
method: carl
objective: {metric: dev/va_pearson, direction: maximize}
budget: {trials: 4, seeds: 1}
sampler: random
pruner: none
setting: {encoder: tiny, layers: 0, corpora: [sample], epochs: 1, reports: 2, batch_size: 16}
search:
  learning_rate: {low: 2e-5, high: 1e-3, log: true}
  top_k: {low: 0.05, high: 0.4}
"""


def sweep(space: Path, results: Path, *more: str) -> list[str]:
    where = ["--space", str(space), "--results", str(results), "--name", "hosts"]
    return ["sweep", "carl", *where, *more]


def rows(results: Path) -> pd.DataFrame:
    return pd.read_parquet(results / "hosts" / "trials").sort_values("trial", ignore_index=True)


def test_a_submitted_sweep_equals_that_of_one_machine(tmp_path: Path) -> None:
    space, alone, together = tmp_path / "space.yaml", tmp_path / "alone", tmp_path / "together"
    fetched = tmp_path / "fetched" / "hosts"
    space.write_text(SPACE)
    with lab(tmp_path, ["head", "worker1", "worker2"]) as made:
        with ray_up(made, tmp_path) as cluster:
            refused_without_the_token(cluster)
            words = sweep(space, together, "--address", "auto", "--slots", "2")
            places = [str(cluster.manifest), str(together / "hosts"), str(fetched)]
            said = laptop_run(made, "python", str(LAPTOP), *places, *words)
            assert "4/4 trials" in said
            again = laptop_run(made, "python", "-m", "raysearch", "attach", str(cluster.manifest))
            assert said in again
            commits = {
                host.run("git", "-C", "raysearch", "rev-parse", "HEAD") for host in made.hosts
            }
        laptop_run(made, "python", "-m", "raysearch", *sweep(space, alone, "--slots", "1"))
        wait_until_ended(made)
    expected, found = rows(alone), rows(together)
    assert set(found["provenance/host"]) == {"worker1", "worker2"}
    assert set(expected["provenance/host"]) == {"laptop"}
    told = ("sweep", "trial", "task", "seed", "state", "steps", "device", "config/", "metric/")
    names = [name for name in expected.columns if name.startswith(told)]
    pd.testing.assert_frame_equal(found[names], expected[names], check_exact=True)
    pd.testing.assert_frame_equal(rows(fetched.parent), found)
    assert {commit.strip() for commit in commits} == set(found["provenance/commit"])


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
