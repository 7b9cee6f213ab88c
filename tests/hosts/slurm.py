"""A Slurm on the lab's hosts: the controller at the laptop, a slurmd on each host, munge on all."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from hosts.lab import LAPTOP, NETWORK, Host, Lab
from hosts.ray_cluster import ROOT

NOBODY = 65534
"""Another user."""
CONF = """\
ClusterName=lab
SlurmctldHost=laptop({controller})
AuthType=auth/munge
AuthInfo=socket=/run/munge/socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir=/run/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=5,bf_interval=5
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
ReturnToService=2
SlurmdTimeout=20
KillWait=20
{nodes}
PartitionName=lab Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES:2
"""
"""`cred_expire` is also how long a job that was put back waits."""


@dataclass
class Slurm:
    """A Slurm that is up.

    Attributes:
        lab: Its hosts; jobs are submitted from the laptop.
        folder: Of its configuration and logs.
        site: A Slurm file.
    """

    lab: Lab
    folder: Path
    site: Path
    daemons: dict[tuple[str, str], subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Of a login."""
        return {
            "SLURM_CONF": str(self.folder / "slurm.conf"), "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT), "RAYSEARCH_DATA": os.environ["RAYSEARCH_DATA"],
        }  # fmt: skip

    def run(self, *words: str, timeout: float = 500, home: Path | None = None) -> str:
        """Run a command at the laptop, from the root of the working tree.

        Args:
            words: The command.
            timeout: Seconds.
            home: That of another user than root, who runs it.
        """
        environment = self.environment
        if home is not None:
            words = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *words)
            environment |= {"HOME": str(home), "USER": "nobody"}
        script = f'cd {ROOT} && exec "$@"'
        return self.lab.laptop.run(
            "sh", "-c", script, "sh", *words, timeout=timeout, environment=environment
        )

    def raysearch(self, *words: str, home: Path | None = None) -> str:
        """Run a command of ours there."""
        return self.run(sys.executable, "-m", "raysearch", *words, home=home)

    def jobs(self) -> Mapping[str, str]:
        """The jobs that wait or run, and their states."""
        lines = self.run("squeue", "-h", "-r", "-o", "%A %T").splitlines()
        return dict(line.split() for line in lines)

    def begin(self, host: Host, *words: str) -> None:
        """Start a daemon on a host, in the foreground there; one that died before is buried."""
        if (before := self.daemons.get((host.name, Path(words[0]).name))) is not None:
            before.kill()
            before.wait()
        log = (self.folder / f"{host.name}-{Path(words[0]).name}.out").open("ab")
        self.daemons[host.name, Path(words[0]).name] = subprocess.Popen(
            host.command(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=host.environment(self.environment),
        )  # fmt: skip
        log.close()

    def begin_munged(self, host: Host) -> None:
        """What vouches for users, on every host."""
        self.begin(
            host, "munged", "-F", "--force", f"--key-file={self.folder / 'munge.key'}",
            "--socket=/run/munge/socket", "--pid-file=/run/munge/pid",
            "--log-file=/run/munge/log", "--seed-file=/run/munge/seed",
        )  # fmt: skip

    def begin_node(self, host: Host) -> None:
        """All of Slurm on a node, also after its processes were killed."""
        self.begin_munged(host)
        self.begin(host, "slurmd", "-D", "-N", host.name)

    def until(self, state: str, *, seconds: float = 120) -> None:
        """Until the nodes are all in this state, such as ``idle``."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.run("sinfo", "-h", "-N", "-o", "%T").split()
            if set(found) == {state}:
                return
            assert time.monotonic() < deadline, found
            time.sleep(0.5)


@contextmanager
def slurm(lab: Lab, folder: Path, *, cpus: int = 1, **site: object) -> Iterator[Slurm]:
    """A Slurm for the length of the block; the hosts end with the lab, and these with them.

    Args:
        lab: Its hosts.
        folder: An empty folder that all hosts see.
        cpus: Of each node.
        site: Of the Slurm file, beside a partition that has all nodes.
    """
    folder.mkdir()
    (folder / "state").mkdir()
    nodes = "\n".join(
        f"NodeName={host.name} NodeAddr={host.address} CPUs={cpus} State=UNKNOWN"
        for host in lab.hosts
    )
    text = CONF.format(folder=folder, nodes=nodes, controller=f"{NETWORK}.{LAPTOP}")
    (folder / "slurm.conf").write_text(text)
    partition = {"name": "lab", "nodes": len(lab.hosts), "cpus": cpus, "time": "30m"}
    partition |= site.pop("partition", {})  # type: ignore[operator, arg-type]
    manifest = folder / "slurm.yaml"
    manifest.write_text(yaml.safe_dump({"partitions": [partition], **site}))
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    made, token = Slurm(lab, folder, manifest), secrets.token_hex(32)
    with ExitStack() as stack:
        stack.callback(_end, made)
        for host in (lab.laptop, *lab.hosts):
            host.run(
                "sh", "-c", f"umask 022; mkdir -p /run/munge; umask 077; mkdir -p ~/.ray && "
                f"echo -n {token} > ~/.ray/auth_token",
            )  # fmt: skip
        made.begin_munged(lab.laptop)
        made.begin(lab.laptop, "slurmctld", "-D")
        for host in lab.hosts:
            made.begin_node(host)
        _wait_for_controller(made)
        made.until("idle")
        yield made


def _wait_for_controller(made: Slurm) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            made.run("scontrol", "ping", timeout=20)
            return
        except (AssertionError, subprocess.TimeoutExpired):
            assert time.monotonic() < deadline, (made.folder / "laptop-slurmctld.out").read_text()
            time.sleep(0.5)


def _end(made: Slurm) -> None:
    for process in made.daemons.values():
        process.send_signal(signal.SIGKILL)
        process.wait()
