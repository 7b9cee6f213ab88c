"""One trial that loses its worker to SIGTERM, to a drain, and its node without notice."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from ray import cloudpickle
from ray.cluster_utils import Cluster

from raysearch.cluster.dispatcher import Dispatcher
from raysearch.cluster.ray_session import ray_session
from raysearch.cluster.slots import Slot
from raysearch.cluster.worker import SlotShape, TrainingRunner
from raysearch.config import flatten, read_config
from raysearch.events import Event, EventKind
from raysearch.methods import get_method
from raysearch.run import Cell, Run, RunSpec, RunState
from raysearch.training.checkpoint import load_checkpoint
from raysearch.training.progress import Listener, NullListener

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("no_ray"),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(600),
]

cloudpickle.register_pickle_by_value(sys.modules[__name__])

SETTINGS = {
    "encoder": "tiny",
    "corpora": ["sample"],
    "max_length": 16,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "epochs": 12.0,
    "reports": 2,
    "checkpoint_seconds": 1e9,  # no checkpoint but that of a notice
}


def spec(folder: Path) -> RunSpec:
    config = flatten(read_config(get_method("carl").config_type, SETTINGS, where="test"))
    cell = Cell("sample", 0)
    found = RunSpec(sweep="s", number=0, cell=cell, method="carl", config=config, folder="")
    return replace(found, folder=str(folder / "leases" / found.id))


class PidRunner(TrainingRunner):
    """Training, and where its process is: a file of pid and node."""

    def __call__(self, spec: RunSpec, listener: Listener) -> Run | None:
        where = f"{os.getpid()} {ray.get_runtime_context().get_node_id()}"
        Path(spec.folder).mkdir(parents=True, exist_ok=True)
        (Path(spec.folder) / "where").write_text(where)
        return super().__call__(spec, listener)


class Room(Dispatcher):
    """A dispatcher that says what it counts."""

    async def counts(self) -> tuple[int, int]:
        (channel,) = self._channels.values()
        return channel._grants, channel._losses


class Owner:
    """What owns the slot, as a Tune trial's actor does."""

    def __init__(self, dispatcher: Any, first: RunSpec) -> None:
        self.slot = Slot(dispatcher, SlotShape(runner=PidRunner("")), first, prunable=False)

    def events(self) -> tuple[Event, ...]:
        return self.slot.next_events(0.2)

    def close(self) -> None:
        self.slot.close()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "resources": {"head": 1}})
    try:
        yield found
    finally:
        found.shutdown()


class Story:
    """The events of a trial, and what happens to it in between."""

    def __init__(self, owner: Any, folder: Path) -> None:
        self.owner, self.folder = owner, folder
        self.events: list[Event] = []

    def until(self, kind: EventKind, *, step: int = 0) -> Event:
        """The next event of a kind, at this step or later."""
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            found = ray.get(self.owner.events.remote())
            self.events += found
            for event in found:
                if event.kind is kind and event.step >= step:
                    return event
        raise AssertionError(f"no {kind} in {[event.kind for event in self.events]}")

    def where(self) -> tuple[int, str]:
        pid, node = (self.folder / "where").read_text().split()
        return int(pid), node

    def saved(self) -> int:
        state = load_checkpoint(self.folder / "checkpoint.safetensors")
        assert state is not None
        return int(state["position"]["done"])


def test_a_trial_outlives_its_worker_and_its_nodes(tmp_path: Path, cluster: Cluster) -> None:
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    first = spec(tmp_path)
    with ray_session(cluster.address):
        here = {"num_cpus": 0, "resources": {"head": 0.01}}
        dispatcher = ray.remote(Room).options(**here).remote()
        story = Story(
            ray.remote(Owner).options(**here).remote(dispatcher, first), Path(first.folder)
        )

        # The process gets SIGTERM, as from `kill` or from a container's end.
        step = story.until(EventKind.PROGRESS, step=1).step
        pid, _ = story.where()
        os.kill(pid, signal.SIGTERM)
        gone = story.until(EventKind.PREEMPTED)
        assert gone.step == story.saved() > step
        assert ray.get(dispatcher.counts.remote()) == (0, 1)

        # Ray drains the node, as before a spot instance is taken away.
        story.until(EventKind.PROGRESS, step=gone.step + 1)
        pid, node = story.where()
        assert ray.get(dispatcher.counts.remote()) == (1, 0)
        drain(node)
        gone = story.until(EventKind.PREEMPTED)
        assert gone.step == story.saved()

        # The other node goes without a word; a third has come.
        story.until(EventKind.PROGRESS, step=gone.step + 1)
        assert story.where()[1] != node
        nodes.append(cluster.add_node(num_cpus=1))
        (lost,) = [item for item in nodes if item.node_id == story.where()[1]]
        os.kill(lost.all_processes["raylet"][0].process.pid, signal.SIGTERM)
        story.until(EventKind.STARTED)
        assert ray.get(dispatcher.counts.remote()) == (1, 1)
        trial = story.until(EventKind.FINISHED).record
        ray.get(story.owner.close.remote())
    assert trial is not None and trial.state is RunState.COMPLETE
    assert curve(trial) == curve(undisturbed(tmp_path / "calm"))


def drain(node: str) -> None:
    """What ``ray drain-node`` does."""
    from ray._raylet import GcsClient
    from ray.core.generated import autoscaler_pb2

    client = GcsClient(address=ray.get_runtime_context().gcs_address)
    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    deadline = int(time.time() * 1000) + 30_000
    accepted, said = client.drain_node(node, reason, "spot", deadline)
    assert accepted, said


def curve(trial: Run) -> list[tuple[int, dict[str, float]]]:
    return [(report.step, dict(report.metrics)) for report in trial.curve]


def undisturbed(folder: Path) -> Run:
    torch.set_num_threads(1)
    trial = TrainingRunner("")(spec(folder), NullListener())
    assert trial is not None
    return trial
