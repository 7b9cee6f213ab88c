"""Slurm's commands: submit a job, list those that wait or run, end one, put one back."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from raysearch.errors import RaysearchError

__all__ = [
    "QueuedJob",
    "ask_to_end",
    "cancel",
    "queued",
    "requeue",
    "stop_jobs",
    "submit",
    "tell_steps",
]

MARK = "raysearch"
"""First word of a job's comment; then the digest of its command and the folder of its sweep."""
END = "USR2"
"""Signal at which a job ends in order and is not put back."""
NOTICE = "USR1"
"""Signal that Slurm sends before the time limit: the job ends in order and is put back."""
_PENDING = "PENDING"
STOP_SECONDS, LOOK_SECONDS = 300.0, 2.0
"""How long a job may take to save and end; between two looks."""


@dataclass(frozen=True, kw_only=True)
class QueuedJob:
    """A job of a sweep that waits or runs.

    Attributes:
        id: Slurm's number of it.
        base: The number that ``sbatch`` gave; several jobs of an array share it.
        state: Slurm's word, such as ``PENDING``.
        reason: Why it waits, in Slurm's words.
        command: Digest of the command.
        folder: Folder of the sweep.
    """

    id: str
    base: str
    state: str
    reason: str
    command: str
    folder: Path

    @property
    def waits(self) -> bool:
        """Whether it has yet to start."""
        return self.state == _PENDING


def submit(script: Path) -> str:
    """Submit a script; gives the job's number.

    Raises:
        RaysearchError: Slurm refuses it, and why.
    """
    return _slurm("sbatch", "--parsable", str(script)).strip().partition(";")[0]


def queued() -> list[QueuedJob]:
    """This user's jobs of sweeps, the latest first.

    Raises:
        RaysearchError: Slurm does not answer.
    """
    found = []
    for line in _slurm("squeue", "--me", "-h", "-r", "-o", "%A|%F|%T|%r|%k").splitlines():
        job, base, state, reason, comment = line.split("|", 4)
        mark, _, rest = comment.partition(" ")
        command, _, folder = rest.partition(" ")
        if mark == MARK and folder:
            found.append(
                QueuedJob(
                    id=job, base=base, state=state, reason=reason, command=command,
                    folder=Path(folder),
                )
            )  # fmt: skip
    return sorted(found, key=lambda job: (int(job.base), int(job.id)), reverse=True)


def ask_to_end(job: QueuedJob) -> None:
    """End a job in order: one that runs saves first.

    Raises:
        RaysearchError: Slurm refuses it.
    """
    if job.waits:
        cancel(job.id)
    else:
        _slurm("scancel", "--batch", f"--signal={END}", job.id)


def stop_jobs(job: str | None = None) -> tuple[str, bool]:
    """End the jobs of a sweep in order, and wait until none waits or runs.

    Args:
        job: A job's number; None for the sweep whose job was submitted last.

    Returns:
        The number that ``sbatch`` gave, and whether it was in the queue until now.

    Raises:
        RaysearchError: No sweep is in the queue, Slurm does not answer, or it did not end.
    """
    jobs = queued()
    base = next((item.base for item in jobs if job in (None, item.base, item.id)), job)
    if base is None:
        raise RaysearchError("a sweep must be in Slurm's queue to be stopped, but none is")
    ours = [item for item in jobs if item.base == base]
    for item in ours:
        ask_to_end(item)
    deadline = time.monotonic() + STOP_SECONDS
    while any(item.base == base for item in queued()):
        if time.monotonic() > deadline:
            raise RaysearchError(
                f"job {base} must end when it is asked to, but still runs; `scancel {base}` ends "
                "it without checkpoints"
            )
        time.sleep(LOOK_SECONDS)
    return base, bool(ours)


def cancel(job: str) -> None:
    """End a job.

    Raises:
        RaysearchError: Slurm refuses it.
    """
    _slurm("scancel", job)


def tell_steps(job: str, what: signal.Signals) -> None:
    """Send a signal to what ``srun`` has started in a job.

    Raises:
        RaysearchError: Slurm refuses it.
    """
    _slurm("scancel", f"--signal={what.name}", job)


def requeue(job: str) -> None:
    """Put a running job back into the queue, which ends it.

    Raises:
        RaysearchError: Slurm refuses it.
    """
    _slurm("scontrol", "requeue", job)


def _slurm(*words: str) -> str:
    try:
        done = subprocess.run(words, text=True, capture_output=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise RaysearchError(
            f"Slurm's `{words[0]}` must be found here, but is not; run this on a login node"
        ) from error
    if done.returncode:
        raise RaysearchError(f"`{shlex.join(words)}` must succeed, but said: {done.stderr.strip()}")
    return done.stdout
