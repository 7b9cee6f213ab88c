"""What a session says when there is no Ray to be had, and what it leaves behind."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray._private import node as ray_node
from ray._private import services
from ray._private import utils as ray_utils

from raysearch.cluster import ray_session as module
from raysearch.cluster.ray_session import LOCAL, QUIET, TRIES, end_ray, ray_session, start_ray
from raysearch.errors import ConfigError, RaysearchError

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("no_ray")]


def test_address_where_nothing_answers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        assert options["address"] == "10.0.0.1:6379"
        raise ConnectionError("Failed to connect to GCS")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ConfigError, match=r"nothing answers at '10\.0\.0\.1:6379'"):
        ray_session("10.0.0.1:6379").__enter__()


def test_cluster_that_cannot_be_joined_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.53.0")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ConfigError, match=r"'10\.0\.0\.1:6379' said: Version mismatch: .* 2\.53"):
        ray_session("10.0.0.1:6379").__enter__()


def test_environment_and_printing_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def init(**options: object) -> None:
        seen.update(os.environ | options)
        seen["binds to loopback"] = not module.ray_constants.ENABLE_RAY_CLUSTER

    first = next(iter(QUIET))
    monkeypatch.delenv(first, raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth0")
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    printing = module.ray_worker.print_to_stdstream
    before = dict(os.environ)
    tokens = []
    for _ in range(2):
        with ray_session(cpus=2):
            assert module.ray_worker.print_to_stdstream is not printing
            tokens.append(os.environ["RAY_AUTH_TOKEN"])
        assert dict(os.environ) == before
        assert module.ray_worker.print_to_stdstream is printing
        assert module.ray_constants.ENABLE_RAY_CLUSTER
    assert len(set(tokens)) == 2 and {len(token) for token in tokens} == {64}
    assert seen.items() >= {**LOCAL, first: QUIET[first], "num_cpus": 2}.items()
    assert (seen["_node_ip_address"], seen["binds to loopback"]) == ("127.0.0.1", True)


def test_ray_counts_the_cores_as_the_plan_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(ray, "init", lambda **options: seen.append(options["num_cpus"]))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    with ray_session():
        pass
    assert seen == [3]


@pytest.mark.parametrize("address", [None, "10.0.0.1:6379"])
def test_sigterm_stays_the_programs(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    """Ray's handler dumps the stack and ends the process with 15, during its start, too."""
    came: list[str] = []

    def init(**options: object) -> None:
        ray_utils.set_sigterm_handler(lambda number, frame: came.append("Ray"))
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append("program"))
    try:
        with ray_session(address):
            signal.raise_signal(signal.SIGTERM)
        assert came == ["program", "program"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_users_own_token_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "init", lambda **options: None)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    for token in ("theirs", "theirs too"):
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
        with ray_session():
            assert (os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"]) == ("token", token)
        with ray_session("10.0.0.1:6379"):
            assert os.environ["RAY_AUTH_TOKEN"] == token
            assert os.environ.get("RAY_AUTH_MODE") != "token"  # the cluster's, as the user has it


@pytest.mark.slow
def test_two_sessions_of_one_process_have_a_token_each() -> None:
    """Ray keeps the token that it read first: the second session's would be refused."""
    seen = []
    for _ in range(2):
        with ray_session(cpus=1):
            environ = ray.remote(lambda: dict(os.environ)).remote()
            seen.append(ray.get(environ)["RAY_AUTH_TOKEN"])
            assert seen[-1] == os.environ["RAY_AUTH_TOKEN"]
    assert seen[0] != seen[1]


LATE = "The current node timed out during startup. This could happen because ..."


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Nodes whose processes were ended; nothing of Ray is real here, nor takes time."""
    found: list[Any] = []
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(module, "_end", found.extend)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0)
    seconds = itertools.count(step=10)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=seconds.__next__, sleep=id))
    return found


def fails(monkeypatch: pytest.MonkeyPatch, times: int, text: str) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def init(**options: Any) -> None:
        calls.append(options)
        if len(calls) <= times:
            raise Exception(text)

    monkeypatch.setattr(ray, "init", init)
    return calls


@pytest.mark.usefixtures("ended")
def test_it_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = fails(monkeypatch, TRIES - 1, LATE)
    told: list[str] = []
    start_ray({"num_cpus": 2, "_temp_dir": str(tmp_path)}, told.append)
    assert [call["num_cpus"] for call in calls] == [2] * TRIES
    assert len(told) == TRIES - 1 and all("busy (load" in text for text in told)


@pytest.mark.usefixtures("ended")
def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = fails(monkeypatch, 100, LATE)
    with pytest.raises(RaysearchError, match=r"in 3 tries of up to 120 s each: .* too busy .*wait"):
        start_ray({"_temp_dir": str(tmp_path)}, lambda text: None)
    assert len(calls) == TRIES


@pytest.mark.usefixtures("ended")
def test_anything_else_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = fails(monkeypatch, 100, "no room\nfor sockets")
    with pytest.raises(RaysearchError, match="^Ray must start, but said: no room for sockets$"):
        start_ray({"_temp_dir": str(tmp_path)}, lambda text: None)
    with pytest.raises(RaysearchError, match="something has cleared"):
        start_ray({"_temp_dir": str(tmp_path / "gone")}, lambda text: None)
    assert len(calls) == 2


class SlowNode:
    """Ray's node, as far as it takes to find itself."""

    dead: list[tuple[str, object]] = []

    def __init__(self, ray_params: Any) -> None:
        self.ray_params = ray_params
        self.found = services.get_node("address", ray_params.answers)

    def dead_processes(self) -> list[tuple[str, object]]:
        return self.dead


def slow(monkeypatch: pytest.MonkeyPatch, answers: int) -> list[SlowNode]:
    """A Ray whose node is known after so many questions."""
    asked: list[int] = []
    nodes: list[SlowNode] = []

    def get_node(address: str, after: int) -> str:
        asked.append(after)
        if len(asked) < after:
            raise RuntimeError("GCS cannot find the node")
        return "it"

    def init(**options: Any) -> None:
        try:
            nodes.append(ray_node.Node(SimpleNamespace(answers=answers)))
        except RuntimeError as error:
            raise Exception(LATE) from error

    monkeypatch.setattr(ray_node, "Node", SlowNode)
    monkeypatch.setattr(services, "get_node", get_node)
    monkeypatch.setattr(ray, "init", init)
    return nodes


@pytest.mark.usefixtures("ended")
def test_it_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun = SlowNode.__init__
    nodes = slow(monkeypatch, answers=9)
    find = services.get_node
    start_ray({"_temp_dir": str(tmp_path)}, lambda text: None)
    assert [node.found for node in nodes] == ["it"]
    assert SlowNode.__init__ is begun and services.get_node is find


@pytest.mark.usefixtures("ended")
def test_a_start_that_takes_long_is_told_wherever_it_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ray's server is waited for in C++, for longer than its node."""
    told: list[str] = []
    twice = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        if len(told) == 2:
            twice.set()

    monkeypatch.setattr(module, "TELL_SECONDS", 0.001)
    monkeypatch.setattr(ray, "init", lambda **options: twice.wait(30))
    start_ray({"_temp_dir": str(tmp_path)}, tell)
    assert len(told) >= 2
    assert all("Ray is still starting after" in text for text in told)
    count = len(told)
    time.sleep(0.05)
    assert len(told) == count  # nothing once it is up


@pytest.mark.usefixtures("ended")
def test_a_start_that_cannot_be_told_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a disk that is full."""
    asked = threading.Event()

    def tell(text: str) -> None:
        asked.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "TELL_SECONDS", 0.001)
    monkeypatch.setattr(ray, "init", lambda **options: asked.wait(30))
    with pytest.raises(RaysearchError, match="No space left on device"):
        start_ray({"_temp_dir": str(tmp_path)}, tell)


def test_processes_of_a_try_that_failed_are_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ended: list[Any]
) -> None:
    """It is not waited for where a process that makes the node has ended."""
    nodes = slow(monkeypatch, answers=3)
    monkeypatch.setattr(SlowNode, "dead", [("raylet", None)])
    told: list[str] = []
    start_ray({"_temp_dir": str(tmp_path)}, told.append)
    assert len(ended) == 2 and len(nodes) == 1
    assert len(told) == 2 and all("trying again" in text for text in told)


def test_processes_of_a_start_that_is_interrupted_are_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ended: list[Any]
) -> None:
    def find(address: str, answers: int) -> None:
        raise KeyboardInterrupt

    slow(monkeypatch, answers=3)
    monkeypatch.setattr(services, "get_node", find)
    with pytest.raises(KeyboardInterrupt):
        start_ray({"_temp_dir": str(tmp_path)}, lambda text: None)
    assert len(ended) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("no_ray")
def test_no_process_is_started_that_a_sweep_has_no_use_for() -> None:
    with ray_session(cpus=1):
        below = services.psutil.Process().children(recursive=True)
        words = " ".join(word for process in below for word in process.cmdline())
    assert "raylet" in words and "autoscaler" not in words and "log_monitor" not in words


@pytest.mark.usefixtures("ended")
def test_rays_processes_do_not_hear_sigterm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """To the whole group or service it is for the sweep, which ends in order."""
    masks: list[set[signal.Signals]] = []

    def spawn(command: str) -> None:
        masks.append({*signal.pthread_sigmask(signal.SIG_BLOCK, ())})

    monkeypatch.setattr(services, "start_ray_process", spawn)
    monkeypatch.setattr(ray, "init", lambda **options: services.start_ray_process("raylet"))
    start_ray({"_temp_dir": str(tmp_path)}, lambda text: None)
    spawn("anything else")
    assert [signal.SIGTERM in mask for mask in masks] == [True, False]


def test_rays_processes_are_ended_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what they started: Ray's agents would outlive the raylet by a minute."""
    kills: list[dict[str, bool]] = []
    raylet = subprocess.Popen(
        ["sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, text=True
    )
    assert raylet.stdout is not None
    agent = services.psutil.Process(int(raylet.stdout.readline()))

    def kill(**options: bool) -> None:
        kills.append(options)
        raylet.kill()
        raylet.wait()

    gone = SimpleNamespace(process=SimpleNamespace(pid=2**22 + 1))
    processes = {"gcs_server": [gone], "raylet": [SimpleNamespace(process=raylet)]}
    node = SimpleNamespace(kill_all_processes=kill, all_processes=processes)
    monkeypatch.setattr(module.ray_worker, "_global_node", node)
    monkeypatch.setattr(
        ray, "shutdown", lambda: node.kill_all_processes(check_alive=False, allow_graceful=True)
    )
    with raylet:
        end_ray()
        assert kills == [{"check_alive": False, "allow_graceful": False}]
        deadline = time.monotonic() + 10
        while agent.is_running() and agent.status() != services.psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_folders_that_ray_cannot_take_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Linux takes any bytes as a name; Ray's messages hold text."""
    monkeypatch.setattr(ray, "init", pytest.fail)
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    strange.mkdir()
    monkeypatch.chdir(strange)
    with pytest.raises(ConfigError, match="the working directory must have a name in UTF-8") as one:
        with ray_session():
            pass
    assert r"caf\xe9" in str(one.value) or r"caf\udce9" in str(one.value)
    monkeypatch.setattr(sys, "argv", [str(strange / "__main__.py")])
    with pytest.raises(ConfigError) as both:
        with ray_session():
            pass
    assert len(both.value.problems) == 2
