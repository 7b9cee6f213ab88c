"""Two workers of a trial on two hosts as Debian sets them up: their own names are 127.0.1.1."""

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


def name_itself_as_debian_does(host: Host) -> None:
    """On a copy: the file is the same for all hosts."""
    change = f"s/^.* {host.name}$/127.0.1.1 {host.name}/"
    host.run("sh", "-c", f"sed '{change}' /etc/hosts > /run/hosts")
    host.run("mount", "--bind", "/run/hosts", "/etc/hosts")
    assert host.run("getent", "ahostsv4", host.name).split()[0] == "127.0.1.1"


def test_they_meet_over_the_interface_of_the_nodes_address(tmp_path: Path) -> None:
    space, stored = write_space(tmp_path, "carl", trials=1), tmp_path / "stored"
    with lab(tmp_path, ["head", "worker1", "worker2"]) as made:
        for host in made.hosts:
            name_itself_as_debian_does(host)
        with ray_up(made, tmp_path) as cluster:
            two = ("--slots", "1", "--workers-per-trial", "2")
            said = on_the_cluster(cluster, space, stored, tmp_path / "kept", *two)
    found = rows(stored, "carl")
    assert list(found["state"]) == ["complete"], said
    assert list(found["provenance/workers"]) == ["2"]
