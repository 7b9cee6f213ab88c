"""A quota holds at every moment of a sweep, whose trials write files of real size."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from noop_sweep import GOAL, noop_plan, noop_report, noop_space

from raysearch.events import Event, EventKind
from raysearch.run import Run, RunState
from raysearch.scalars import size_text
from raysearch.search.driver import QueuedRun, RunQueue
from raysearch.search.incumbent import Incumbents
from raysearch.search.plan import SweepPlan
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.sweep import _reconcile
from raysearch.storage import Storage, open_storage

GB = 10**9
REAL = {"checkpoint": 3_300_000_000, "weights": 1_100_000_000, "stage": 1_100_000_000}
"""What a base-size encoder takes, with the optimizer's state in the checkpoint."""


class House:
    """A sweep in this process: trials write files of real size, with holes for bytes."""

    def __init__(self, plan: SweepPlan) -> None:
        self.plan, self.most = plan, 0
        self.events: list[Event] = []
        self.trials: list[Run] = []
        self.store: Storage = open_storage(plan.root)

    def write(self, path: Path, kind: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.truncate(path, REAL[kind])

    def life(self, book: RunQueue, queued: QueuedRun) -> Iterator[None]:
        """One trial, a write at a time."""
        spec, folder = queued.spec, Path(queued.spec.folder)
        sequence = 0

        def tell(kind: EventKind, **fields: Any) -> bool:
            nonlocal sequence
            sequence += 1
            event = Event(kind=kind, run_id=spec.id, sequence=sequence, **fields)
            return book.handle_events(spec.id, [event])

        curve = []
        for rung in range(1, spec.config["reports"] + 1):
            self.write(folder / ".checkpoint.safetensors.1.tmp", "checkpoint")
            yield
            (folder / ".checkpoint.safetensors.1.tmp").replace(folder / "checkpoint.safetensors")
            if rung == 1:
                self.write(Path(self.plan.stages_folder) / f"{spec.number}.stage", "stage")
            yield
            curve.append(noop_report(spec.config, spec.cell, rung, rung))
            if tell(EventKind.REPORT, report=curve[-1]):
                book.release(spec.id)
                return
        self.write(folder / "final.safetensors", "weights")
        yield
        done = Run(
            sweep=spec.sweep,
            number=spec.number,
            cell=spec.cell,
            method="noop",
            state=RunState.COMPLETE,
            config=dict(spec.config),
            metrics=curve[-1].metrics,
            curve=tuple(curve),
        )
        tell(EventKind.FINISHED, record=done)
        book.release(spec.id)

    def run(self, look: Callable[[int], None]) -> Incumbents:
        """All slots at once, in an order by chance; `look` gets the bytes after each write."""
        plan, chance = self.plan, random.Random(0)
        with StudyLedger.open(plan.url, plan.name, plan.space, cells=plan.cells) as ledger:
            incumbents = _reconcile(plan, ledger, self.trials.append, lambda key: False)
            book = RunQueue(
                plan,
                ledger,
                incumbents,
                on_trial=self.trials.append,
                on_event=self.events.append,
            )
            lives: list[Iterator[None]] = []
            while True:
                while len(lives) < plan.slots and (queued := book.next()):
                    lives.append(self.life(book, queued))
                if not lives:
                    break
                life = chance.choice(lives)
                if next(life, self) is self:
                    lives.remove(life)
                look(self.taken())
            incumbents.tidy()
        return incumbents

    def taken(self) -> int:
        places = ("leases/", "stages/")
        return sum(file.size for file in self.store.tree() if file.name.startswith(places))


@pytest.mark.parametrize("keep", ["best", "all"])
def test_a_sweep_stays_under_its_quota_at_every_moment(tmp_path: Path, keep: str) -> None:
    """3 slots: 3 x (2 x 3.3 + 1.1) GB for what runs and 1.1 GB for the best are 24.2 GB."""
    quota = 25 * GB
    plan = noop_plan(tmp_path, noop_space(trials=12), slots=3, keep=keep, quota=quota)
    house = House(plan)
    most = 0

    def look(taken: int) -> None:
        nonlocal most
        most = max(most, taken)
        assert taken <= quota, size_text(taken)

    incumbents = house.run(look)
    assert len(house.trials) == 12 and most > 15 * GB
    kept = [file.name for file in open_storage(plan.runs).tree()]
    values = {trial.number: trial.metrics[GOAL] for trial in house.trials}
    assert max(values, key=lambda number: values[number]) in {int(name[:5]) for name in kept}
    assert all(name.endswith("-noop-s0/final.safetensors") for name in kept)
    said = [event.text for event in house.events if event.text]
    if keep == "best":
        assert len(kept) == 1 and said == []
    else:
        assert 1 <= len(kept) < 12
        assert said == ["`--quota` is full: weights of the worst trials are removed"]
    assert incumbents.freed == 12 * sum(REAL.values()) - house.taken()


def test_without_a_quota_the_same_sweep_would_pass_it(tmp_path: Path) -> None:
    plan = noop_plan(tmp_path, noop_space(trials=12), slots=3, keep="all")
    sizes: list[int] = []
    House(plan).run(sizes.append)
    assert max(sizes) > 25 * GB
