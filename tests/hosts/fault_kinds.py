"""The faults of hosts: how each is brought about in a running sweep, and what is done after it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hosts.faults import DRIVER, Met, Run, running
from hosts.lab import Host

Act = Callable[[Run, Host], object]
CLOCK = "/root/clock"
"""File of a host with the seconds that its wall clock is ahead, where `clock.c` is preloaded."""

DISK = "/tmp/ray"
"""Folder of a host with Ray's session, on a disk of its own."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault.

    Attributes:
        what: What happens, for the table.
        strike: Brings it about, with what a user does at once; given the run, and a worker host
            that trains.
        mend: Undoes it after the sweep has got over it.
        everywhere: Whether it meets all trials that run, or only those of the host.
        replaced: Whether other workers must take them over.
    """

    what: str
    strike: Act
    mend: Act = lambda run, host: None
    everywhere: bool = False
    replaced: bool = True


def endure(run: Run, fault: Fault) -> Met:
    """Wait for mid-trial, strike, and wait until every trial that was met goes on."""
    step = run.wait_for_mid_trial()
    host = next(host for host in run.cluster.lab.hosts if host.name == step.host)
    last = tuple(running(run.steps(), "" if fault.everywhere else host.name))
    met = Met(at=time.monotonic(), last=last, replaced=fault.replaced)
    fault.strike(run, host)
    run.wait_for_recovery(met)
    fault.mend(run, host)
    return met


def processes(host: Host, mark: str) -> list[int]:
    """The machine's numbers of a host's processes whose command line has this in it."""
    space = os.readlink(f"/proc/{host.pid}/ns/pid")
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == host.pid:
            continue
        try:
            if os.readlink(entry / "ns" / "pid") == space:
                line = (entry / "cmdline").read_text().replace("\0", " ")
                found += [int(entry.name)] if mark in line else []
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended, or is none of ours
    return found


def kill(host: Host, *marks: str) -> None:
    """SIGKILL to the host's processes with one of these marks; there must be one."""
    found = [pid for mark in marks for pid in processes(host, mark)]
    assert found, f"no {marks} on {host.name}: {host.processes()}"
    for pid in found:
        with suppress(ProcessLookupError):  # it ended with one of the others
            os.kill(pid, signal.SIGKILL)


def kill_the_driver(run: Run, host: Host) -> None:
    """And the same command again."""
    kill(run.cluster.lab.hosts[0], DRIVER.name)
    run.start()


def kill_the_head(run: Run, host: Host) -> None:
    """All of Ray on the head; the driver ends by itself; up, and the same command again."""
    cluster = run.cluster
    kill(cluster.lab.hosts[0], "/ray/", "ray::")
    cluster.bring_up()
    assert run.driver
    run.driver.wait(timeout=180)
    run.start()


def fill_the_disk(run: Run, host: Host) -> None:
    """The disk with Ray's session, which is a small one; then a worker dies."""
    host.run("sh", "-c", f"cat /dev/zero > {DISK}/full || true")
    kill(host, "RayTrainWorker")


def free_the_disk(run: Run, host: Host) -> None:
    host.run("rm", f"{DISK}/full")


def fill_the_storage(run: Run, host: Host) -> None:
    """The folder of checkpoints and rows; the sweep ends, and once there is room it goes on."""
    full = run.storage / "full"
    host.run("sh", "-c", f"cat /dev/zero > {full} || true")
    assert run.driver
    _, errors = run.driver.communicate(timeout=300)
    assert "a checkpoint must be writable" in errors, errors
    full.unlink()
    run.start()


def set_clock(seconds: int) -> Act:
    """The host's wall clock jumps by so many seconds against the true one."""
    return lambda run, host: host.run("sh", "-c", f"echo {seconds} > {CLOCK}")


FAULTS: dict[str, Fault] = {
    "worker": Fault(
        what="SIGKILL to a slot's worker", strike=lambda run, host: kill(host, "RayTrainWorker")
    ),
    "raylet": Fault(
        what="SIGKILL to a host's raylet", strike=lambda run, host: kill(host, "raylet/raylet")
    ),
    "link": Fault(
        what="a host's link is cut",
        strike=lambda run, host: host.link("down"),
        mend=lambda run, host: host.link("up"),
    ),
    "driver": Fault(
        what="SIGKILL to the driver, the command again", strike=kill_the_driver, everywhere=True
    ),
    "head": Fault(
        what="SIGKILL to all of Ray on the head, up, the command again",
        strike=kill_the_head,
        everywhere=True,
    ),
    "disk": Fault(
        what="a host's disk is full, and a worker of its dies",
        strike=fill_the_disk,
        mend=free_the_disk,
    ),
    "storage": Fault(
        what="the storage is full, then freed, the command again",
        strike=fill_the_storage,
        everywhere=True,
    ),
    "behind": Fault(
        what="a host's clock jumps by -1 h",
        strike=set_clock(-3600),
        mend=set_clock(0),
        replaced=False,
    ),
    # The last: to mend it sets a clock back, and then Ray's raylet starts no worker for an hour.
    "ahead": Fault(
        what="a host's clock jumps by +1 h",
        strike=set_clock(3600),
        mend=set_clock(0),
        replaced=False,
    ),
}
