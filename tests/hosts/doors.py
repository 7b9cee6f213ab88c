"""Which ports does a host open on the network, and who is let in there without the token?"""

from __future__ import annotations

import json
import re
from pathlib import Path

from hosts.lab import Host
from hosts.ray_cluster import Cluster

KNOCK = Path(__file__).with_name("knock.py")


def doors(host: Host) -> dict[int, str]:
    """Port to process of whatever listens on an address that others reach; but for SSH."""
    found = {}
    for line in host.run("ss", "-Hltnp").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        process = re.search(r'"([^"]+)"', line)
        name = process[1] if process else "?"
        if "127.0.0.1" not in address and address != "[::1]" and name != "sshd":
            found[int(port)] = name
    return found


def assert_shut(cluster: Cluster) -> dict[str, set[str]]:
    """A stranger at the laptop is refused at every open port of every host, by name.

    A port where nothing was understood counts as open: it may speak what we did not try.

    Returns:
        Host to the processes whose ports were tried.
    """
    lab, tried = cluster.lab, {}
    for host in lab.hosts:
        ports = doors(host)
        words = [host.address, *map(str, ports)]
        said = lab.laptop.run("/root/venv/bin/python", str(KNOCK), *words)
        answers = {int(port): found for port, found in json.loads(said).items()}
        still = doors(host)  # a worker that left in between answers nobody
        for port in ports.keys() & still.keys():
            found = answers[port]
            assert found, f"{host.name}:{port} ({ports[port]}) speaks a language that we do not"
            answered = [answer for answer in found if answer.endswith("answered")]
            assert not answered, f"{host.name}:{port} ({ports[port]}) lets strangers in: {answered}"
        tried[host.name] = set(ports.values())
    return tried
