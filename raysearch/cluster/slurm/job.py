"""What a job of Slurm runs: ``python -m raysearch.cluster.slurm.job FOLDER METHOD OPTIONS``.

The first job of a sweep leads: it starts Ray on its nodes and drives the sweep. Any other lends its
nodes to that Ray; when the leader is gone, one of the others leads. `FOLDER` is the sweep's and
lies on a file system that all nodes share: ``RESULTS/NAME``.

Before the time limit Slurm sends SIGUSR1 (``--signal=B:USR1@300``): the trials write checkpoints,
the sweep ends in order, and the job goes back into the queue. SIGUSR2 ends it likewise, for good.
With SIGTERM (``scancel``, preemption) Slurm tells every process itself.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from raysearch.cluster.preemption import GRACE_SECONDS
from raysearch.cluster.ray_session import SHUT
from raysearch.cluster.remote.launch import read_token
from raysearch.cluster.slurm import queue
from raysearch.cluster.slurm.node import RayNode, deaf, ray_node
from raysearch.cluster.slurm.session import FOLDER, open_session
from raysearch.errors import ConfigError, RaysearchError
from raysearch.storage import write_files
from raysearch.storage.locks import HeldError, hold_folder

__all__ = ["main"]

_LOCK, _RAY = "leader.lock", "ray.json"
_LOOK_SECONDS, _END_SECONDS, _PAUSE_SECONDS = 0.5, 20.0, 10.0
_INTERRUPTED = 130
"""Exit code of a sweep that was ended in order."""
_FINAL = (0, 2)
"""Exit codes of a sweep that has ended by itself, well or with an error."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """This job.

    Attributes:
        id: Its number.
        base: The number that ``sbatch`` gave.
        nodes: How many it has.
        cpus: CPUs of each; empty for Slurm's own.
    """

    id: str
    base: str
    nodes: int
    cpus: str

    @classmethod
    def here(cls) -> Job:
        """From the environment.

        Raises:
            ConfigError: This is no job of Slurm.
        """
        there = os.environ
        if "SLURM_JOB_ID" not in there:
            raise ConfigError(
                "this must run in a job of Slurm, but SLURM_JOB_ID is not set: sbatch the script"
            )
        return cls(
            id=there["SLURM_JOB_ID"],
            base=there.get("SLURM_ARRAY_JOB_ID", there["SLURM_JOB_ID"]),
            nodes=int(there.get("SLURM_JOB_NUM_NODES", "1")),
            cpus=there.get("SLURM_CPUS_PER_TASK", ""),
        )


class Notice:
    """The signals that end this job; from now on they are noted."""

    def __init__(self) -> None:
        self.given: signal.Signals | None = None
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.given = self.given or signal.Signals(number)

    @property
    def to_pass_on(self) -> bool:
        """Whether the trials have to be told; with SIGTERM they have been."""
        return self.given in (signal.SIGUSR1, signal.SIGUSR2)

    @property
    def comes_back(self) -> bool:
        """Whether the job is to be put back."""
        return self.given is signal.SIGUSR1


def main(folder: Path, words: Sequence[str]) -> int:
    """Lead the sweep, or lend nodes to it, until it has ended or this job must.

    Raises:
        RaysearchError: There is no token, or Ray does not start.
    """
    job, notice = Job.here(), Notice()
    read_token()
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            with hold_folder(place, _LOCK):
                code = _lead(folder, words, job, notice)
        except HeldError:
            _lend(place / _RAY, job, notice)
            if notice.given is None:
                time.sleep(_LOOK_SECONDS)
                continue
            code = _INTERRUPTED
        if notice.comes_back and code not in _FINAL:
            queue.requeue(job.id)
            time.sleep(GRACE_SECONDS)  # Slurm ends this process meanwhile
        elif code in _FINAL:
            _end_the_others(job)
        return code


def _lead(folder: Path, words: Sequence[str], job: Job, notice: Notice) -> int:
    """Start Ray and drive the sweep; gives the driver's exit code."""
    meeting = folder / FOLDER / _RAY
    try:
        with ray_node() as head, _lent(head.address, job, skip=1):
            content = json.dumps({"address": head.address, "job": job.id}) + "\n"
            write_files(meeting.parent, {_RAY: content.encode()})
            with open_session(folder, job.base) as (session, output):
                command = [sys.executable, "-m", "raysearch", "sweep", *words]
                command += ["--address", head.address, "--format", "json"]
                driver = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    env={**os.environ, **SHUT}, preexec_fn=deaf,
                )  # fmt: skip
                code = _driven(driver, head, job, notice)
                session.ended(code)
            return code
    finally:
        meeting.unlink(missing_ok=True)


def _driven(driver: subprocess.Popen[bytes], head: RayNode, job: Job, notice: Notice) -> int:
    """Wait for the driver; pass a notice on to it and to the workers of its trials.

    Of Slurm's SIGTERMs, which may be several, the driver gets none: the second would kill it.
    Where Ray is gone the driver would wait for it for ever, and is ended.
    """
    while driver.poll() is None and notice.given is None and head.process.poll() is None:
        time.sleep(_LOOK_SECONDS)
    if driver.poll() is None and notice.given is None:
        sys.stderr.write(
            "raysearch: Ray must run as long as its sweep, but has ended by itself on "
            f"{socket.gethostname()}; the same command continues the sweep\n"
        )
        driver.kill()
    elif driver.poll() is None:
        driver.send_signal(signal.SIGINT)
    if notice.to_pass_on:
        head.tell()
        with suppress(RaysearchError):
            queue.tell_steps(job.id, signal.SIGTERM)
    return driver.wait()


@contextmanager
def _lent(address: str, job: Job, *, skip: int = 0) -> Iterator[subprocess.Popen[bytes] | None]:
    """The nodes of this job, without the first `skip`, as nodes of a Ray, inside the block."""
    number = job.nodes - skip
    if not number:
        yield None
        return
    words = ["srun", f"--nodes={number}", f"--ntasks={number}", "--ntasks-per-node=1"]
    words += [f"--relative={skip}", "--kill-on-bad-exit=0"]
    words += [f"--cpus-per-task={job.cpus}"] if job.cpus else []
    words += [sys.executable, "-m", "raysearch.cluster.slurm.node", address]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        _end_step(process, job)


def _end_step(step: subprocess.Popen[bytes], job: Job) -> None:
    """Let the nodes of a step leave; what does not is killed by Slurm when srun ends."""
    with suppress(RaysearchError, subprocess.TimeoutExpired):
        if step.poll() is None:
            queue.tell_steps(job.id, signal.SIGINT)
            step.wait(_END_SECONDS)
    step.terminate()
    step.wait()


def _lend(meeting: Path, job: Job, notice: Notice) -> None:
    """Lend this job's nodes to the leader's Ray, until that is gone or this job must go."""
    content = _read(meeting)
    if not content:
        return
    with _lent(json.loads(content)["address"], job) as step:
        assert step
        while step.poll() is None and notice.given is None and _read(meeting) == content:
            time.sleep(_LOOK_SECONDS)
        until = time.monotonic() + _PAUSE_SECONDS  # if the step failed, the next may, too
        while notice.given is None and _read(meeting) == content and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        if notice.to_pass_on:
            with suppress(RaysearchError):
                queue.tell_steps(job.id, signal.SIGTERM)
        if notice.given:
            with suppress(subprocess.TimeoutExpired):
                step.wait(2 * GRACE_SECONDS)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _end_the_others(job: Job) -> None:
    """End the rest of the array: the sweep has ended, and they would find nothing to do."""
    with suppress(RaysearchError):
        for other in queue.queued():
            if other.base == job.base and other.id != job.id:
                queue.ask_to_end(other)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python -m raysearch.cluster.slurm.job FOLDER METHOD OPTIONS")
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
    except RaysearchError as error:
        sys.exit(f"raysearch: {error}")
