"""Sweeps on the fake GPUs, as a process of its own: what each trial saw, as JSON.

python gpu_driver.py FOLDER SHAPES: a list of objects with a name and fields of the plan.
With further arguments, machines of `fake_cuda.written`, on a cluster of one node for each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fake_cuda import FILE
from noop_sweep import noop_plan, noop_space
from ray import cloudpickle
from ray.cluster_utils import Cluster

from raysearch.cluster.ray_session import ray_session
from raysearch.errors import RaysearchError
from raysearch.events import Event, EventKind
from raysearch.run import Run, RunSpec, RunState
from raysearch.search.plan import SweepPlan
from raysearch.search.sweep import run_sweep
from raysearch.training.progress import Listener

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def see(spec: RunSpec, listener: Listener) -> Run | None:
    """A runner: its row says which device each of its workers has, and which they see."""
    import torch

    from raysearch import distributed
    from raysearch.training.provenance import device_name, pick_device
    from raysearch.training.seed import random_state

    device = pick_device()
    gpu = torch.cuda.get_device_properties(device).uuid if device.type == "cuda" else ""
    seen = {
        "name": device_name(device),
        "device": str(device),
        "gpu": str(gpu),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "generators": len(random_state()["cuda"]),
        "initialised": torch.cuda.is_initialized(),
        "process": os.getpid(),
    }
    misbehave(spec)
    ranks = distributed.gather_objects(seen)
    if distributed.rank() != 0:
        return None
    listener.started(device_name(device), {})
    return Run(
        sweep=spec.sweep,
        number=spec.number,
        cell=spec.cell,
        method=spec.method,
        state=RunState.COMPLETE,
        config=dict(spec.config),
        metrics={"dev/score": 0.5},
        device=device_name(device),
        provenance={"ranks": json.dumps(ranks)},
    )


ASSERT = "CUDA error: device-side assert triggered"
LARGE = "a trial must fit the memory of its GPU, but does not"


def misbehave(spec: RunSpec) -> None:
    """Fail as the sweep's name says: trial 1, on its last worker; of ``small`` all.

    On a cluster trial 0 ends only once the user was told of another node, which must come up.
    """
    import torch

    from raysearch import distributed
    from raysearch.errors import TooLargeError

    kind = Path(spec.folder).parents[1].name
    memory = torch.cuda.get_device_properties(0).total_memory if kind in ("large", "small") else 0
    if kind == "small" and memory < 40e9:
        raise TooLargeError(LARGE)
    told = Path(spec.folder).parents[1] / "told"
    until = time.monotonic() + 300
    while kind in ("small", "lost") and spec.number == 0 and not told.exists():
        assert time.monotonic() < until
        time.sleep(0.2)
    if spec.number != 1 or distributed.rank() + 1 < distributed.world_size():
        return
    mark = Path(spec.folder).parents[1] / "failed"
    if kind == "assert" or (kind == "once" and not mark.exists()):
        mark.touch()
        raise torch.AcceleratorError(ASSERT)
    if kind == "large" and memory < 40e9:
        raise TooLargeError(LARGE)


@contextmanager
def cluster_of(machines: list[str]) -> Iterator[str | None]:
    """A Ray of this machine, or a cluster of nodes that each have the GPUs of a machine."""
    if not machines:
        with ray_session(cpus=4):
            yield None
        return
    head = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0})
    for number, machine in enumerate(machines):
        model = json.loads(Path(machine).read_text())["model"]
        head.add_node(
            num_cpus=2,
            num_gpus=1,
            labels={"ray.io/accelerator-type": model},
            env_vars={FILE: machine},
            node_name=f"node{number}",
        )
    try:
        yield str(head.address)
    finally:
        head.shutdown()


def main(folder: Path, shapes: list[dict[str, Any]], machines: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with cluster_of(machines) as address:
        for shape in shapes:
            name, rows, said = shape.pop("name"), list[Run](), list[str]()
            space = noop_space(trials=shape.pop("trials", 1), reports=1)
            plan = noop_plan(folder / name, space, see, address=address, **shape)

            def hear(event: Event, plan: SweepPlan = plan, said: list[str] = said) -> None:
                if event.kind is EventKind.WARNING:
                    said.append(event.text)
                    if "in a row" in event.text or "it goes to" in event.text:
                        (plan.folder / "told").touch()

            error = ""
            try:
                run_sweep(plan, on_trial=rows.append, on_event=hear)
            except RaysearchError as problem:
                error = str(problem)
            found[name] = {
                "rows": {
                    row.number: {
                        "reason": row.reason,
                        "ranks": json.loads(row.provenance.get("ranks", "[]")),
                    }
                    for row in rows
                },
                "said": said,
                "error": error,
            }
    return found


if __name__ == "__main__":
    answer = main(Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:])
    sys.stdout.write(json.dumps(answer))
