"""What a session says when there is no Ray to be had, and what it leaves behind."""

from __future__ import annotations

import os

import pytest
import ray

from raysearch.cluster import ray_session as module
from raysearch.cluster.ray_session import LOCAL, QUIET, ray_session
from raysearch.errors import ConfigError

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
