"""A slot by itself, in an actor as in a sweep: idle workers leave, come back, and the end."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from noop_sweep import NoopConfig, NoopRunner

from raysearch.cluster.driver_code import DriverCode
from raysearch.cluster.packing import measure_on_cluster
from raysearch.cluster.ray_session import open_dispatcher
from raysearch.cluster.slots import Slot
from raysearch.cluster.worker import IDLE_SECONDS, SlotShape
from raysearch.config import flatten
from raysearch.errors import ConfigError
from raysearch.events import Event, EventKind
from raysearch.run import Cell, RunSpec

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("one_ray"),
    pytest.mark.filterwarnings("ignore"),
]


def spec(folder: Path, number: int) -> RunSpec:
    return RunSpec(
        sweep="s",
        number=number,
        cell=Cell("noop", 0),
        method="noop",
        config=flatten(NoopConfig(reports=2)),
        folder=str(folder / str(number)),
    )


def owner(first: RunSpec, *, dispatcher: Any = None, shape: SlotShape | None = None) -> Any:
    """An actor that owns a slot, as a Tune trial's does."""
    shape = shape or SlotShape(runner=NoopRunner(), cpus_per_worker=1)

    class Owner:
        def __init__(self, dispatcher: Any) -> None:
            self.slot = Slot(dispatcher, shape, first, prunable=False)

        def put(self, next_run: RunSpec) -> None:
            self.slot.put(next_run, prunable=False)

        def events(self) -> tuple[Event, ...]:
            return self.slot.next_events(1)

        def close(self) -> bool:
            self.slot.close()
            return self.slot._thread.is_alive()

    return ray.remote(num_cpus=0)(Owner).remote(dispatcher or open_dispatcher())


def events_to_the_end(actor: Any) -> list[Event]:
    found: list[Event] = []
    deadline = time.monotonic() + 200
    while not any(event.kind is EventKind.FINISHED for event in found):
        assert time.monotonic() < deadline
        found += ray.get(actor.events.remote())
    return found


def test_a_trial_is_measured_in_a_task_of_its_own() -> None:
    """On a GPU in earnest; without one, by the memory of the host."""
    config = {"encoder": "tiny", "max_length": 16, "batch_size": 16, "epochs": 0.1}
    measured = RunSpec(
        sweep="s", number=0, cell=Cell("sample", 0), method="carl", config=config, folder=""
    )
    (peak,) = measure_on_cluster(measured, data_dir="", gpus=0)
    assert 100e6 < peak.taken < peak.total
    missing = replace(measured, config={**config, "corpora": ["emobank"]})
    with pytest.raises(ConfigError, match="`--pack auto` must be able to measure a trial, but: "):
        measure_on_cluster(missing, data_dir="nowhere", gpus=0)


def free_cpus() -> float:
    return float(ray.available_resources().get("CPU", 0))


def test_idle_workers_give_their_place_back_and_return_with_the_next_run(tmp_path: Path) -> None:
    actor = owner(spec(tmp_path, 0))
    kinds = [event.kind for event in events_to_the_end(actor)]
    assert kinds[:2] == [EventKind.TAKEN, EventKind.STARTED] and kinds.count(EventKind.REPORT) == 2
    assert free_cpus() == 1
    deadline = time.monotonic() + IDLE_SECONDS + 60
    while free_cpus() < 2:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    ray.get(actor.put.remote(spec(tmp_path, 1)))
    last = events_to_the_end(actor)[-1]
    assert last.record is not None and last.record.number == 1
    assert not ray.get(actor.close.remote())
    deadline = time.monotonic() + 20
    while free_cpus() < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_dispatcher_that_dies_is_replaced_and_the_run_goes_on(tmp_path: Path) -> None:
    dispatcher = open_dispatcher()
    runner = NoopRunner(step_seconds=0.1, steps_per_report=20, log=str(tmp_path / "log"))
    actor = owner(spec(tmp_path, 0), dispatcher=dispatcher, shape=SlotShape(runner=runner))
    found: list[Event] = []
    while not any(event.kind is EventKind.REPORT for event in found):
        found += ray.get(actor.events.remote())
    ray.kill(dispatcher, no_restart=False)
    found += events_to_the_end(actor)
    assert [event.sequence for event in found] == sorted({event.sequence for event in found})
    trial = found[-1].record
    assert trial is not None and [report.rung for report in trial.curve] == [1, 2]
    assert len((tmp_path / "log").read_text().splitlines()) == 40  # no step was redone
    ray.get(actor.put.remote(spec(tmp_path, 1)))
    last = events_to_the_end(actor)[-1]
    assert last.record is not None and last.record.number == 1
    ray.get(actor.close.remote())


def test_what_a_slot_held_is_freed_though_its_process_died_before_its_workers_were_up(
    tmp_path: Path,
) -> None:
    dispatcher, whole = open_dispatcher(), SlotShape(runner=NoopRunner(), cpus_per_worker=2)
    first = owner(spec(tmp_path, 0), dispatcher=dispatcher, shape=whole)
    deadline = time.monotonic() + 100
    while free_cpus() == 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    ray.kill(first)  # it holds both CPUs, and its workers have not said a word
    second = owner(spec(tmp_path, 0), dispatcher=dispatcher, shape=whole)
    assert events_to_the_end(second)[-1].kind is EventKind.FINISHED
    ray.get(second.close.remote())


def test_a_node_that_differs_from_the_driver_refuses_before_it_takes_a_run(tmp_path: Path) -> None:
    code = DriverCode.of("noop")
    other = replace(code, facts={**code.facts, "torch": "1.0"})
    actor = owner(spec(tmp_path, 0), shape=SlotShape(runner=NoopRunner(), code=other))
    deadline = time.monotonic() + 100
    while not (found := ray.get(actor.events.remote())):
        assert time.monotonic() < deadline
    assert [event.kind for event in found] == [EventKind.REFUSED]
    assert " instead of 1.0; install docs/requirements.lock there" in found[0].text
    ray.get(actor.close.remote())
    same = owner(spec(tmp_path, 0), shape=SlotShape(runner=NoopRunner(), code=code))
    assert events_to_the_end(same)[-1].kind is EventKind.FINISHED
    ray.get(same.close.remote())
