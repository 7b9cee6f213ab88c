"""How does a sweep get a Ray: one of its own, a cluster to join, or the one that is there.

Ray's own output is silent, nothing is sent anywhere, and nothing is written to the home
folder.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import worker as ray_worker

from raysearch.cluster.mailroom import Mailroom
from raysearch.errors import ConfigError, RaysearchError

__all__ = ["HEAD", "open_mailroom", "ray_session"]

HEAD = "node:__internal_head__"
"""A resource of which the head node alone has one unit; what must not be preempted asks for it."""

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
def ray_session(address: str | None = None, *, cpus: int | None = None) -> Iterator[None]:
    """Ray, up and quiet, inside the block.

    A Ray that the process has already is used as it is and left running.

    Args:
        address: Address of a cluster to join, for example ``auto`` or ``10.0.0.1:6379``; None
            starts a Ray of its own on this machine, reachable from it only.
        cpus: CPUs of a Ray of its own; None takes all.

    Raises:
        ConfigError: No cluster answers at the address.
        RaysearchError: The machine is too busy to start a Ray.
    """
    if ray.is_initialized():
        with _environment({}):
            yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address is None:
        options |= {
            "num_cpus": cpus,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "address": "local",
        }
    else:
        options["address"] = address
    with _environment({} if address else _NO_TOKEN), _no_bulletins():
        _start(options, address)
        try:
            yield
        finally:
            ray.shutdown()


def _start(options: Mapping[str, Any], address: str | None) -> None:
    try:
        ray.init(**options)
    except ConnectionError as error:
        raise ConfigError(
            f"`--address` must be that of a running Ray cluster, but nothing answers at "
            f"{address!r}; start one with `ray up cluster.yaml`, or leave it out"
        ) from error
    except Exception as error:  # Ray raises no class of its own here
        if "timed out during startup" not in str(error):
            raise
        raise RaysearchError(
            f"Ray must come up within 30 s, but this machine is too busy for that (load "
            f"{os.getloadavg()[0]:.0f} on {os.cpu_count()} cores); wait, then run the same "
            f"command again"
        ) from error


def open_mailroom() -> Any:
    """Start the sweep's mail room on the head node; it lives as long as the handle.

    When its process dies another takes its place, and calls that were under way are made again.
    """
    actor = ray.remote(Mailroom).options(
        num_cpus=0, resources={HEAD: 0.001}, max_restarts=-1, max_task_retries=-1
    )
    return actor.remote()


_NO_TOKEN = {"RAY_AUTH_MODE": "disabled"}  # else Ray writes a token file to the home folder


@contextmanager
def _no_bulletins() -> Iterator[None]:
    """Keep off the terminal what the cluster says of workers that died; no setting does that.

    The sweep says in its own words what became of the trial, and Ray's logs have the rest.
    """
    printing = ray_worker.print_to_stdstream
    ray_worker.print_to_stdstream = lambda data, ignore_prefix: None
    try:
        yield
    finally:
        ray_worker.print_to_stdstream = printing


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    """Ray's switches in the environment, where its processes find them, and back again."""
    wanted = {name: value for name, value in {**QUIET, **more}.items() if name not in os.environ}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            os.environ.pop(name, None)
