"""Which ports does a host open, and who is let in there without the token, or with a wrong one?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hosts.lab import Host
from hosts.ray_cluster import Cluster

KNOCK = Path(__file__).with_name("knock.py")


@dataclass(frozen=True)
class Door:
    """A port on which a process listens.

    Attributes:
        process: Its name.
        loopback: Whether only the host itself reaches it.
    """

    process: str
    loopback: bool


def doors(host: Host) -> dict[int, Door]:
    """Every port of the host on which something listens; but for SSH."""
    found = {}
    for line in host.run("ss", "-Hltnp").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        process = re.search(r'"([^"]+)"', line)
        name = process[1] if process else "?"
        loopback = "127.0.0.1" in address or address == "[::1]"
        before = found.get(int(port))  # the job agent listens on two addresses
        if name != "sshd" and (before is None or before.loopback):
            found[int(port)] = Door(name, loopback)
    return found


def knock(stranger: Host, address: str, ports: Iterable[int]) -> dict[int, list[str]]:
    """What a stranger on a host is answered at each port, as `knock.py` says it."""
    words = [address, *map(str, ports)]
    said = stranger.run("/root/venv/bin/python", str(KNOCK), *words)
    return {int(port): found for port, found in json.loads(said).items()}


def assert_refused(found: list[str], door: str) -> None:
    """Nothing but refusals, and those both without a token and with a wrong one.

    A port where nothing was understood counts as open: it may speak what we did not try.
    """
    assert found, f"{door} speaks a language that we do not"
    answered = [answer for answer in found if not answer.endswith("refused")]
    assert not answered, f"{door} lets strangers in: {answered}"
    for token in ("no token", "wrong token"):
        assert any(token in answer for answer in found), f"{door} was not asked with {token}"


def assert_shut(cluster: Cluster) -> dict[str, set[str]]:
    """A stranger at the laptop is refused at every open port of every host, by name.

    Returns:
        Host to the processes whose ports were tried.
    """
    lab, tried = cluster.lab, {}
    for host in lab.hosts:
        ports = {port: door for port, door in doors(host).items() if not door.loopback}
        answers = knock(lab.laptop, host.address, ports)
        still = doors(host)  # a worker that left in between answers nobody
        for port in ports.keys() & still.keys():
            assert_refused(answers[port], f"{host.name}:{port} ({ports[port].process})")
        tried[host.name] = {door.process for door in ports.values()}
    return tried
