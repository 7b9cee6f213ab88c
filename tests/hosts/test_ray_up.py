"""Three hosts, one command at the laptop: each method's rows are those of one machine."""

from __future__ import annotations

import re
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from hosts.doors import assert_shut
from hosts.lab import Host, Lab, lab
from hosts.ray_cluster import ENVIRONMENT, Cluster, laptop_run, prepared, ray_processes
from hosts.sweeps import (
    assert_same_trials,
    begun_on_the_cluster,
    on_one_machine,
    on_the_cluster,
    rows,
    write_space,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # a minute to start, another to end; more on a busy machine
    pytest.mark.hosts,
]
ALL_FOUR = "4/4 trials|continuing from 4 kept rows"
"""The last trial may end before the command comes back to its sweep."""


def test_a_sweep_of_each_method_equals_that_of_one_machine(tmp_path: Path) -> None:
    """CARL's command also brings the cluster up; MSMO's is ended twice in mid-sweep."""
    carl, msmo = (write_space(tmp_path, method, trials=4) for method in ("carl", "msmo"))
    places = stored, kept, alone = [tmp_path / name for name in ("stored", "kept", "alone")]
    with lab(tmp_path, ["head", "worker1", "worker2"]) as made:
        with prepared(made, tmp_path) as cluster:
            with ThreadPoolExecutor(1) as pool:
                sweep = pool.submit(on_the_cluster, cluster, carl, stored, kept)
                wait_for_a_row(stored / "carl", sweep)
                assert_tried(assert_shut(cluster))
                assert "4/4 trials" in sweep.result()
            refused_without_the_token(cluster)
            git = ("git", "-C", "raysearch", "rev-parse", "HEAD")
            commits = {host.run(*git).strip() for host in made.hosts}
            said = with_two_ends(cluster, msmo, stored, kept)
            assert re.search(ALL_FOUR, said), said
            again = laptop_run(
                made, "python", "-m", "raysearch", "attach", str(cluster.manifest),
                "--results", str(kept),
            )  # fmt: skip
            assert re.search(ALL_FOUR, again), again
            works_at_the_laptop(cluster, said, kept)
        on_one_machine(made, carl, alone)
        on_one_machine(made, msmo, alone)
        wait_until_ended(made)
    for method in ("carl", "msmo"):
        found, copied, expected = (rows(place, method) for place in places)
        assert_same_trials(found, expected)
        pd.testing.assert_frame_equal(copied, found)
        assert set(found["provenance/commit"]) == commits
    assert set(rows(stored, "carl")["provenance/host"]) == {"worker1", "worker2"}


def wait_for_a_row(folder: Path, sweep: Future[str]) -> None:
    """Until a trial is done; with two slots another is then under way on each worker."""
    deadline = time.monotonic() + 300
    while not list((folder / "trials").glob("part-*")):
        assert time.monotonic() < deadline and not sweep.done(), "no trial was done"
        time.sleep(0.2)


def assert_tried(tried: dict[str, set[str]]) -> None:
    """Strangers knocked at Ray's own doors, and at those of our driver and workers."""
    assert {"gcs_server", "raylet", "ray::Dispatcher"} <= tried["head"]
    on_workers = tried["worker1"] | tried["worker2"]
    assert {"raylet", "ray::RayTrainWo", "ray::DashboardA"} <= on_workers


def with_two_ends(cluster: Cluster, space: Path, storage: Path, results: Path) -> str:
    """The command, ended by Ctrl-C when the sweep has begun and killed once a row is here."""
    places = (cluster, space, storage, results)
    with begun_on_the_cluster(*places) as command:
        command.until("sweep msmo: msmo")
        assert command.end(signal.SIGINT) == 130
        assert "continues" in command.said and "raysearch stop" in command.said
    with begun_on_the_cluster(*places) as command:
        command.until("runs already")
        command.until("1/4 trials")
        assert command.end(signal.SIGKILL) in (-signal.SIGKILL, 128 + signal.SIGKILL)
    wait_until_shut(cluster.lab.laptop)
    assert list((results / "msmo" / "trials").iterdir())
    return on_the_cluster(*places)


def wait_until_shut(laptop: Host) -> None:
    """A killed command leaves no tunnel behind."""
    deadline = time.monotonic() + 30
    while [line for line in laptop.processes() if "dashboard --port" in line]:
        assert time.monotonic() < deadline, laptop.processes()
        time.sleep(0.2)


def works_at_the_laptop(cluster: Cluster, said: str, results: Path) -> None:
    """What the ending says to type works there: the leaderboard, and how the weights come."""
    board = re.search(r"python -m raysearch leaderboard \S+", said)
    weights = re.search(r"ray rsync-down .*", said)
    assert board and weights
    assert "4 trials: 4 complete" in laptop_run(cluster.lab, *board[0].split())
    laptop_run(cluster.lab, *weights[0].split())
    assert list((results / "msmo" / "leases").rglob("final.safetensors"))


def wait_until_ended(made: Lab) -> None:
    """`ray down` stops the head; a worker leaves by itself a minute after it has lost the head."""
    deadline = time.monotonic() + 180
    while any(ray_processes(host) for host in made.hosts):
        assert time.monotonic() < deadline, [ray_processes(host) for host in made.hosts]
        time.sleep(3)


def refused_without_the_token(cluster: Cluster) -> None:
    """The head's port on the network lets nobody in who has no token, or a wrong one."""
    address = f"{cluster.lab.hosts[0].address}:6379"
    for stranger in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_TOKEN": "ab" * 32}):
        with pytest.raises(AssertionError, match="InvalidAuthToken"):
            laptop_run(
                cluster.lab, "ray", "status", "--address", address,
                environment={**ENVIRONMENT, **stranger},
            )  # fmt: skip
