"""A sweep on one machine, two workers a trial: what do a stranger and another user get of it?"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest
from hosts.doors import assert_refused, doors, knock
from hosts.knock import OWNED
from hosts.lab import Host, lab
from hosts.ray_cluster import ROOT
from hosts.sweeps import Begun, alone, begun_on, rows, write_space

from raysearch.leaderboard import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.hosts,
]
WORKERS = 2
FIND_TOKEN = """
import pathlib, re, sys
tokens = set()
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        tokens |= set(re.findall(rb"RAY_AUTH_TOKEN=([^\\0]*)", (process / "environ").read_bytes()))
    except OSError:
        pass
(token,) = tokens
assert len(token) == 64, token
places = [*map(pathlib.Path, sys.argv[1:]), *pathlib.Path("/proc").glob("[0-9]*/cmdline")]
for place in places:
    for path in [place, *place.rglob("*")] if place.is_dir() else [place]:
        try:
            assert not path.is_file() or token not in path.read_bytes(), path
        except OSError:
            pass
print("one token, in no file")
"""


def test_strangers_and_other_users_are_shut_out_in_mid_sweep(tmp_path: Path) -> None:
    """And the sweep goes on: its trials end while they knock."""
    space, results = write_space(tmp_path, "carl", trials=1000), tmp_path / "results"
    words = alone(space, results, "--workers-per-trial", str(WORKERS))
    with lab(tmp_path, ["machine"]) as made:
        (machine,) = made.hosts
        for host in (made.laptop, machine):
            host.run("ln", "-s", sys.prefix, "/root/venv")
        machine.run("sh", "-c", "mkdir -m 700 /tmp/ray && chown 65534 /tmp/ray")  # another user's
        with begun_on(machine, tmp_path, words, {"PYTHONPATH": str(ROOT)}) as sweep:
            wait_for_rows(results / "carl", sweep, 1)
            nothing_but_refusals_on_loopback(machine, made.laptop)
            one_token_in_no_file(machine, results)
            private_files(machine)
            wait_for_rows(results / "carl", sweep, 1 + len(Store(results / "carl").trials()))
            assert sweep.end(signal.SIGINT) == 130, sweep.said
        assert set(rows(results, "carl")["state"]) == {"complete"}, sweep.said
        left = machine.run("ls", "-A", "/tmp", "/dev/shm").split()
        of_ray = [name for name in left if name.startswith(("ray-", "plasma", "group"))]
        assert of_ray == [] and "ray" in left  # which is another user's
        assert machine.run("ls", "-A", "/tmp/ray") == ""


def wait_for_rows(folder: Path, sweep: Begun, number: int) -> None:
    """Until so many trials are done; others are then under way."""
    deadline = time.monotonic() + 300
    while not folder.is_dir() or len(Store(folder).trials()) < number:
        if sweep.process.poll() is not None:
            raise AssertionError(f"it ended:\n{sweep.process.communicate()[0]}")
        if time.monotonic() > deadline:
            sweep.end(signal.SIGKILL)
            raise AssertionError(f"no trial was done:\n{sweep.said}")
        time.sleep(0.2)


def nothing_but_refusals_on_loopback(machine: Host, laptop: Host) -> None:
    """No port on the network, and on loopback a token at each; but for gloo, which knows none."""
    there = doors(machine)
    assert not {port: door for port, door in there.items() if not door.loopback}
    assert not any(knock(laptop, machine.address, there).values())
    answers = knock(machine, "127.0.0.1", there)
    assert "POST /api/job_agent/jobs/ with no token: refused" in answers[52365]
    machine.run("test", "!", "-e", OWNED)
    gloo = [
        port for port, door in there.items() if "RayTrain" in door.process and not answers[port]
    ]
    assert len(gloo) == WORKERS
    still = doors(machine)
    for port in there.keys() & still.keys() - set(gloo):
        assert_refused(answers[port], f"{port} ({there[port].process})")
    tried = {door.process for door in there.values()}
    assert {
        "gcs_server",
        "raylet",
        "ray::Dispatcher",
        "ray::DashboardA",
        "ray::RuntimeEnv",
    } <= tried


def one_token_in_no_file(machine: Host, results: Path) -> None:
    places = ["/tmp", "/root/.ray", "/dev/shm", str(results)]
    machine.run("/root/venv/bin/python", "-c", FIND_TOKEN, *places)


def private_files(machine: Host) -> None:
    """Another user enters none of Ray's folders, and finds nothing in the shared memory."""
    (folder,) = machine.run("sh", "-c", "ls -d /tmp/ray-*").split()
    assert machine.run("stat", "-c", "%a", folder) == "700\n"
    stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with pytest.raises(AssertionError, match="Permission denied"):
        machine.run(*stranger, "ls", f"{folder}/r")
    assert machine.run("find", "/dev/shm", "-type", "f", "-perm", "/077") == ""
