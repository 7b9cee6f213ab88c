"""What a sweep as a job says to Ray and to the user, with Ray's client played by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raysearch.cluster.remote import jobs
from raysearch.cluster.remote.launch import NoAnswerError
from raysearch.errors import ConfigError, RaysearchError
from raysearch.training.origin import package_digest
from raysearch.version import PACKAGE

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
    status: Status = Status("RUNNING")


@dataclass
class Client:
    """A head: each look at a job takes the next state, each listening the next pieces of text.

    An exception among either is a broken connection.
    """

    states: list[Any] = field(default_factory=list)
    texts: list[list[Any]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    submitted: dict[str, Any] = field(default_factory=dict)

    def get_job_status(self, job: str) -> Status:
        state = self.states.pop(0)
        if isinstance(state, Exception):
            raise state
        return Status(state)

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        for text in self.texts.pop(0):
            if isinstance(text, Exception):
                raise text
            yield text

    def list_jobs(self) -> list[Job]:
        return self.jobs

    def stop_job(self, job: str) -> None:
        self.stopped.append(job)

    def submit_job(self, **parts: Any) -> str:
        self.submitted = parts
        self.jobs.append(Job(parts["submission_id"], 1, parts["metadata"]))
        return str(parts["submission_id"])


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()

    @contextmanager
    def connect(cluster: Path) -> Iterator[Client]:
        yield made

    monkeypatch.setattr(jobs, "connect", connect)
    monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.0)
    return made


def test_a_followed_job_says_each_line_once_over_a_broken_connection(client: Client) -> None:
    client.states = ["RUNNING", OSError("reset"), "RUNNING", "SUCCEEDED"]
    client.texts = [
        ["one\ntw", "o\nthr", RuntimeError("WebSocket connection closed unexpectedly")],
        ["one\ntwo\nthree\n", "\nlast"],
    ]
    said: list[str] = []
    assert jobs.follow(MANIFEST, "carl-1", said.append) == "SUCCEEDED"
    assert said == ["one", "two", "three", "", "last"]


def test_what_ray_says_above_a_sweep_is_left_out(client: Client) -> None:
    job = jobs.submit(client, "carl", ["sweep", "carl"], "a: 1\nb: 2\n")
    text = client.submitted["entrypoint"]
    above = f"2026 INFO job_manager.py:581 -- x\nRunning entrypoint for job {job}: {text}\n"
    said: list[str] = []
    for whole in (f"zero\n{above}one\ntwo\n", "Running entrypoint for job a: b\nx"):
        client.states, client.texts = ["RUNNING", "SUCCEEDED"], [[whole]]
        jobs.follow(MANIFEST, job, said.append)
    assert said == ["zero", "one", "two", "Running entrypoint for job a: b", "x"]


def test_a_head_that_stays_silent_is_given_up_and_the_job_is_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PATIENCE_SECONDS", -1.0)
    client.states = [NoAnswerError("nothing answers")]
    with pytest.raises(RaysearchError, match="it continues, and `raysearch attach cluster.yaml`"):
        jobs.follow(MANIFEST, "carl-1", lambda line: None)


def test_a_job_that_is_not_there(client: Client) -> None:
    client.states = [RuntimeError("Job carl-9 does not exist")]
    with pytest.raises(RaysearchError, match="must be a job of this cluster, but Job carl-9"):
        jobs.follow(MANIFEST, "carl-9", lambda line: None)


@pytest.mark.parametrize("same_code", [True, False])
def test_arguments_and_space_reach_the_head_as_they_are(client: Client, same_code: bool) -> None:
    space = "method: 'carl'\n# $HOME\n"
    words = ["sweep", "carl", "--set", "a=1; rm -r x", "--name", "$HOME"]
    job = jobs.submit(client, "carl", words, space, same_code=same_code)
    assert job.startswith("carl-")
    made, _, run = client.submitted["entrypoint"].partition(" && cd ")
    assert made == (
        "mkdir -p ~/spaces && "
        "printf %s 'method: '\"'\"'carl'\"'\"'\n# $HOME\n' "
        "> ~/spaces/carl.yaml"
    )
    words_there = "sweep carl --set 'a=1; rm -r x' --name '$HOME' --space ~/spaces/carl.yaml"
    words_there += f" {jobs.END}"
    same = f"~/venv/bin/python -m raysearch.cluster.driver_code {package_digest(PACKAGE)} && "
    start = f"~/raysearch && {same if same_code else ''}"
    assert run == f"{start}exec ~/venv/bin/python -m raysearch {words_there}"
    assert client.submitted["metadata"]["raysearch"] == "carl"


def test_the_same_command_finds_its_job_and_another_is_refused(client: Client) -> None:
    words = ["sweep", "carl", "--trials", "4"]
    assert jobs.running_sweep(client, "carl", words, "space") is None
    job = jobs.submit(client, "carl", words, "space")
    assert jobs.any_running(client)
    assert jobs.running_sweep(client, "carl", words, "space") == job
    assert jobs.running_sweep(client, "other", words, "space") is None
    for changed in ((["sweep", "carl"], "space"), (words, "another space")):
        with pytest.raises(ConfigError, match="carl was started with other options"):
            jobs.running_sweep(client, "carl", *changed)
    client.jobs[0].status = Status("STOPPED")
    assert jobs.running_sweep(client, "carl", words, "another space") is None
    assert not jobs.any_running(client)


def test_the_latest_sweep_is_ours_and_began_last() -> None:
    ours = {"raysearch": "carl"}
    found = [Job("carl-1", 1, ours), Job("carl-2", 5, ours), Job("other", 9)]
    assert jobs.latest_sweep(Client(jobs=found)) == "carl-2"
    with pytest.raises(RaysearchError, match="but none was"):
        jobs.latest_sweep(Client(jobs=[Job("other", 9, {})]))


def test_stopping_waits_for_the_end_and_leaves_what_has_ended(client: Client) -> None:
    client.states = ["RUNNING", "RUNNING", "STOPPED"]
    assert jobs.stop(client, "carl-1")
    client.states = ["SUCCEEDED"]
    assert not jobs.stop(client, "carl-2")
    assert client.stopped == ["carl-1"]
