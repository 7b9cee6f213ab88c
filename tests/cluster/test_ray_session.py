"""What a session says when there is no Ray to be had, and what it leaves behind."""

from __future__ import annotations

import os

import pytest
import ray

from raysearch.cluster import ray_session as module
from raysearch.cluster.ray_session import QUIET, ray_session
from raysearch.errors import ConfigError, RaysearchError

pytestmark = pytest.mark.filterwarnings("ignore")


def test_address_where_nothing_answers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        assert options["address"] == "10.0.0.1:6379"
        raise ConnectionError("Failed to connect to GCS")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ConfigError, match=r"nothing answers at '10\.0\.0\.1:6379'"):
        ray_session("10.0.0.1:6379").__enter__()


def test_busy_machine_is_one_sentence_and_bugs_stay_bugs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(text: str) -> None:
        def init(**options: object) -> None:
            raise Exception(text)

        monkeypatch.setattr(ray, "init", init)

    fail("The current node timed out during startup. This could happen because ...")
    with pytest.raises(RaysearchError, match="too busy"):
        ray_session().__enter__()
    fail("something else")
    with pytest.raises(Exception, match="^something else$"):
        ray_session().__enter__()


def test_environment_and_printing_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def init(**options: object) -> None:
        seen.update(options, auth=os.environ["RAY_AUTH_MODE"], usage=os.environ[first])

    first = next(iter(QUIET))
    monkeypatch.delenv(first, raising=False)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    printing = module.ray_worker.print_to_stdstream
    with ray_session(cpus=2):
        assert module.ray_worker.print_to_stdstream is not printing
    assert seen["auth"] == "disabled" and seen["usage"] == QUIET[first]
    assert (seen["num_cpus"], seen["_node_ip_address"]) == (2, "127.0.0.1")
    assert first not in os.environ and "RAY_AUTH_MODE" not in os.environ
    assert module.ray_worker.print_to_stdstream is printing
