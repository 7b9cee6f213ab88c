"""How the workers of a trial meet: over which interface, and what is said where they do not."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import ray
from ray._private import services
from ray.exceptions import RayActorError, RayTaskError
from ray.train import BackendConfig
from ray.train.v2._internal.callbacks.backend_setup import BackendSetupCallback

from raysearch.cluster.process_group import use_interface
from raysearch.cluster.trainer import _Join
from raysearch.errors import RaysearchError

NAMES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
INTERFACES = {
    "lo": ["127.0.0.1", "::1"],
    "docker0": ["172.17.0.1"],
    "ens5": ["10.0.0.7", "fe80::1%ens5"],
    "ens50": ["10.0.0.8"],
}


@pytest.fixture(autouse=True)
def node(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        name: [SimpleNamespace(address=address) for address in addresses]
        for name, addresses in INTERFACES.items()
    }
    monkeypatch.setattr(services.psutil, "net_if_addrs", lambda: found)
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.parametrize("address", ["10.0.0.7", "fe80::1"])
def test_it_is_that_of_the_nodes_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: address)
    use_interface()
    assert [os.environ[name] for name in NAMES] == ["ens5", "=ens5"]


def test_what_the_user_chose_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "10.0.0.7")
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "ib")
    use_interface()
    assert [os.environ[name] for name in NAMES] == ["ens5", "ib"]


def test_an_address_that_no_interface_has_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "192.0.2.1")
    use_interface()
    assert not any(name in os.environ for name in NAMES)


class Group:
    """Two workers, which the test lets fail to meet or die."""

    def __init__(self) -> None:
        self.met = self.alive = True

    def execute(self, work: object) -> list[str]:
        if not self.alive:
            raise RayActorError
        return ["10.0.0.8", "10.0.0.7"]


class Dispatcher:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused: list[str] = []
        self.refuse = SimpleNamespace(remote=lambda slot, text: self.refused.append(text))
        monkeypatch.setattr(ray, "get", lambda found: found)


@pytest.fixture
def join(monkeypatch: pytest.MonkeyPatch) -> _Join:
    def meet(self: object, group: Group) -> None:
        if not group.met:
            cause = RuntimeError("connect timed out\nmore")
            raise RayTaskError("setup", "Traceback", cause)

    monkeypatch.setattr(BackendSetupCallback, "after_execution_group_start", meet)
    settings = {"dispatcher": Dispatcher(monkeypatch), "slot": "one"}
    return _Join(BackendConfig(), settings)


def test_workers_that_do_not_reach_each_other_twice_end_the_sweep(join: _Join) -> None:
    group, refused = Group(), join._settings["dispatcher"].refused
    group.met = False
    with pytest.raises(RayTaskError):
        join.after_execution_group_start(group)
    group.met = True
    join.after_execution_group_start(group)
    group.met = False
    with pytest.raises(RayTaskError):
        join.after_execution_group_start(group)
    assert not refused
    with pytest.raises(RaysearchError):
        join.after_execution_group_start(group)
    assert refused == [
        "the workers of a trial must reach each other on any port (docs/cluster.md), but those on "
        "10.0.0.7, 10.0.0.8 do not: connect timed out"
    ]


def test_a_worker_that_dies_meanwhile_ends_no_sweep(join: _Join) -> None:
    group = Group()
    group.met = group.alive = False
    for _ in range(3):
        with pytest.raises(RayActorError):
            join.after_execution_group_start(group)
    assert not join._settings["dispatcher"].refused
