"""Real processes killed: driver, dispatcher, worker, owner of a slot, raylet of a second node."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from noop_sweep import NoopRunner, noop_plan, noop_space, outcome
from processes import descendants

sys.path.insert(0, str(Path(__file__).parent))
from driver import killable_plan  # noqa: E402
from kill_points import drive, result  # noqa: E402

from raysearch.events import Event, EventKind
from raysearch.run import Run, RunState
from raysearch.search.plan import SweepPlan
from raysearch.search.sweep import run_sweep
from raysearch.summary import Ending

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # Ray warns of its own future, and leaves sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore"),
]

HERE = Path(__file__).parent
STEPS_PER_CHECKPOINT = 5


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same sweep in one process, without Ray and without kills."""
    plan = killable_plan(tmp_path_factory.mktemp("quiet"))
    drive(plan)
    return result(plan)


@contextmanager
def driver(folder: Path) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (HERE.parents[1], HERE.parent)))}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "driver.py"), str(folder)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def steps_done(folder: Path) -> int:
    log = folder / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def wait_until(holds: Callable[[], object], seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_same(found: dict[str, Any], expected: dict[str, Any], kills: int) -> None:
    for name in ("trials", "count", "rows", "points", "files", "steps"):
        assert found[name] == expected[name], name
    assert found["redone"] <= kills * STEPS_PER_CHECKPOINT


def test_killed_driver_leaves_no_process_and_loses_nothing(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    draw = random.Random(7)
    total = len(undisturbed["steps"])
    moments = sorted(draw.sample(range(1, total - 5), 3))
    agents: set[int] = set()
    for moment in moments:
        with driver(tmp_path) as process:
            wait_until(lambda at=moment, it=process: steps_done(tmp_path) >= at or it.poll())
            assert process.poll() is None, process.communicate()
            below = descendants(process.pid)
            assert any("raylet" in name for name in below.values())
            process.kill()
            agents |= {pid for pid, name in below.items() if "Agent" in name}
            rest = below.keys() - agents
            wait_until(lambda pids=rest: not any(map(alive, pids)), 30)
    with driver(tmp_path) as process:
        said, errors = process.communicate(timeout=300)
    assert said == "done 5 0", errors
    assert errors == ""  # Ray and Tune are silent
    assert_same(result(killable_plan(tmp_path)), undisturbed, kills=len(moments))
    # Ray's two agents try for 60 s to tell the dead cluster of its end, then leave as well.
    wait_until(lambda: not any(map(alive, agents)), 100)


def test_killed_dispatcher_worker_and_owner_of_a_slot_are_replaced(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    total = len(undisturbed["steps"])
    with driver(tmp_path) as process:
        targets = ("Dispatcher", "RayTrainWorker", "Trainable")
        for number, name in enumerate(targets, start=1):
            moment = number * total // 4
            wait_until(lambda at=moment, it=process: steps_done(tmp_path) >= at or it.poll())
            found = [pid for pid, line in descendants(process.pid).items() if name in line]
            assert len(found) == 1, descendants(process.pid)
            os.kill(found[0], signal.SIGKILL)
        said, errors = process.communicate(timeout=400)
    assert said == "done 5 0", errors
    assert_same(result(killable_plan(tmp_path)), undisturbed, kills=2)  # a room has no steps


def test_sweep_survives_the_raylet_of_a_second_node(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        plan = two_nodes(tmp_path, cluster.address)
        trials: list[Run] = []
        running: set[str] = set()

        def lose_the_node(event: Event) -> None:
            if event.kind is EventKind.REPORT:
                running.add(event.run_id)
                if len(running) == 2 and node in cluster.worker_nodes:  # both nodes are in use
                    cluster.remove_node(node, allow_graceful=False)

        summary = run_sweep(plan, on_trial=trials.append, on_event=lose_the_node)
    finally:
        cluster.shutdown()
    assert node not in cluster.worker_nodes
    assert (summary.ending, summary.unfinished) == (Ending.DONE, 0)
    assert [trial.state for trial in trials] == [RunState.COMPLETE] * 6
    assert len(outcome(trials)) == 6
    steps = (tmp_path / "log").read_text().splitlines()
    assert len(steps) - len(set(steps)) <= 1  # the one step that the node took with it


def two_nodes(folder: Path, address: str) -> SweepPlan:
    runner = NoopRunner(log=str(folder / "log"), step_seconds=0.3)
    return noop_plan(folder, noop_space(trials=6), runner, slots=2, address=address)
