"""Ray on one node of a job: on ports that are free, with a folder and a token of the user's own.

As a module it lends the node it runs on, one task of ``srun`` for each, to the head at an address.

Several jobs, also of different users, may share a node: no port is Ray's default, and the folder is
new and private. Ray's processes start with SIGTERM blocked, since Slurm sends it to every process
of a job, and a raylet that heeds it ends its workers before they have saved.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray._private.services import psutil
from ray.util import get_node_ip_address

from raysearch.cluster.preemption import GRACE_SECONDS, drain
from raysearch.cluster.ray_session import PATIENCE_SECONDS, PATIENT, SHUT, TRIES
from raysearch.cluster.remote.launch import free_port
from raysearch.cluster.session_folder import session_folder
from raysearch.cores import usable_cores
from raysearch.errors import RaysearchError

__all__ = ["RayNode", "deaf", "lend", "ray_node"]

_UP = "Ray runtime started"
_LOOK_SECONDS = 0.2
_OBJECT_STORE = 200_000_000
"""Bytes; a sweep puts little in it, and the node's memory is not this job's alone."""


@dataclass(frozen=True)
class RayNode:
    """A node of Ray that this process has started.

    Attributes:
        address: ``HOST:PORT`` of its head.
        process: ``ray start --block``, the parent of all its processes.
    """

    address: str
    process: subprocess.Popen[bytes]

    @property
    def id(self) -> str:
        """Ray's id of the node; empty when its raylet is gone."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                for word in process.cmdline():
                    if word.startswith("--node_id="):
                        return str(word).partition("=")[2]
        return ""

    def processes(self) -> list[Any]:
        """Its processes below the first."""
        with suppress(psutil.NoSuchProcess):
            found: list[Any] = psutil.Process(self.process.pid).children(recursive=True)
            return found
        return []

    def tell(self) -> None:
        """Give notice to the workers of trials on it; the others have SIGTERM blocked."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.terminate()

    def end(self) -> None:
        """End all its processes."""
        below = self.processes()
        self.process.kill()
        for process in below:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


@contextmanager
def ray_node(head: str | None = None) -> Iterator[RayNode]:
    """A node of Ray for the length of the block, with the CPUs and GPUs of the job.

    Args:
        head: Address of the head to join; None to be one.

    Raises:
        RaysearchError: It does not start; with the end of what Ray said.
    """
    with session_folder() as folder:
        node = _started(folder, head)
        try:
            yield node
        finally:
            node.end()


def _started(folder: Path, head: str | None) -> RayNode:
    log = folder / "start.log"
    for _ in range(TRIES):  # another process may take a port that was free a moment ago
        node = _start(folder, head, log)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while node.process.poll() is None and time.monotonic() < deadline:
            if _UP in log.read_text(errors="replace"):
                return node
            time.sleep(_LOOK_SECONDS)
        node.end()
    said = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise RaysearchError(f"Ray must start on {socket.gethostname()}, but said:\n{said}")


def _start(folder: Path, head: str | None, log: Path) -> RayNode:
    here = own_address()
    port = free_port()
    words = ["--block", "--disable-usage-stats", f"--node-ip-address={here}"]
    words += [f"--temp-dir={folder}", f"--object-store-memory={_OBJECT_STORE}"]
    words += [f"--num-cpus={usable_cores()}", f"--num-gpus={_gpus()}"]
    words += [f"--dashboard-agent-listen-port={free_port()}"]
    words += ["--min-worker-port=0", "--max-worker-port=0"]
    words += ["--include-log-monitor=false"]  # the driver does not show the workers' logs
    if head is None:
        # Slurm has the nodes, and Ray's autoscaler none to add.
        words += ["--head", f"--port={port}", "--include-dashboard=false", "--no-monitor"]
    else:
        words.append(f"--address={head}")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "raysearch.cluster.slurm.ray_start", "start", *words],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, **PATIENT, **SHUT}, preexec_fn=deaf,
        )  # fmt: skip
    return RayNode(head or f"{here}:{port}", process)


def deaf() -> None:
    """Block SIGTERM, between fork and exec."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _gpus() -> int:
    return int(os.environ.get("SLURM_GPUS_ON_NODE") or 0)


def own_address() -> str:
    """This node's address in the cluster's network.

    It is that from which the host is reached where ``sbatch`` was called. Ray's own way asks for
    the route to the internet, which a node may lack, or for the host name, which Debian resolves
    to 127.0.1.1.
    """
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((os.environ.get("SLURM_SUBMIT_HOST", ""), 9))  # sends nothing
        address: str = probe.getsockname()[0]
        if not address.startswith("127."):
            return address
    return str(get_node_ip_address())


def lend(head: str) -> None:
    """Join a head until it is gone; at SIGTERM, let the workers here save, and leave.

    Raises:
        RaysearchError: The head cannot be joined.
    """
    noticed: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: noticed.append(number))
    with ray_node(head) as node:
        while node.process.poll() is None and not noticed:
            time.sleep(_LOOK_SECONDS)
        if noticed:
            drain(head, GRACE_SECONDS, "slurm", "--node-id", node.id)
            node.tell()
            time.sleep(GRACE_SECONDS)


if __name__ == "__main__":
    os.environ.update(SHUT)
    try:
        lend(sys.argv[1])
    except KeyboardInterrupt:  # the leader has ended
        sys.exit(0)
    except RaysearchError as error:
        sys.exit(f"raysearch: {error}")
