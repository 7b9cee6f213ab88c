"""A real Slurm on two hosts: whatever becomes of a sweep's jobs, its rows are one machine's."""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hosts.lab import Host, lab
from hosts.ray_cluster import ray_processes
from hosts.slurm import NOBODY, Slurm, slurm
from hosts.sweeps import assert_same_trials, rows, write_space

from raysearch.leaderboard import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.hosts,
]
LONG = ("--set", "epochs=5")
"""Of CARL: a trial takes some seconds, so that it is caught in the middle."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o711)  # another user's jobs find what is theirs in it
    with lab(folder, ["node1", "node2"]) as made, slurm(made, folder / "s", notice="10m") as found:
        yield found


@pytest.fixture(scope="module")
def alone(up: Slurm) -> pd.DataFrame:
    """The rows of the long sweep on one machine, the laptop."""
    folder = up.folder / "alone"
    folder.mkdir()
    space = write_space(folder, "carl", trials=4)
    up.raysearch("sweep", "carl", "--space", str(space), "--results", str(folder), *LONG,
                 "--slots", "1")  # fmt: skip
    return rows(folder, "carl")


class Sweep:
    """The long sweep on Slurm: a command at the laptop, in a thread."""

    def __init__(self, up: Slurm, name: str, *, trials: int = 4, **site: object) -> None:
        self.up, self.folder = up, up.folder / name
        self.home: Path | None = None
        self.folder.mkdir()
        self.space = write_space(self.folder, "carl", trials=trials)
        self.site = self.folder / "slurm.yaml"
        fields = yaml.safe_load(up.site.read_text())
        fields["partitions"][0] |= site.pop("partition", {})  # type: ignore[operator]
        self.site.write_text(yaml.safe_dump(fields | site))

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def give_to_nobody(self) -> None:
        """Let another user run it, who has a token of their own."""
        for host in (self.up.lab.laptop, *self.up.lab.hosts):
            host.run("chmod", "711", "/root")  # the test's Python may lie below
            host.run("chmod", "1777", "/tmp")
        self.home = self.folder / "home"
        (self.home / ".ray").mkdir(parents=True)
        (self.home / ".ray" / "auth_token").write_text(secrets.token_hex(32))
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)

    def run(self) -> str:
        return self.up.raysearch(
            "sweep", "carl", "--space", str(self.space), "--results", str(self.results), *LONG,
            "--slurm", str(self.site), home=self.home,
        )  # fmt: skip

    def begin(self) -> Future[str]:
        found: Future[str] = Future()

        def work() -> None:
            try:
                found.set_result(self.run())
            except BaseException as error:
                found.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return found

    def rows_so_far(self) -> int:
        folder = self.results / "carl"
        return len(Store(folder).trials()) if (folder / "trials").is_dir() else 0

    def sessions(self) -> list[str]:
        return sorted(path.stem for path in (self.results / "carl" / "slurm").glob("*.jsonl"))


def until(what: Callable[[], object], ended: Future[str] | None = None) -> None:
    """Until this holds; five minutes at most."""
    deadline = time.monotonic() + 300
    while not what():
        if ended is not None and ended.done():
            raise AssertionError(f"it ended:\n{ended.result()}")
        assert time.monotonic() < deadline
        time.sleep(0.3)


def assert_left_nothing(up: Slurm) -> None:
    until(lambda: not up.jobs())
    for host in up.lab.hosts:
        until(lambda host=host: not ray_processes(host))  # type: ignore[misc]


def test_a_sweep_over_two_nodes(up: Slurm, alone: pd.DataFrame) -> None:
    sweep = Sweep(up, "two")
    said = sweep.run()
    assert "4/4 trials" in said, said
    found = rows(sweep.results, "carl")
    assert_same_trials(found, alone)
    assert set(found["provenance/host"]) == {"node1", "node2"}
    assert_left_nothing(up)
    again = up.raysearch("attach", str(sweep.site), "--results", str(sweep.results))
    assert "4/4 trials" in again, again
    plan = up.raysearch(
        "plan", "carl", "--space", str(sweep.space), "--slurm", str(sweep.site),
        "--results", str(sweep.results),
    )  # fmt: skip
    assert re.search(r"lab +2 +2 +\d+", plan), plan
    for host in up.lab.hosts:
        assert "ray-" not in host.run("ls", "/tmp"), host.name


def test_a_job_that_runs_into_its_time_limit_three_times(up: Slurm, alone: pd.DataFrame) -> None:
    """The limit is lowered until Slurm's own notice is due; it looks every 30 s.

    There are more trials than any machine trains meanwhile, and the same first ones.
    """
    sweep = Sweep(up, "limit", trials=1000, partition={"nodes": 1})
    ended = sweep.begin()
    for times in (1, 2, 3):
        until(lambda times=times: len(sweep.sessions()) == times, ended)  # type: ignore[misc]
        before = sweep.rows_so_far()
        until(lambda before=before: sweep.rows_so_far() > before, ended)  # type: ignore[misc]
        (job,) = up.jobs()
        up.run("scontrol", "update", f"JobId={job}", "TimeLimit=5")
        until(lambda job=job: up.jobs() == {job: "PENDING"}, ended)  # type: ignore[misc]
        up.run("scontrol", "update", f"JobId={job}", "TimeLimit=30")
    until(lambda: len(sweep.sessions()) == 4 and sweep.rows_so_far() > len(alone), ended)
    up.raysearch("stop", str(sweep.site))
    with pytest.raises(AssertionError, match="was stopped; the same command continues it"):
        ended.result(timeout=200)
    assert [name[:4] for name in sweep.sessions()] == ["0001", "0002", "0003", "0004"]
    found = rows(sweep.results, "carl")
    assert list(found["trial"]) == list(range(len(found)))  # none lost, none twice
    assert_same_trials(found[: len(alone)], alone)
    assert_left_nothing(up)


def test_stop_and_scancel_and_the_same_command_again(up: Slurm, alone: pd.DataFrame) -> None:
    sweep = Sweep(up, "cancel", trials=6)  # one is left after each end
    ends = (
        lambda job: up.raysearch("stop", str(sweep.site)),
        lambda job: up.run("scancel", job),
    )
    for end in ends:
        ended, before = sweep.begin(), sweep.rows_so_far()
        until(lambda before=before: sweep.rows_so_far() > before, ended)  # type: ignore[misc]
        end(next(iter(up.jobs())))
        with pytest.raises(AssertionError, match="was stopped; the same command continues it"):
            ended.result(timeout=200)
        assert_left_nothing(up)
    assert "6/6 trials" in sweep.run()
    assert_same_trials(rows(sweep.results, "carl")[: len(alone)], alone)


def test_the_leaders_node_dies_and_another_job_leads(up: Slurm, alone: pd.DataFrame) -> None:
    """Two jobs of a node each work on the sweep; Slurm puts the one back whose node died."""
    sweep = Sweep(up, "dies", partition={"nodes": 1}, jobs=2)
    ended = sweep.begin()
    until(lambda: sweep.rows_so_far() >= 2, ended)
    leader = leading(up, sweep)
    leader.run("sh", "-c", "kill -9 -1 || true")
    try:
        until(lambda: len(sweep.sessions()) > 1, ended)
        said = ended.result(timeout=500)
    finally:
        up.begin_node(leader)
        up.until("idle")
    assert "4/4 trials" in said, said
    assert_same_trials(rows(sweep.results, "carl"), alone)
    assert_left_nothing(up)


def leading(up: Slurm, sweep: Sweep) -> Host:
    """The host of the job that leads."""
    text = (sweep.results / "carl" / "slurm" / "ray.json").read_text()
    address = yaml.safe_load(text)["address"].partition(":")[0]
    (found,) = [host for host in up.lab.hosts if host.address == address]
    return found


def test_sweeps_of_two_users_on_one_node_do_not_meet(up: Slurm, alone: pd.DataFrame) -> None:
    """Each has a Ray of its own, on ports of its own, with a token of its own."""
    node = up.lab.hosts[0].name
    here = [f"--nodelist={node}", "--oversubscribe"]
    sweeps = [Sweep(up, name, trials=2, partition={"nodes": 1}, sbatch=here)
              for name in ("one", "other")]  # fmt: skip
    sweeps[1].give_to_nobody()
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(Sweep.run, sweeps))
    for sweep, text in zip(sweeps, said, strict=True):
        assert "2/2 trials" in text, text
        assert_same_trials(rows(sweep.results, "carl"), alone[:2])
    assert_left_nothing(up)
