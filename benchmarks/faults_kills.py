"""How is a sweep killed again and again, and what is noted of it?

`Campaign` starts a driver of `faults_drivers`, kills it or one of the processes below it at an
instant that the seed draws, in steps of the sweep's log and so alike for both systems, and
starts it again where it is gone, until all kills are done and the sweep is at its end. All that
happens goes into a journal, one object of JSON per line; with it a campaign that was cut short
goes on.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults_drivers import UNRESTORABLE
from faults_work import STEPS

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
from processes import descendants  # noqa: E402

MEAN_GAP = 30
"""Steps between two kills."""
EARLY_SECONDS = 15.0
"""A driver that is killed early is killed within so long of its start."""
HUNG_SECONDS = 400.0
"""A sweep that takes no step for so long is taken for hung: its driver is started anew."""
GIVE_UP = 3
"""A driver that ends by itself, or hangs, so often in a row is given up, and its sweep with it."""
POLL_SECONDS = 0.05

TARGETS = {"driver": 0.4, "worker": 0.25, "owner": 0.2, "mail room": 0.15}
"""What is killed, and how often of all times."""
PROCESSES = {
    "raysearch": {"worker": "RayTrainWorker", "owner": "Trainable", "mail room": "Dispatcher"},
    # A trial is one process there, and there is no other.
    "tune": dict.fromkeys(("worker", "owner", "mail room"), "ray::ImplicitFunc"),
}
"""Parts of their command lines, below the driver."""

Event = dict[str, Any]


@dataclass(frozen=True)
class Kill:
    """A kill to come: so many steps after the one before, and then so many seconds."""

    target: str
    steps: int
    seconds: float

    @classmethod
    def draw(cls, seed: int, number: int) -> Kill:
        """The same for the same arguments, whatever the system."""
        chance = random.Random(f"{seed}/{number}")
        (target,) = chance.choices(list(TARGETS), list(TARGETS.values()))
        if target == "driver" and chance.random() < 0.25:
            return cls(target, 0, chance.uniform(0, EARLY_SECONDS))
        return cls(target, chance.randrange(1, 2 * MEAN_GAP), chance.uniform(0, 0.3))


class Campaign:
    """One system under fire.

    Args:
        system: ``raysearch`` or ``tune``.
        work: Name of the work, see `faults_work.WORKS`.
        kills: How many.
        seed: Of the instants.
        step_seconds: Sleep per step.
        folder: For the sweeps and the journal.
    """

    def __init__(
        self, system: str, work: str, *, kills: int, seed: int, step_seconds: float, folder: Path
    ) -> None:
        self.system, self.work, self.kills, self.seed = system, work, kills, seed
        self.step_seconds, self.folder = step_seconds, folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.journal = folder / "journal.jsonl"

    @property
    def events(self) -> list[Event]:
        """All that happened so far."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [json.loads(line) for line in lines]

    def run(self) -> None:
        """To the end of the kills and of the sweep."""
        while not self._over():
            sweep = self._sweep()
            self._life(sweep)

    def _over(self) -> bool:
        events = self.events
        kills = sum(event["event"] == "kill" for event in events)
        return kills >= self.kills and any(event["event"] == "end" for event in events[-1:])

    def _sweep(self) -> Event:
        """The sweep to go on with, or a new one if the last is at its end or given up."""
        events = self.events
        sweeps = [event for event in events if event["event"] == "sweep"]
        last = events[-1]["event"] if events else "end"
        if sweeps and last not in ("end", "given up"):
            return sweeps[-1]
        left = self.kills - sum(event["event"] == "kill" for event in events)
        trials = max(4, math.ceil(left * MEAN_GAP / STEPS))
        return self._note("sweep", sweep=len(sweeps), index=len(sweeps), trials=trials)

    def _life(self, sweep: Event) -> None:
        """One driver, from its start to its end, whoever ends it."""
        folder = self.folder / str(sweep["index"])
        folder.mkdir(exist_ok=True)
        began = time.monotonic()
        with _driver(self, folder, sweep["trials"]) as process:
            how = self._watch(process, folder)
        self._note("life", seconds=time.monotonic() - began, how=how)
        if how == "end":
            self._note("end")
            return
        lives = [event["how"] for event in self.events if event["event"] in ("life", "kill")]
        if all(life in ("hung", "died", "unrestorable") for life in lives[-GIVE_UP:]):
            self._note("given up", how=how, text=(folder / "driver.log").read_text()[-600:])

    def _watch(self, process: subprocess.Popen[bytes], folder: Path) -> str:
        """Kill what is due; how the driver ended."""
        log, moved = folder / "log", time.monotonic()
        number = sum(event["event"] == "kill" for event in self.events)
        base = lines = _lines(log)
        kill, due = Kill.draw(self.seed, number), None
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            now = time.monotonic()
            if (known := _lines(log)) > lines:
                lines, moved = known, now
            if now - moved > HUNG_SECONDS:
                return "hung"
            if number == self.kills or lines < base + kill.steps:
                continue
            due = due or now + kill.seconds
            if now < due or not self._strike(process.pid, kill, number, folder):
                continue
            if kill.target == "driver":
                return "killed"
            number, base, due, moved = number + 1, _lines(log), None, time.monotonic()
            kill = Kill.draw(self.seed, number)
        return {0: "end", UNRESTORABLE: "unrestorable"}.get(process.returncode, "died")

    def _strike(self, driver: int, kill: Kill, number: int, folder: Path) -> bool:
        """Kill the target with SIGKILL if there is one at this instant."""
        if kill.target == "driver":
            pid, command = driver, "driver"
        else:
            name = PROCESSES[self.system][kill.target]
            found = [item for item in sorted(descendants(driver).items()) if name in item[1]]
            if not found:
                return False
            pid, command = random.Random(f"{self.seed}/{number}/who").choice(found)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        line = _lines(folder / "log")
        self._note(
            "kill", how="", number=number, target=kill.target, line=line, process=command.strip()
        )
        return True

    def _note(self, kind: str, **fields: Any) -> Event:
        event = {"event": kind, **fields}
        event.setdefault("sweep", sum(e["event"] == "sweep" for e in self.events) - 1)
        with self.journal.open("a") as file:
            file.write(json.dumps(event) + "\n")
        return event


@contextmanager
def _driver(campaign: Campaign, folder: Path, trials: int) -> Iterator[subprocess.Popen[bytes]]:
    """A driver's process; gone when the block is left."""
    command: Sequence[str] = [
        sys.executable,
        str(HERE / "faults_drivers.py"),
        campaign.system,
        campaign.work,
        str(folder),
        str(trials),
        str(campaign.step_seconds),
    ]
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(HERE.parent)}
    with (folder / "driver.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0
