"""What jobs leave of their sweep in its folder: where Ray is, and the events of each session.

A sweep that goes over several jobs, or several starts of one, has a session in each: one driver,
whose output is in ``FOLDER/slurm/NNNN-JOB.jsonl``. Its exit code follows in ``NNNN-JOB.exit``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from raysearch.cluster.remote.launch import PATIENCE_SECONDS
from raysearch.cluster.slurm.queue import QueuedJob, queued
from raysearch.errors import RaysearchError
from raysearch.storage import write_files

__all__ = ["FOLDER", "Session", "follow", "latest", "open_session", "sessions"]

FOLDER = "slurm"
"""Folder of these files, in the sweep's."""
_EVENTS, _EXIT = ".jsonl", ".exit"
LOOK_SECONDS = 0.5
ASK_SECONDS = 5.0
"""Seconds between two questions to Slurm, which many users ask."""


@dataclass(frozen=True)
class Session:
    """One driver's output.

    Attributes:
        events: Its file.
    """

    events: Path

    @property
    def job(self) -> str:
        """The number that ``sbatch`` gave."""
        return self.events.stem.partition("-")[2]

    @property
    def code(self) -> int | None:
        """The driver's exit code; None while it runs, and when it was killed with its job."""
        try:
            return int(self.events.with_suffix(_EXIT).read_text())
        except (OSError, ValueError):
            return None

    def ended(self, code: int) -> None:
        """Record the driver's exit code."""
        write_files(self.events.parent, {self.events.stem + _EXIT: f"{code}\n".encode()})


def sessions(folder: Path) -> list[Session]:
    """The sessions of a sweep, in their order."""
    return [Session(path) for path in sorted((folder / FOLDER).glob(f"*-*{_EVENTS}"))]


@contextmanager
def open_session(folder: Path, job: str) -> Iterator[tuple[Session, IO[bytes]]]:
    """A new session and its file, for writing; the caller alone adds sessions to the folder."""
    before = sessions(folder)
    number = 1 + (int(before[-1].events.stem.partition("-")[0]) if before else 0)
    path = folder / FOLDER / f"{number:04}-{job}{_EVENTS}"
    with path.open("xb") as file:
        yield Session(path), file


def latest(results: Path, job: str | None = None) -> tuple[str, Path]:
    """The sweep whose job was submitted last, or that of a job.

    Args:
        results: The folder that holds a folder for each sweep; tells of jobs that have ended.
        job: Its number.

    Returns:
        The number that ``sbatch`` gave, and the sweep's folder.

    Raises:
        RaysearchError: There is none, or Slurm does not answer.
    """
    for item in queued():
        if job in (None, item.base, item.id):
            return item.base, item.folder
    ended = [item for folder in results.glob(f"*/{FOLDER}") for item in sessions(folder.parent)]
    found = [item for item in ended if job in (None, item.job)]
    if not found:
        which = "one" if job is None else f"job {job}"
        raise RaysearchError(
            f"a sweep must be in Slurm's queue or have left its output in {results}, but {which} "
            f"is not there"
        )
    newest = max(found, key=lambda item: item.events.stat().st_mtime)
    return newest.job, newest.events.parent.parent


def follow(
    folder: Path,
    job: str,
    take: Callable[[Session, str], object],
    tell: Callable[[str], object],
) -> int | None:
    """Pass on the lines of a job's sessions until none of its jobs waits or runs.

    Args:
        folder: The sweep's folder.
        job: The number that ``sbatch`` gave.
        take: Called with each line without its end, and the session that it is of.
        tell: Called with a sentence when the job begins to wait.

    Returns:
        The exit code of the last session; None if that was killed, or there was none.

    Raises:
        RaysearchError: Slurm has not answered for two minutes.
    """
    reader = _Reader(folder, job, take)
    asked, told, answered = 0.0, "", time.monotonic()
    jobs: list[QueuedJob] = []
    while True:
        if time.monotonic() - asked >= ASK_SECONDS:
            asked = time.monotonic()
            try:
                jobs, answered = [item for item in queued() if item.base == job], asked
            except RaysearchError:
                if asked - answered > PATIENCE_SECONDS:
                    raise
            over = answered == asked and not jobs
            reader.read()
            if over:
                return reader.code
            why = jobs[0].reason if jobs and all(item.waits for item in jobs) else told
            if why not in (told, "None"):  # not yet looked at
                told = why
                tell(f"{job} waits in Slurm's queue: {told}")
        else:
            reader.read()
        time.sleep(LOOK_SECONDS)


class _Reader:
    """Reads a job's sessions, each from its start."""

    def __init__(self, folder: Path, job: str, take: Callable[[Session, str], object]) -> None:
        self._folder, self._job, self._take = folder, job, take
        self._session: Session | None = None
        self._at, self._rest = 0, b""

    def read(self) -> None:
        """Pass on what is new; the last session when this begins, then each that follows."""
        ours = [item for item in sessions(self._folder) if item.job == self._job]
        if self._session is None:
            ours = ours[-1:]
        for session in ours:
            if self._session is None or session.events.name >= self._session.events.name:
                self._read(session)

    def _read(self, session: Session) -> None:
        if session != self._session:
            self._session, self._at, self._rest = session, 0, b""
        with session.events.open("rb") as file:
            file.seek(self._at)
            text = file.read()
        self._at += len(text)
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            self._take(session, line.decode(errors="replace"))

    @property
    def code(self) -> int | None:
        """The last session's exit code."""
        return None if self._session is None else self._session.code
