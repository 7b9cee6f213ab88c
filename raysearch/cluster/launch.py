"""How does a sweep get onto a cluster from a laptop, and its results back.

Ray's own parts, put in order: its cluster launcher (`ray up`, `ray dashboard`, `ray rsync-down`,
`ray down`, as commands, since that is their interface) and its job submission SDK. A sweep is a
Ray job: it outlives the connection, and whoever has the cluster file and the token watches it.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from raysearch.cluster.manifest import check_manifest
from raysearch.errors import ConfigError, RaysearchError

__all__ = ["bring_up", "connect", "fetch", "follow", "latest_sweep", "stop", "submit", "take_down"]

MARK = "raysearch"
"""Metadata of a job that says that it is a sweep of ours."""
LOOK_SECONDS = 2.0
"""How often a followed job is looked at."""
PATIENCE_SECONDS = 120.0
"""So long the head may not answer before following is given up; the job goes on."""


def bring_up(manifest: Path) -> None:
    """Start the cluster; one that is up is left as it is, its running jobs too.

    Raises:
        ConfigError: The file is wrong, or fields of it are still unset.
        RaysearchError: `ray up` failed; with the end of what it said.
    """
    if unset := check_manifest(manifest):
        raise ConfigError(unset)
    _launcher("up", "--yes", "--no-restart", str(manifest))


def take_down(manifest: Path) -> None:
    """End every node of the cluster.

    Raises:
        RaysearchError: `ray down` failed; with the end of what it said.
    """
    _launcher("down", "--yes", str(manifest))


def fetch(manifest: Path, remote: str, local: Path) -> None:
    """Copy a folder of the head's; what is there already is brought up to date.

    Args:
        manifest: The cluster file.
        remote: The folder at the head, absolute.
        local: The folder here that shall have the same content.

    Raises:
        RaysearchError: `ray rsync-down` failed; with the end of what it said.
    """
    local.mkdir(parents=True, exist_ok=True)
    _launcher("rsync-down", str(manifest), f"{remote.rstrip('/')}/", f"{local}/")


@contextmanager
def connect(manifest: Path) -> Iterator[Any]:
    """Ray's `JobSubmissionClient` on the head, through an SSH tunnel as long as the block.

    Raises:
        RaysearchError: The head does not answer, or not to this token.
    """
    port, token = _free_port(), _token()
    tunnel = subprocess.Popen(
        [*_RAY, "dashboard", "--port", str(port), str(manifest)], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env=_environment(),
    )  # fmt: skip
    try:
        yield _client(manifest, port, token, tunnel)
    finally:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(tunnel.pid, signal.SIGTERM)  # the launcher and its ssh
        tunnel.wait()


def _client(manifest: Path, port: int, token: str, tunnel: subprocess.Popen[bytes]) -> Any:
    """A client of the tunnel's end here, as soon as it is open."""
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    headers = {"Authorization": f"Bearer {token}"}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return JobSubmissionClient(f"http://127.0.0.1:{port}", headers=headers)
        except AuthenticationError as error:
            raise RaysearchError(
                f"the token must be that of the cluster of {manifest}, but its head refuses it"
            ) from error
        except ConnectionError as error:
            if time.monotonic() > deadline or tunnel.poll() is not None:
                raise _NoAnswerError(
                    f"the head of {manifest} must be reached, but nothing answers; see "
                    f"`ray exec {manifest} 'ray status'`"
                ) from error
            time.sleep(0.5)


class _NoAnswerError(RaysearchError):
    """The head cannot be reached now."""


def submit(client: Any, name: str, arguments: Sequence[str]) -> str:
    """Start a `raysearch` command on the head as a job that nobody has to wait for.

    Args:
        client: From `connect`.
        name: The sweep's name; the job's id begins with it.
        arguments: What follows ``python -m raysearch``.

    Returns:
        The job's id.
    """
    words = shlex.join(["-m", "raysearch", *arguments])
    job: str = client.submit_job(
        entrypoint=f"cd ~/raysearch && exec ~/venv/bin/python {words}",
        submission_id=f"{name}-{time.strftime('%Y%m%d-%H%M%S')}",
        metadata={MARK: name},
    )
    return job


def latest_sweep(client: Any) -> str:
    """The id of the sweep that was started last, whether it still runs or not.

    Raises:
        RaysearchError: None was started on this cluster.
    """
    ours = [job for job in client.list_jobs() if MARK in (job.metadata or {})]
    if not ours:
        raise RaysearchError("a sweep must have been started on this cluster, but none was")
    newest: str = max(ours, key=lambda job: job.start_time or 0).submission_id
    return newest


def follow(manifest: Path, job: str, write: Callable[[str], object]) -> str:
    """Write what a job says until it ends; when the connection breaks, over a new one.

    Args:
        manifest: The cluster file.
        job: The job's id.
        write: Takes each new piece of its output.

    Returns:
        How it ended: ``SUCCEEDED``, ``FAILED`` or ``STOPPED``.

    Raises:
        RaysearchError: There is no such job, or the head could not be reached for two minutes.
    """
    said, heard = 0, time.monotonic()
    while True:
        try:
            with connect(manifest) as client:
                while not (status := _status(client, job)).is_terminal():
                    said, heard = _say(client, job, said, write), time.monotonic()
                    time.sleep(LOOK_SECONDS)
                _say(client, job, said, write)
                return str(status)
        except (OSError, _NoAnswerError) as error:  # requests' errors are OSErrors
            if time.monotonic() - heard > PATIENCE_SECONDS:
                raise RaysearchError(
                    f"{job} cannot be watched, since the head does not answer; it goes on, and "
                    f"`raysearch attach {manifest}` watches it again"
                ) from error


def _say(client: Any, job: str, said: int, write: Callable[[str], object]) -> int:
    text = client.get_job_logs(job)
    if len(text) > said:
        write(text[said:])
    return max(said, len(text))


def _status(client: Any, job: str) -> Any:
    try:
        return client.get_job_status(job)
    except RuntimeError as error:  # what the head says of a request that it refuses
        raise RaysearchError(f"{job} must be a job of this cluster, but {error}") from error


def stop(client: Any, job: str) -> bool:
    """End a job and wait until it is over; its trials go on from their checkpoints another time.

    Returns:
        Whether it still ran.

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


_RAY = (sys.executable, "-m", "ray.scripts.scripts")


def _launcher(*words: str) -> None:
    """Run a command of Ray's launcher.

    Raises:
        RaysearchError: It failed; with the last lines of what it said.
    """
    done = subprocess.run(
        [*_RAY, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, env=_environment(),
    )  # fmt: skip
    if done.returncode:
        last = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise RaysearchError(f"`ray {shlex.join(words)}` must succeed, but said:\n{last}")


def _environment() -> dict[str, str]:
    return {**os.environ, "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}


def _token() -> str:
    """The token, from where Ray looks for it."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        return os.environ.get("RAY_AUTH_TOKEN") or path.read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"a token must be in {path}, but there is none; make it with "
            f"`ray get-auth-token --generate`"
        ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
