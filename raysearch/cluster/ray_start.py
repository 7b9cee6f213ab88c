"""Starts a local Ray patiently, and ends it only when the sweep does.

Ray allows its processes 30 s, which is too little on a loaded machine, and no setting covers all of
it. This module keeps waiting while the processes live; those of a failed attempt are ended before
the next, which they would only slow down.

SIGTERM to the whole process group or service (``systemctl stop``, ``scancel``) is meant for the
sweep, which ends in order and stops Ray itself: Ray's processes start with SIGTERM ignored, as Ray
starts them with Ctrl-C ignored. The names used here are internal to Ray, whose version is pinned.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import node as ray_node
from ray._private import ray_constants, services
from ray._private import worker as ray_worker

from raysearch.cores import usable_cores
from raysearch.errors import RaysearchError, one_line

__all__ = ["PATIENT", "end_ray", "start_ray"]

PATIENCE_SECONDS = 120.0
"""Seconds that one attempt may take to find its own node."""
TRIES = 3
TELL_SECONDS = 15.0
"""Seconds between two notices that Ray is not up yet."""
LOOK_SECONDS = 0.5
PATIENT = {
    "RAY_gcs_server_port_wait_time_s": f"{PATIENCE_SECONDS:.0f}",
    "RAY_worker_register_timeout_seconds": f"{PATIENCE_SECONDS:.0f}",
    "RAY_agent_register_timeout_ms": f"{PATIENCE_SECONDS * 1000:.0f}",
}
"""Ray's own settings for the parts that have one: its server, workers and agents."""
_NODE = {ray_constants.PROCESS_TYPE_GCS_SERVER, ray_constants.PROCESS_TYPE_RAYLET}
_BUSY = ("timed out", "Timed out", "Timeout", "Failed to start GCS")
"""Messages of Ray's errors that come from a machine under load; they have no class of their own."""


def start_ray(options: Mapping[str, Any], tell: Callable[[str], object]) -> None:
    """Start a Ray and connect to it.

    Args:
        options: Arguments of `ray.init`.
        tell: Called with a sentence while it takes long.

    Raises:
        RaysearchError: Ray cannot be started, and why.
    """
    for left in reversed(range(TRIES)):
        nodes: list[Any] = []
        try:
            with _patience(nodes, tell):
                ray.init(**options)
            return
        except BaseException as error:
            _end(nodes)
            if not isinstance(error, Exception):
                raise  # Ctrl-C or SIGTERM during the start
            own = options["_temp_dir"]
            if not os.path.isdir(own):
                raise RaysearchError(
                    f"Ray's files must stay while it starts, but {own} is gone: something has "
                    f"cleared {os.path.dirname(own)} meanwhile; run the same command again"
                ) from error
            if not any(text in str(error) for text in _BUSY):
                raise RaysearchError(f"Ray must start, but said: {one_line(error)}") from error
            if not left:
                raise RaysearchError(
                    f"Ray must come up, but did not in {TRIES} tries of up to "
                    f"{PATIENCE_SECONDS:.0f} s each: this machine is too busy ({_load()}); wait, "
                    f"or end what else runs, then run the same command again"
                ) from error
            tell(f"Ray did not come up, since this machine is busy ({_load()}): trying again")


def end_ray() -> None:
    """End the Ray that was started, with SIGKILL, since its processes ignore SIGTERM."""
    node = ray_worker._global_node
    if node is not None:
        kill = node.kill_all_processes
        node.kill_all_processes = lambda **options: kill(**{**options, "allow_graceful": False})
    ray.shutdown()


def _load() -> str:
    return f"load {os.getloadavg()[0]:.0f} on {usable_cores()} cores"


@contextmanager
def _patience(nodes: list[Any], tell: Callable[[str], object]) -> Iterator[None]:
    """Inside, add every starting node to the list, and wait for it without Ray's time limit."""
    find, start, spawn = services.get_node, ray_node.Node.__init__, services.start_ray_process

    def deaf(*arguments: Any, **options: Any) -> Any:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # inherited by children
        try:
            return spawn(*arguments, **options)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def patient(*arguments: Any, **options: Any) -> Any:
        began = told = time.monotonic()
        while True:
            try:
                return find(*arguments, **options)
            except RuntimeError:
                now = time.monotonic()
                if now - began > PATIENCE_SECONDS or not all(map(_lives, nodes)):
                    raise
            if now - told >= TELL_SECONDS:
                told = now
                tell(f"Ray is still starting after {now - began:.0f} s, since this machine is busy")
            time.sleep(LOOK_SECONDS)

    def noted(node: Any, *arguments: Any, **options: Any) -> None:
        nodes.append(node)
        start(node, *arguments, **options)

    services.get_node, ray_node.Node.__init__, services.start_ray_process = patient, noted, deaf
    try:
        yield
    finally:
        services.get_node, ray_node.Node.__init__, services.start_ray_process = find, start, spawn


def _lives(node: Any) -> bool:
    """Whether both processes of a node are alive."""
    return _NODE.isdisjoint(kind for kind, _ in node.dead_processes())


def _end(nodes: list[Any]) -> None:
    """End the processes of nodes that nobody is connected to."""
    for node in nodes:
        node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
    ray.shutdown()
