"""A Ray cluster on the lab's hosts, started and ended by Ray's own launcher from the laptop."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hosts.lab import Host, Lab

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"RAY_AUTH_MODE": "token", "OMP_NUM_THREADS": "1"}
"""What a user of the launcher exports, and one thread for torch."""


def laptop_run(lab: Lab, *words: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command of ~/venv at the laptop, from the root of the working tree."""
    script = f'cd {ROOT} && exec ~/venv/bin/"$@"'
    more = {**ENVIRONMENT, **(environment or {})}
    return lab.laptop.run("sh", "-c", script, "sh", *words, timeout=500, environment=more)


@dataclass(frozen=True)
class Cluster:
    """A cluster that is up.

    Attributes:
        lab: Its hosts; the first is the head.
        manifest: Its cluster file.
    """

    lab: Lab
    manifest: Path

    def bring_up(self) -> None:
        """From the laptop, and wait until all hosts have joined."""
        script = "import sys, pathlib; from raysearch.cluster.remote.launch import bring_up"
        script = f"{script}; bring_up(pathlib.Path(sys.argv[1]))"
        laptop_run(self.lab, "python", "-c", script, str(self.manifest))
        wait_for_nodes(self, len(self.lab.hosts))

    def head(self, command: str) -> str:
        """Run a shell command at the head, as root with the token."""
        return self.lab.hosts[0].run("bash", "-c", command, environment=ENVIRONMENT)

    def nodes(self) -> int:
        """Nodes that are there, the head among them."""
        count = "print(sum(node['Alive'] for node in ray.nodes()))"
        script = f"import ray; ray.init('auto', log_to_driver=False); {count}"
        return int(self.head(f'~/venv/bin/python -c "{script}" 2>/dev/null').split()[-1])


@contextmanager
def ray_up(lab: Lab, folder: Path, *, cpus: int = 1, setup: str = "true") -> Iterator[Cluster]:
    """The cluster of docs/cluster-local.yaml, with what a user sets, for the length of the block.

    The hosts see the machine's Python as ``~/venv``, so nothing is installed.

    Args:
        lab: Its hosts: the head, then the workers.
        folder: For the cluster file.
        cpus: CPUs of each worker; with one, two slots are on two hosts.
        setup: What a worker's shell does before it starts Ray.
    """
    with prepared(lab, folder, cpus=cpus, setup=setup) as cluster:
        cluster.bring_up()
        yield cluster


@contextmanager
def prepared(lab: Lab, folder: Path, *, cpus: int = 1, setup: str = "true") -> Iterator[Cluster]:
    """As `ray_up`, but nothing is started; whatever then is, is ended with the block."""
    for host in (lab.laptop, *lab.hosts):
        host.run("ln", "-s", sys.prefix, "/root/venv")
    lab.laptop.run("mkdir", "/root/.ray")
    lab.laptop.run("sh", "-c", f"umask 077; echo -n {secrets.token_hex(32)} > ~/.ray/auth_token")
    manifest = folder / "cluster.yaml"
    manifest.write_text(yaml.safe_dump(_manifest(lab, folder, cpus, setup)))
    try:
        yield Cluster(lab, manifest)
    finally:
        laptop_run(lab, "python", "-m", "raysearch", "stop", str(manifest), "--down")


def _manifest(lab: Lab, folder: Path, cpus: int, setup: str) -> dict[str, Any]:
    head, *workers = lab.hosts
    config: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "cluster-local.yaml").read_text())
    config["provider"] |= {
        "head_ip": head.address,
        "worker_ips": [host.address for host in workers],
        "raysearch": {"storage": str(folder / "storage"), "slots": len(workers)},
    }
    config["auth"] = {"ssh_user": "root", "ssh_private_key": str(lab.key)}
    del config["setup_commands"][:-1]  # but the last makes `ray` known to logins
    sized = f"ray start --num-cpus={cpus} --object-store-memory=100000000"
    *before, start = config["worker_start_ray_commands"]
    start = start.replace("ray start", sized)
    config["worker_start_ray_commands"] = [*before, f"{setup}; {start}"]
    return config


def wait_for_nodes(cluster: Cluster, number: int) -> None:
    """Until so many nodes are there, the head among them."""
    deadline = time.monotonic() + 240
    while (found := cluster.nodes()) < number:
        assert time.monotonic() < deadline, f"{found} of {number} nodes have joined"
        time.sleep(3)


def ray_processes(host: Host) -> list[str]:
    """What of Ray still runs on a host."""
    marks = ("raylet", "gcs_server", "ray::", "ray/dashboard", "ray/autoscaler")
    return [line for line in host.processes() if any(mark in line for mark in marks)]
