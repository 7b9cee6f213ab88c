"""A Ray that is slow to start is waited for, told of, and tried again; anything else is said."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray._private import node as ray_node
from ray._private import services

from raysearch.cluster import ray_start as module
from raysearch.cluster.ray_start import TRIES, end_ray, start_ray
from raysearch.errors import RaysearchError

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

    def __init__(self, answers: int) -> None:
        self.found = services.get_node("address", answers)

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
            nodes.append(ray_node.Node(answers))
        except RuntimeError as error:
            raise Exception(LATE) from error

    monkeypatch.setattr(ray_node, "Node", SlowNode)
    monkeypatch.setattr(services, "get_node", get_node)
    monkeypatch.setattr(ray, "init", init)
    return nodes


@pytest.mark.usefixtures("ended")
def test_it_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[str] = []
    begun = SlowNode.__init__
    nodes = slow(monkeypatch, answers=9)
    find = services.get_node
    start_ray({"_temp_dir": str(tmp_path)}, told.append)
    assert [node.found for node in nodes] == ["it"]
    assert told and all("Ray is still starting after" in text for text in told)
    assert SlowNode.__init__ is begun and services.get_node is find


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
    kills: list[dict[str, bool]] = []
    node = SimpleNamespace(kill_all_processes=lambda **options: kills.append(options))
    monkeypatch.setattr(module.ray_worker, "_global_node", node)
    monkeypatch.setattr(
        ray, "shutdown", lambda: node.kill_all_processes(check_alive=False, allow_graceful=True)
    )
    end_ray()
    assert kills == [{"check_alive": False, "allow_graceful": False}]
