"""Several hosts on one machine: namespaces with an address, a PID 1, a home and an sshd each.

`ray stop` ends every Ray process that it can see, so a host has a PID namespace: it sees its
own. The first host is the laptop: it holds the bridge that joins them and runs the launcher.
All hosts see the machine's files, as hosts that share NFS do, but have a home, a /tmp and a
/dev/shm of their own; the lab's folder, the working tree and the environment are seen by all,
in /tmp as well. `missing` says what else it takes.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

NETWORK = "10.77.0"
LAPTOP = 254
"""Last part of the laptop's address; it is every host's default route, which leads nowhere."""

LOGIN = {
    "HOME": "/root",
    "USER": "root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}


@dataclass(frozen=True)
class Host:
    """A running host.

    Attributes:
        name: Its host name.
        address: Its address on the bridge.
        pid: Its process 1, as the machine numbers it.
    """

    name: str
    address: str
    pid: int

    def command(self, *words: str) -> list[str]:
        """A command of the machine that runs these words on the host."""
        return ["nsenter", "--target", str(self.pid), "--all", "--wdns=/root", *words]

    def run(
        self, *words: str, timeout: float = 300, environment: Mapping[str, str] | None = None
    ) -> str:
        """Run a command on the host, as if typed at it, and give what it wrote to stdout.

        Raises:
            AssertionError: It failed; with all that it wrote.
        """
        done = subprocess.run(
            self.command(*words), text=True, timeout=timeout, stdin=subprocess.DEVNULL,
            capture_output=True, env=self.environment(environment),
        )  # fmt: skip
        assert done.returncode == 0, f"{words} on {self.name}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a login on the host: nothing of the machine's but the path."""
        return {**LOGIN, **(more or {})}

    def processes(self) -> list[str]:
        """The command lines that run on the host, without that which asks."""
        lines = self.run("ps", "-eo", "args", "--no-headers").splitlines()
        return [line for line in lines if not line.startswith("ps -eo")]

    def link(self, state: str) -> None:
        """Plug the host's cable in (``up``) or out (``down``); its end at the host."""
        self.run("ip", "link", "set", "eth0", state)
        if state == "up":
            self.run("ip", "route", "replace", "default", "via", f"{NETWORK}.{LAPTOP}")


@dataclass(frozen=True)
class Lab:
    """Hosts that reach one another.

    Attributes:
        laptop: Where the launcher runs; no part of a cluster.
        hosts: The others, in the order of their names.
        key: The private key with which each host lets root in.
    """

    laptop: Host
    hosts: tuple[Host, ...]
    key: Path


_PACKAGES = {
    "ip": "iproute2",
    "munged": "munge",
    "nsenter": "util-linux",
    "rsync": "rsync",
    "slurmctld": "slurm-wlm",
    "ssh": "openssh-client",
    "/usr/sbin/sshd": "openssh-server",
}


_UNSHARE = (
    *("unshare", "--pid", "--mount", "--net", "--uts", "--ipc", "--fork", "--mount-proc"),
    "--kill-child",
)


@functools.cache
def missing() -> tuple[str, ...]:
    """What this machine lacks to make hosts: packages, as Debian names them, and rights."""
    absent = sorted(package for tool, package in _PACKAGES.items() if not shutil.which(tool))
    if os.geteuid() != 0:
        absent.append("root")
    if not absent and subprocess.run([*_UNSHARE, "true"], capture_output=True).returncode:
        absent.append("the right to make namespaces (CAP_SYS_ADMIN)")
    return tuple(absent)


@contextmanager
def lab(folder: Path, names: Sequence[str]) -> Iterator[Lab]:
    """Hosts for the length of the block; when it ends, every process on them is gone.

    Args:
        folder: An empty folder of the machine for their files; ``FOLDER/NAME/tmp`` is the
            /tmp of a host, with Ray's logs.
        names: Their host names; the addresses are 10.77.0.1, 10.77.0.2, ...
    """
    addresses = {name: f"{NETWORK}.{place}" for place, name in enumerate(names, start=1)}
    addresses["laptop"] = f"{NETWORK}.{LAPTOP}"
    known = "".join(f"{address} {name}\n" for name, address in addresses.items())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{known}")
    for key in ("key", "host_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(command, check=True)
    with ExitStack() as stack:
        laptop = stack.enter_context(_host("laptop", addresses["laptop"], folder))
        _ip(laptop, "link", "add", "eth0", "type", "bridge")
        _ip(laptop, "address", "add", f"{laptop.address}/24", "dev", "eth0")
        _ip(laptop, "link", "set", "eth0", "up")
        hosts = []
        for name in names:
            host = stack.enter_context(_host(name, addresses[name], folder))
            _plug(laptop, host)
            hosts.append(host)
        yield Lab(laptop, tuple(hosts), folder / "key")


@contextmanager
def _host(name: str, address: str, folder: Path) -> Iterator[Host]:
    script = Path(__file__).with_name("init.py")
    seen = (str(path) for path in (script.parents[2], sys.prefix))
    process = subprocess.Popen(
        [*_UNSHARE, sys.executable, str(script), name, str(folder), *seen],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=LOGIN,
    )  # fmt: skip
    assert process.stdout and process.stdin
    try:
        assert process.stdout.readline() == "up\n", f"{name} does not come up"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Host(name, address, int(children[0]))
    finally:
        process.kill()  # and with it process 1, and with that all that runs on the host
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _plug(laptop: Host, host: Host) -> None:
    port = f"to-{host.name}"[:15]
    peer = ["peer", "name", "eth0", "netns", str(host.pid)]
    _ip(laptop, "link", "add", port, "type", "veth", *peer)
    _ip(laptop, "link", "set", port, "master", "eth0", "up")
    _ip(host, "address", "add", f"{host.address}/24", "dev", "eth0")
    _ip(host, "link", "set", "eth0", "up")
    _ip(host, "route", "add", "default", "via", laptop.address)


def _ip(host: Host, *words: str) -> None:
    """Only into its network: the numbers of processes stay those of the machine."""
    subprocess.run(["nsenter", "--target", str(host.pid), "--net", "ip", *words], check=True)
