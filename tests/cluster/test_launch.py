"""What the launcher says to Ray and to the user, with Ray's client played by the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raysearch.cluster import launch
from raysearch.errors import ConfigError, RaysearchError

MANIFEST = Path("cluster.yaml")


@dataclass(frozen=True)
class Status:
    name: str

    def is_terminal(self) -> bool:
        return self.name != "RUNNING"

    def __str__(self) -> str:
        return self.name


@dataclass
class Job:
    submission_id: str
    start_time: int
    metadata: dict[str, str] | None = None


@dataclass
class Client:
    """A head: each look at the job takes the next state; an exception is a broken connection."""

    states: list[Any] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    text: str = ""
    submitted: dict[str, Any] = field(default_factory=dict)

    def get_job_status(self, job: str) -> Status:
        state = self.states.pop(0)
        if isinstance(state, Exception):
            raise state
        name, self.text = state
        return Status(name)

    def get_job_logs(self, job: str) -> str:
        return self.text

    def list_jobs(self) -> list[Job]:
        return self.jobs

    def stop_job(self, job: str) -> None:
        self.stopped.append(job)

    def submit_job(self, **parts: Any) -> str:
        self.submitted = parts
        return str(parts["submission_id"])


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()

    @contextmanager
    def connect(manifest: Path) -> Iterator[Client]:
        yield made

    monkeypatch.setattr(launch, "connect", connect)
    monkeypatch.setattr(launch, "LOOK_SECONDS", 0.0)
    return made


def test_a_followed_job_is_said_once_over_a_broken_connection(client: Client) -> None:
    client.states = [
        ("RUNNING", "1/2\n"), OSError("reset"), ("RUNNING", "1/2\n"), ("SUCCEEDED", "1/2\n2/2\n"),
    ]  # fmt: skip
    said: list[str] = []
    assert launch.follow(MANIFEST, "carl-1", said.append) == "SUCCEEDED"
    assert said == ["1/2\n", "2/2\n"]


def test_a_head_that_stays_silent_is_given_up_and_the_job_is_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "PATIENCE_SECONDS", -1.0)
    client.states = [OSError("reset")]
    with pytest.raises(RaysearchError, match="it goes on, and `raysearch attach cluster.yaml`"):
        launch.follow(MANIFEST, "carl-1", lambda text: None)


def test_a_job_that_is_not_there(client: Client) -> None:
    client.states = [RuntimeError("Job carl-9 does not exist")]
    with pytest.raises(RaysearchError, match="must be a job of this cluster, but Job carl-9"):
        launch.follow(MANIFEST, "carl-9", lambda text: None)


def test_arguments_reach_the_head_as_they_are(client: Client) -> None:
    job = launch.submit(
        client, "carl", ["sweep", "carl", "--set", "a=1; rm -r x", "--name", "$HOME"]
    )
    assert job.startswith("carl-")
    words = "sweep carl --set 'a=1; rm -r x' --name '$HOME'"
    assert client.submitted["entrypoint"].endswith(f"python -m raysearch {words}")
    assert client.submitted["metadata"] == {"raysearch": "carl"}


def test_the_latest_sweep_is_ours_and_began_last() -> None:
    ours = {"raysearch": "carl"}
    jobs = [Job("carl-1", 1, ours), Job("carl-2", 5, ours), Job("other", 9)]
    assert launch.latest_sweep(Client(jobs=jobs)) == "carl-2"
    with pytest.raises(RaysearchError, match="but none was"):
        launch.latest_sweep(Client(jobs=[Job("other", 9, {})]))


def test_stopping_waits_for_the_end_and_leaves_what_has_ended(client: Client) -> None:
    client.states = [("RUNNING", ""), ("RUNNING", ""), ("STOPPED", "")]
    assert launch.stop(client, "carl-1")
    client.states = [("SUCCEEDED", "")]
    assert not launch.stop(client, "carl-2")
    assert client.stopped == ["carl-1"]


def test_nothing_is_started_from_a_file_with_unset_fields() -> None:
    with pytest.raises(ConfigError) as caught:
        launch.bring_up(Path(__file__).parents[2] / "cluster.yaml")
    assert len(caught.value.problems) == 3


def test_no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "auth_token"))
    with (
        pytest.raises(ConfigError, match="ray get-auth-token --generate"),
        launch.connect(MANIFEST),
    ):
        pass


def test_what_the_launcher_said_reaches_the_user(tmp_path: Path) -> None:
    with pytest.raises(RaysearchError, match=r"`ray down --yes .*none.yaml` must succeed, but"):
        launch.take_down(tmp_path / "none.yaml")
