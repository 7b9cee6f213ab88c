"""A sweep as a job of a cluster: submit, find, follow, stop.

Uses Ray's job submission SDK. A job outlives the connection that started it, and anybody with
the cluster file and the token can watch it.
"""

from __future__ import annotations

import asyncio
import hashlib
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from raysearch.cluster.remote.launch import PATIENCE_SECONDS, NoAnswerError, connect
from raysearch.cluster.remote.manifest import TREE
from raysearch.errors import ConfigError, RaysearchError
from raysearch.training.origin import package_digest
from raysearch.version import PACKAGE

__all__ = [
    "any_running",
    "command_digest",
    "follow",
    "latest_sweep",
    "other_command",
    "running_sweep",
    "stop",
    "submit",
]

MARK = "raysearch"
"""Metadata key of a job that is a sweep of ours: its name."""
COMMAND = "raysearch-command"
"""Metadata key that identifies a command with its search space."""
END = "# raysearch: so far what was started"
"""Shell comment at the end of a sweep's entry point, which Ray prints in full."""
_START = "mkdir -p ~/spaces"
_PYTHON = "~/venv/bin/python"
LOOK_SECONDS = 2.0
"""Seconds between two looks at a job that must end, or at a head that does not answer."""


def submit(
    client: Any, name: str, words: Sequence[str], space: str, *, same_code: bool = False
) -> str:
    """Start a sweep on the head as a detached job.

    Args:
        client: From `connect`.
        name: The sweep's name; the job's id begins with it.
        words: Arguments of ``python -m raysearch``, without ``--space``.
        space: Text of the search space; it becomes a file there.
        same_code: Whether the job ends at once if the head's code is not this process's.

    Returns:
        The job's id.
    """
    file = f"~/spaces/{shlex.quote(name)}.yaml"
    steps = [
        _START,
        f"printf %s {shlex.quote(space)} > {file}",
        f"cd {TREE}",
        *([f"{_PYTHON} -m raysearch.cluster.driver_code {package_digest(PACKAGE)}"] * same_code),
        f"exec {_PYTHON} -m raysearch {shlex.join(words)} --space {file} {END}",
    ]
    job: str = client.submit_job(
        entrypoint=" && ".join(steps),
        submission_id=f"{name}-{time.strftime('%Y%m%d-%H%M%S')}",
        metadata={MARK: name, COMMAND: command_digest(words, space)},
    )
    return job


def running_sweep(client: Any, name: str, words: Sequence[str], space: str) -> str | None:
    """The id of the job that runs this very sweep; None if there is none.

    Args:
        client: From `connect`.
        name: As for `submit`.
        words: As for `submit`.
        space: As for `submit`.

    Raises:
        ConfigError: A sweep of this name runs, but with other arguments.
    """
    for job in _sweeps(client):
        if job.metadata[MARK] != name or job.status.is_terminal():
            continue
        if job.metadata.get(COMMAND) != command_digest(words, space):
            raise other_command(name)
        return str(job.submission_id)
    return None


def other_command(name: str) -> ConfigError:
    """The error that a sweep of this name runs, but with other arguments."""
    return ConfigError(
        f"a sweep that runs must be asked for as it was started, but {name} was started "
        f"with other options or another search space; watch it with `raysearch attach`, "
        f"or end it with `raysearch stop` and run this again"
    )


def command_digest(words: Sequence[str], space: str) -> str:
    """What identifies a command with its search space."""
    return hashlib.sha256("\0".join([*words, space]).encode()).hexdigest()


def _sweeps(client: Any) -> list[Any]:
    return [job for job in client.list_jobs() if MARK in (job.metadata or {})]


def any_running(client: Any) -> bool:
    """Whether any sweep of ours is running."""
    return any(not job.status.is_terminal() for job in _sweeps(client))


def latest_sweep(client: Any) -> str:
    """The id of the sweep that was started last, running or not.

    Raises:
        RaysearchError: None was started on this cluster.
    """
    ours = _sweeps(client)
    if not ours:
        raise RaysearchError("a sweep must have been started on this cluster, but none was")
    newest: str = max(ours, key=lambda job: job.start_time or 0).submission_id
    return newest


def follow(cluster: str | Path, job: str, write: Callable[[str], object]) -> str:
    """Pass on a job's output until it ends; reconnects when the connection breaks.

    Args:
        cluster: As for `connect`.
        job: The job's id.
        write: Called once with each line of its output, without the line end.

    Returns:
        Its final state: ``SUCCEEDED``, ``FAILED`` or ``STOPPED``.

    Raises:
        RaysearchError: There is no such job, or the head could not be reached for two minutes.
    """
    said, lost = 0, None
    preamble = _Preamble()

    def on_line(number: int, line: str) -> None:
        nonlocal said
        if number == said:
            said += 1
            if not preamble(line):
                write(line)

    while True:
        try:
            with connect(cluster) as client:
                _status(client, job)
                lost = None
                asyncio.run(_tail(client, job, on_line))
                if (status := _status(client, job)).is_terminal():
                    return str(status)
        except (OSError, NoAnswerError) as error:  # requests' errors are OSErrors
            lost = lost or time.monotonic()
            if time.monotonic() - lost > PATIENCE_SECONDS:
                raise RaysearchError(
                    f"{job} cannot be watched, since the head does not answer; it continues, and "
                    f"`raysearch attach {cluster}` watches it again"
                ) from error
        time.sleep(LOOK_SECONDS)


class _Preamble:
    """Recognises the lines that Ray prints at a sweep's start; other jobs' text has no such end."""

    def __init__(self) -> None:
        self._inside = False

    def __call__(self, line: str) -> bool:
        begins = line.startswith("Running entrypoint for job") and _START in line
        if self._inside or begins:
            self._inside = not line.endswith(END)
            return True
        return "job_manager.py" in line


async def _tail(client: Any, job: str, on_line: Callable[[int, str], None]) -> None:
    """All lines of a job's output from the first, with their numbers, until it ends.

    Raises:
        ConnectionError: The connection broke.
    """
    from aiohttp import ClientError

    number, rest = 0, ""
    texts = client.tail_job_logs(job)
    while True:
        try:
            text = await anext(texts)
        except StopAsyncIteration:
            break
        except (RuntimeError, ClientError) as error:  # Ray's errors for a broken connection
            raise ConnectionError(str(error)) from error
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            on_line(number, line)
            number += 1
    if rest:
        on_line(number, rest)


def _status(client: Any, job: str) -> Any:
    try:
        return client.get_job_status(job)
    except RuntimeError as error:  # the head's answer to a request that it refuses
        raise RaysearchError(f"{job} must be a job of this cluster, but {error}") from error


def stop(client: Any, job: str) -> bool:
    """Stop a job and wait until it has ended; its trials can be resumed from their checkpoints.

    Returns:
        Whether it was running.

    Raises:
        RaysearchError: There is no such job, or it did not end within two minutes.
    """
    if _status(client, job).is_terminal():
        return False
    client.stop_job(job)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _status(client, job).is_terminal():
        if time.monotonic() > deadline:
            raise RaysearchError(f"{job} must end when it is stopped, but it still runs")
        time.sleep(LOOK_SECONDS)
    return True
