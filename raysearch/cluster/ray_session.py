"""A sweep's Ray: a local one, a cluster to join, or the one already in this process.

Ray is silenced, sends no telemetry, and writes nothing to the home folder. A local Ray listens only
on the loopback address and requires a token made for the session, and its files are in a folder
that no other user can enter.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import ray
from ray._private import ray_constants
from ray._private import worker as ray_worker
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

from raysearch.cluster.dispatcher import Dispatcher
from raysearch.cluster.ray_start import PATIENT, end_ray, start_ray
from raysearch.cluster.session_folder import session_folder
from raysearch.cores import usable_cores
from raysearch.errors import ConfigError, one_line

__all__ = ["HEAD", "open_dispatcher", "ray_session", "shut_doors"]

HEAD = "node:__internal_head__"
"""A resource of which only the head node has one unit; for actors that must not be preempted."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # an actor per slot; a dead worker is replaced
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # the study is the state; Tune's is never restored
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


@contextmanager
def ray_session(
    address: str | None = None,
    *,
    cpus: int | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> Iterator[None]:
    """Ray, initialised and quiet, inside the block.

    If the process has initialised Ray already, it is used as it is and left running.

    Args:
        address: Address of a cluster to join, for example ``auto`` or ``10.0.0.1:6379``; None
            starts a local Ray, reachable from this machine only.
        cpus: CPUs of a local Ray; None for all that this process may use.
        tell: Called with a sentence while a local Ray takes long to start.

    Raises:
        ConfigError: No cluster that can be joined answers at the address.
        RaysearchError: A local Ray cannot be started.
    """
    with ExitStack() as stack:
        unset = {name: value for name, value in QUIET.items() if name not in os.environ}
        stack.enter_context(_environment(unset))
        if ray.is_initialized():
            yield
            return
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
        stack.enter_context(_no_bulletins())
        if address is not None:
            stack.callback(ray.shutdown)
            _join(address, options)
            yield
            return
        stack.enter_context(shut_doors())
        stack.enter_context(_environment(PATIENT))
        options |= {
            "num_cpus": usable_cores() if cpus is None else cpus,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": str(stack.enter_context(session_folder())),
            "address": "local",
        }
        stack.callback(end_ray)
        start_ray(options, tell)
        yield


def _join(address: str, options: Mapping[str, Any]) -> None:
    try:
        ray.init(address=address, **options)
    except ConnectionError as error:
        raise ConfigError(
            f"`--address` must be that of a running Ray cluster, but nothing answers at "
            f"{address!r}; start one with `ray up cluster.yaml`, or leave it out"
        ) from error
    except Exception as error:  # another version, another token: Ray has no class for these
        raise ConfigError(
            f"`--address` must be that of a Ray cluster to join, but {address!r} said: "
            f"{one_line(error)}"
        ) from error


def open_dispatcher() -> Any:
    """Start the sweep's dispatcher on the head node; it lives as long as the handle.

    Ray restarts it when its process dies, and retries pending calls.
    """
    actor = ray.remote(Dispatcher).options(
        num_cpus=0, resources={HEAD: 0.001}, max_restarts=-1, max_task_retries=-1
    )
    return actor.remote()


_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
LOCAL = {
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_K8S_TOKEN_AUTH": "false",  # else Ray would want the pod's own token
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # nodes on one machine: Ray binds to loopback
    "RAY_enable_metrics_collection": "0",  # metrics have no authentication; port -1 is no port
    "AUTOSCALER_METRIC_PORT": "-1",
    "DASHBOARD_METRIC_PORT": "-1",
    "GLOO_SOCKET_IFNAME": _LOOPBACK,  # between the workers of a trial
    "NCCL_SOCKET_IFNAME": _LOOPBACK,
}
"""Closes a local Ray to others, whatever the user's environment sets for clusters."""


@contextmanager
def shut_doors() -> Iterator[None]:
    """Start Ray in this block so that it listens on loopback and takes only this session's token.

    A token in the user's RAY_AUTH_TOKEN is kept. Ray reads token and mode once per process, so
    they are reset: a process may have several sessions.
    """
    token = os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(32)
    clusters = ray_constants.ENABLE_RAY_CLUSTER  # Ray read it from the environment on import
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        with _environment({**LOCAL, "RAY_AUTH_TOKEN": token}):
            _read_token_again()
            yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = clusters
        _read_token_again()


def _read_token_again() -> None:
    """Reload the mode before the token: a thread that is still ending would crash without one."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _no_bulletins() -> Iterator[None]:
    """Keep Ray's messages about dead workers off the terminal; no setting does that.

    The sweep reports what became of the trial itself, and Ray's logs have the rest.
    """
    printing = ray_worker.print_to_stdstream
    ray_worker.print_to_stdstream = lambda data, ignore_prefix: None
    try:
        yield
    finally:
        ray_worker.print_to_stdstream = printing


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for Ray's processes inside the block, then restore them."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
