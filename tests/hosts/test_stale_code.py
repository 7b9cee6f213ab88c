"""A worker whose tree is old trains with the driver's code; one on other packages is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosts.lab import Host, lab
from hosts.ray_cluster import ray_up
from hosts.sweeps import on_the_cluster, rows, write_space

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.hosts,
]
STALE = "raise RuntimeError('an old tree')"
DIGEST = """\
from raysearch.training.origin import package_digest
from raysearch.version import PACKAGE
print(package_digest(PACKAGE))
"""


def digest_on(host: Host) -> str:
    command = 'cd ~/raysearch && ~/venv/bin/python -c "$1"'
    return host.run("sh", "-c", command, "sh", DIGEST).strip()


def test_a_living_worker_runs_the_code_of_the_head(tmp_path: Path) -> None:
    space = write_space(tmp_path, "carl", trials=1)
    stored = tmp_path / "stored"
    with lab(tmp_path, ["head", "worker1"]) as made, ray_up(made, tmp_path) as cluster:
        head, worker = made.hosts
        worker.run("sh", "-c", f'echo "{STALE}" >> raysearch/raysearch/training/run.py')
        on_head, on_worker = (digest_on(host) for host in (head, worker))
        assert on_head != on_worker
        on_the_cluster(cluster, space, stored, tmp_path / "kept")
        found = rows(stored, "carl").iloc[0]
        assert found["provenance/host"] == "worker1"
        assert found["provenance/package"] == on_head
        commit = head.run("git", "-C", "raysearch", "rev-parse", "HEAD").strip()
        assert found["provenance/commit"] == commit
