"""Two workers of a trial on two hosts as Debian sets them up, whose trees have become old."""

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


def name_itself_as_debian_does(host: Host) -> None:
    """Its own name is 127.0.1.1; on a copy, since the file is the same for all hosts."""
    change = f"s/^.* {host.name}$/127.0.1.1 {host.name}/"
    host.run("sh", "-c", f"sed '{change}' /etc/hosts > /run/hosts")
    host.run("mount", "--bind", "/run/hosts", "/etc/hosts")
    assert host.run("getent", "ahostsv4", host.name).split()[0] == "127.0.1.1"


def digest_on(host: Host) -> str:
    command = 'cd ~/raysearch && ~/venv/bin/python -c "$1"'
    return host.run("sh", "-c", command, "sh", DIGEST).strip()


def test_they_meet_by_the_nodes_addresses_and_run_the_code_of_the_head(tmp_path: Path) -> None:
    space, stored = write_space(tmp_path, "carl", trials=1), tmp_path / "stored"
    with lab(tmp_path, ["head", "worker1", "worker2"]) as made:
        head, *workers = made.hosts
        for host in made.hosts:
            name_itself_as_debian_does(host)
        with ray_up(made, tmp_path) as cluster:
            for worker in workers:
                worker.run("sh", "-c", f'echo "{STALE}" >> raysearch/raysearch/training/run.py')
            on_head, *on_workers = (digest_on(host) for host in made.hosts)
            assert on_head not in on_workers
            two = ("--slots", "1", "--workers-per-trial", "2")
            said = on_the_cluster(cluster, space, stored, tmp_path / "kept", *two)
            commit = head.run("git", "-C", "raysearch", "rev-parse", "HEAD").strip()
    found = rows(stored, "carl")
    assert list(found["state"]) == ["complete"], said
    (row,) = found.to_dict("records")
    assert row["provenance/workers"] == "2" and row["provenance/host"] in ("worker1", "worker2")
    assert (row["provenance/package"], row["provenance/commit"]) == (on_head, commit)
