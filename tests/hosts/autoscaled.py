"""A sweep on a fake cloud, from no worker to none: ``autoscaled.py OUT.json SETTINGS``.

Runs on a host of `hosts.lab`. SETTINGS is JSON: ``slots``, ``trials``, ``reports``,
``step_seconds``, ``idle_minutes``, and ``max_cost`` or null. What happened goes to OUT.json:
the summary of the sweep, and when how many workers were up, which is seen from outside.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from hosts.fake_cloud import HEAD, fake_cloud  # noqa: E402
from noop_sweep import NoopRunner, noop_plan, noop_space  # noqa: E402

WORKER, OTHER = "gpu_spot", "gpu_other"
PRICES = {WORKER: 0.5, OTHER: 0.1, HEAD: 0.1}
GPUS = {WORKER: "A10G", OTHER: "T4"}
"""The sweep asks for the first type, though the other would do and costs less."""
LONGEST = 240.0


class Observer:
    """Sees how many workers are up, without joining the cluster."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.changes: list[tuple[float, int]] = [(0.0, 0)]
        self.gone: dict[str, float] = {}
        """Worker to the second at which it was seen last."""

    def watch(self, ended: threading.Event) -> None:
        from ray._raylet import GcsClient

        from raysearch.cluster.node_watch import nodes_of

        client = GcsClient(address="127.0.0.1:6379")
        while not ended.wait(0.3):
            up = [node.id for node in nodes_of(client) or () if not node.head]
            now = time.monotonic() - self.began
            self.gone |= dict.fromkeys(up, now)
            if len(up) != self.changes[-1][1]:
                self.changes.append((round(now, 1), len(up)))

    def wait_for(self, workers: int) -> None:
        deadline = time.monotonic() + LONGEST
        while self.changes[-1][1] != workers:
            assert time.monotonic() < deadline, self.changes
            time.sleep(0.2)


@contextmanager
def observed() -> Iterator[Observer]:
    observer, ended = Observer(), threading.Event()
    thread = threading.Thread(target=observer.watch, args=(ended,))
    thread.start()
    try:
        yield observer
    finally:
        ended.set()
        thread.join()


def run(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The sweep, and the wait until no worker is left."""
    from raysearch.cluster import ray_session
    from raysearch.cluster.prices import known_prices
    from raysearch.search.sweep import run_sweep

    # All nodes are this host, with one folder in which each of them would unpack the package, and
    # from which the first that leaves removes it.
    ray_session.shipped_code = lambda: nullcontext({})  # type: ignore[assignment]
    done: list[float] = []
    plan = noop_plan(
        folder,
        noop_space(trials=settings["trials"], reports=settings["reports"]),
        NoopRunner(step_seconds=settings["step_seconds"]),
        slots=settings["slots"],
        gpus_per_worker=1,
        gpu_types=(GPUS[WORKER], GPUS[OTHER]),
        address="auto",
        prices=known_prices(None),
        max_cost=settings["max_cost"],
    )
    with observed() as observer:
        summary = run_sweep(plan, on_trial=lambda trial: done.append(time.monotonic()))
        end = time.monotonic() - observer.began
        observer.wait_for(0)
    assert summary.nodes is not None
    drained = sum(max(0.0, last - end) for last in observer.gone.values())
    return {
        "settings": settings,
        "ending": summary.ending,
        "trials": len(done),
        "unfinished": summary.unfinished,
        "seconds": end,
        "last_trial": max(done, default=observer.began) - observer.began,
        "workers": dataclasses.asdict(summary.nodes.workers),
        "types": [dataclasses.asdict(item) for item in summary.nodes.types],
        "cost": dataclasses.asdict(summary.nodes.cost) if summary.nodes.cost else None,
        "drained": drained,
        "changes": observer.changes,
    }


if __name__ == "__main__":
    out, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    cloud = fake_cloud(
        dict.fromkeys(GPUS, settings["slots"]),
        idle_minutes=settings["idle_minutes"],
        prices=PRICES,
        gpus=GPUS,
        home=Path.home(),
    )
    with cloud:
        result = run(settings, out.parent / "sweep")
    out.write_text(json.dumps(result, indent=1) + "\n")
