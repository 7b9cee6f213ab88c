"""Brings a cluster up from a laptop, connects to it, and takes it down.

Uses the commands of Ray's cluster launcher (`ray up`, `ray dashboard`, `ray down`), since they are
its interface. Instead of a cluster file, the URL of the head's dashboard can be given, if it is
already reachable.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from raysearch.cluster.ray_version import check_ray
from raysearch.cluster.remote.manifest import check_manifest
from raysearch.errors import ConfigError, RaysearchError
from raysearch.printable import without_colour
from raysearch.storage.uri import expanded

__all__ = [
    "NoAnswerError",
    "bring_up",
    "connect",
    "free_port",
    "is_url",
    "read_token",
    "take_down",
]

PATIENCE_SECONDS = 120.0
"""Seconds of silence after which the head is given up; its jobs continue."""


def is_url(cluster: str | Path) -> bool:
    """Whether `cluster` is a dashboard's URL, not a cluster file."""
    return str(cluster).startswith(("http://", "https://"))


def bring_up(manifest: Path, tell: Callable[[str], object] = lambda step: None) -> None:
    """Start the cluster; one that is up gets the working tree, and its running jobs continue.

    Args:
        manifest: The cluster file.
        tell: Called with each step; there are a dozen, some of which take minutes.

    Raises:
        ConfigError: The file is wrong, or fields of it are still unset.
        RaysearchError: `ray up` failed; with the end of its output.
    """
    if unset := check_manifest(manifest):
        raise ConfigError(unset)
    _launcher("up", "--yes", "--no-restart", str(manifest), tell=tell)
    if not _runs_ray(manifest):
        # For a head that was rebooted: `--no-restart` starts Ray on new machines only.
        _launcher("up", "--yes", str(manifest), tell=tell)


def _runs_ray(manifest: Path) -> bool:
    """Whether Ray runs on the head; one that is too busy to answer does."""
    try:
        _launcher("exec", str(manifest), "grep -qs gcs_server /proc/[0-9]*/comm")
    except RaysearchError:
        return False
    return True


def take_down(manifest: Path) -> None:
    """End every node of the cluster.

    Raises:
        RaysearchError: `ray down` failed; with the end of its output.
    """
    _launcher("down", "--yes", str(manifest))


@contextmanager
def connect(cluster: str | Path) -> Iterator[Any]:
    """Ray's `JobSubmissionClient` for the head, through an SSH tunnel that lasts for the block.

    Args:
        cluster: The cluster file, or the URL of a dashboard that can be reached.

    Raises:
        RaysearchError: The head does not answer, or refuses the token.
    """
    check_ray()
    token, port = read_token(), free_port()
    url = str(cluster) if is_url(cluster) else f"http://127.0.0.1:{port}"
    with nullcontext() if is_url(cluster) else _tunnel(Path(cluster), port) as tunnel:
        yield _client(cluster, url, token, tunnel)


@contextmanager
def _tunnel(manifest: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The launcher's tunnel to the head; it ends with the block, and with this process."""
    words = [*_RAY, "dashboard", "--port", str(port), str(manifest)]
    # The shell reads its standard input to the end, which comes when this process is gone.
    script = '{ "$@" < /dev/null; kill 0; } & read -r _; kill 0'
    process = subprocess.Popen(
        ["sh", "-c", script, "sh", *words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, env=_environment(),
    )  # fmt: skip
    assert process.stdin
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def _client(
    cluster: str | Path, url: str, token: str, tunnel: subprocess.Popen[bytes] | None
) -> Any:
    """A client of the dashboard, once it answers."""
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.WARNING)
    deadline = time.monotonic() + (PATIENCE_SECONDS if tunnel else 0.0)
    while True:
        try:
            return JobSubmissionClient(url, headers={"Authorization": f"Bearer {token}"})
        except AuthenticationError as error:
            raise RaysearchError(
                f"the token must be that of the cluster of {cluster}, but its head refuses it"
            ) from error
        except ConnectionError as error:
            if time.monotonic() > deadline or (tunnel and tunnel.poll() is not None):
                raise NoAnswerError(
                    f"the head of {cluster} must be reached, but nothing answers"
                    + (f"; see `ray exec {cluster} 'ray status'`" if tunnel else "")
                ) from error
            time.sleep(0.5)


class NoAnswerError(RaysearchError):
    """The head cannot be reached now."""


_RAY = (sys.executable, "-m", "ray.scripts.scripts")


_STEP = re.compile(r"\[\d+/\d+\] .*|\(\d+/\d+\) .*")
"""Matches the launcher's lines about a step of a node's set-up."""


def _launcher(*words: str, tell: Callable[[str], object] = lambda step: None) -> None:
    """Run a command of Ray's launcher.

    Raises:
        RaysearchError: It failed; with the last lines of its output.
    """
    last: deque[str] = deque(maxlen=15)
    with subprocess.Popen(
        [*_RAY, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, env=_environment(),
    ) as process:  # fmt: skip
        assert process.stdout
        for line in process.stdout:
            last.append(without_colour(line).rstrip())
            if step := _STEP.search(last[-1]):
                tell(step[0])
    if process.returncode:
        said = "\n".join(last).strip()
        raise RaysearchError(f"`ray {shlex.join(words)}` must succeed, but said:\n{said}")


def _environment() -> dict[str, str]:
    return {**os.environ, "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}


def read_token() -> str:
    """The token, from where Ray looks for it.

    Raises:
        ConfigError: There is none.
    """
    path = expanded(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token")
    try:
        return os.environ.get("RAY_AUTH_TOKEN") or path.read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"a token must be in {path}, but there is none; make it with "
            f"`ray get-auth-token --generate`"
        ) from error


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
