"""A sweep's Ray: a local one, a cluster to join, or the one already in this process.

Ray is silenced, sends no telemetry, and writes nothing to the home folder. A local Ray listens only
on the loopback address and requires a token made for the session, and its files are in a folder
that no other user can enter.

Ray allows its processes 30 s to start, which is too little on a loaded machine, and no setting
covers all of it. `start_ray` keeps waiting while the processes live; those of a failed attempt are
ended before the next, which they would only slow down.

SIGTERM to the whole process group or service (``systemctl stop``, ``scancel``) is meant for the
sweep, which ends in order and stops Ray itself: Ray's processes start with SIGTERM ignored, as Ray
starts them with Ctrl-C ignored. The names used here are internal to Ray, whose version is pinned.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import ray
from ray._private import node as ray_node
from ray._private import ray_constants, services
from ray._private import utils as ray_utils
from ray._private import worker as ray_worker
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

from raysearch.cluster.dispatcher import Dispatcher
from raysearch.cluster.driver_code import shipped_code
from raysearch.cluster.gpus import visible_gpus
from raysearch.cluster.session_folder import session_folder
from raysearch.cores import usable_cores
from raysearch.errors import ConfigError, RaysearchError, one_line
from raysearch.names import is_text
from raysearch.printable import counted

__all__ = [
    "HEAD",
    "PATIENT",
    "SHUT",
    "end_ray",
    "open_dispatcher",
    "ray_session",
    "shut_doors",
    "start_ray",
]

PATIENCE_SECONDS = 120.0
"""Seconds that one attempt may take to find its own node."""
TRIES = 3
TELL_SECONDS = 15.0
"""Seconds between two notices that Ray is not up yet."""
LOOK_SECONDS = 0.5
START_WORKER = os.path.join(os.path.dirname(__file__), "start_worker.py")
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
        tell: Called with a sentence while it takes long; from another thread, while this one
            waits.

    Raises:
        RaysearchError: Ray cannot be started, and why.
    """
    for left in reversed(range(TRIES)):
        nodes: list[Any] = []
        try:
            with _patience(nodes), _progress(tell):
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
        node.kill_all_processes = lambda **options: _kill(node, kill, **options)
    ray.shutdown()


def _kill(node: Any, kill: Callable[..., object], **options: Any) -> None:
    """End a node's processes and those that they started, which would outlive them.

    Ray's agents notice after seconds that their raylet is gone, then report it for a minute to a
    server that is gone, too; ``systemctl stop`` would wait for them.
    """
    below: list[Any] = []
    for infos in node.all_processes.values():
        for info in infos:
            with suppress(services.psutil.NoSuchProcess):
                below += services.psutil.Process(info.process.pid).children(recursive=True)
    kill(**{**options, "allow_graceful": False})
    for process in below:
        with suppress(services.psutil.NoSuchProcess):
            process.kill()


def _load() -> str:
    return f"load {os.getloadavg()[0]:.0f} on {counted(usable_cores(), 'core')}"


@contextmanager
def _progress(tell: Callable[[str], object]) -> Iterator[None]:
    """Say every `TELL_SECONDS` that Ray is not up yet, in a thread: most of its waits are in C++.

    What that raises is raised after the block.
    """
    began, done, failed = time.monotonic(), threading.Event(), list[BaseException]()

    def say() -> None:
        try:
            while not done.wait(TELL_SECONDS):
                passed = time.monotonic() - began
                tell(f"Ray is still starting after {passed:.0f} s, since this machine is busy")
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if failed:
        raise failed[0]


@contextmanager
def _patience(nodes: list[Any]) -> Iterator[None]:
    """Inside, add every starting node to the list, and wait for it without Ray's time limit.

    Three processes are left out that a Ray of one machine has no use for: the autoscaler's, the one
    that sends logs to the driver, which does not show them, and the dashboard's, which Ray starts
    without a dashboard, too. Workers start by way of `start_worker`.
    """
    find, start, spawn = services.get_node, ray_node.Node.__init__, services.start_ray_process
    serve = services.start_api_server

    def deaf(*arguments: Any, **options: Any) -> Any:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # inherited by children
        try:
            return spawn(*arguments, **options)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def patient(*arguments: Any, **options: Any) -> Any:
        began = time.monotonic()
        while True:
            try:
                return find(*arguments, **options)
            except RuntimeError:
                late = time.monotonic() - began > PATIENCE_SECONDS
                if late or not all(map(_lives, nodes)):
                    raise
            time.sleep(LOOK_SECONDS)

    def noted(node: Any, ray_params: Any, *arguments: Any, **options: Any) -> None:
        nodes.append(node)
        ray_params.no_monitor, ray_params.include_log_monitor = True, False
        ray_params.setup_worker_path = START_WORKER
        start(node, ray_params, *arguments, **options)

    services.get_node, ray_node.Node.__init__, services.start_ray_process = patient, noted, deaf
    services.start_api_server = lambda *arguments, **options: (None, None)
    try:
        yield
    finally:
        services.get_node, ray_node.Node.__init__, services.start_ray_process = find, start, spawn
        services.start_api_server = serve


def _lives(node: Any) -> bool:
    """Whether both processes of a node are alive."""
    return _NODE.isdisjoint(kind for kind, _ in node.dead_processes())


def _end(nodes: list[Any]) -> None:
    """End the processes of nodes that nobody is connected to."""
    for node in nodes:
        _kill(node, node.kill_all_processes, check_alive=False, wait=True)
    ray.shutdown()


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
        ConfigError: No cluster that can be joined answers at the address, or a folder that Ray
            is started from has a name that it cannot take.
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
        _check_places()
        if address is not None:
            stack.callback(ray.shutdown)
            with _own_sigterm():
                _join(address, options)
            yield
            return
        stack.enter_context(shut_doors())
        stack.enter_context(_environment(PATIENT))
        options |= {
            "num_cpus": usable_cores() if cpus is None else cpus,
            "num_gpus": visible_gpus(),
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": str(stack.enter_context(session_folder())),
            "address": "local",
        }
        stack.callback(end_ray)
        with _own_sigterm():
            start_ray(options, tell)
        yield


def _check_places() -> None:
    """See that Ray can tell its workers of the folders that it is started from.

    Raises:
        ConfigError: The name of one is not UTF-8.
    """
    places = {
        "the working directory": os.getcwd(),
        "the program's folder": os.path.dirname(os.path.realpath(sys.argv[0])),
    }
    problems = [
        f"{what} must have a name in UTF-8, as Ray wants it, but is {place!r}; rename that, "
        "or use another"
        for what, place in places.items()
        if not is_text(place)
    ]
    if problems:
        raise ConfigError(problems)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep this process's handler of SIGTERM; Ray's, which it sets as it starts, dumps and dies."""
    setter = ray_utils.set_sigterm_handler
    ray_utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        ray_utils.set_sigterm_handler = setter


def _join(address: str, options: Mapping[str, Any]) -> None:
    """Join a cluster, whose nodes get this package for as long as the session lasts."""
    try:
        with shipped_code() as environment:
            ray.init(address=address, runtime_env=environment, **options)
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
SHUT = {
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_K8S_TOKEN_AUTH": "false",  # else Ray would want the pod's own token
    "RAY_enable_metrics_collection": "0",  # metrics have no authentication; port -1 is no port
    "AUTOSCALER_METRIC_PORT": "-1",
    "DASHBOARD_METRIC_PORT": "-1",
}
"""Closes what of Ray would answer without the token, on every node."""
LOCAL = SHUT | {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # nodes on one machine: Ray binds to loopback
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
