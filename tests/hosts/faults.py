"""What a fault costs a sweep on hosts: it is brought about in mid-trial, and the steps are read.

A `Run` is a sweep in a folder that all hosts see, driven at the head by `faults_driver`. Its log
has a line for every step that a worker took, with the time of the clock that all hosts share.
"""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from hosts.faults_driver import CHECKPOINT_STEPS, STEPS
from hosts.ray_cluster import ENVIRONMENT, ROOT, Cluster
from hosts.sweeps import rows

DRIVER = Path(__file__).with_name("faults_driver.py")


@dataclass(frozen=True)
class Step:
    """A step that was taken: of which run, by whom (host and process), when."""

    spec: str
    number: int
    who: str
    at: float

    @property
    def host(self) -> str:
        return self.who.partition(":")[0]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one fault did.

    Attributes:
        trials: Trials that were running at the fault, and had to notice it.
        redone: Steps that were taken twice, over these.
        most: The most of them in one trial.
        seconds: From the fault until each of these was further than before; the longest.
    """

    trials: int
    redone: int
    most: int
    seconds: float


@dataclass
class Run:
    """A sweep on the cluster.

    Attributes:
        cluster: The hosts.
        folder: Its folder, which all hosts see.
        trials: How many it has.
        storage: Folder that all hosts see, for checkpoints and rows, without the sweep's name.
        study_url: Where its study lies; empty for a file in `folder`.
    """

    cluster: Cluster
    folder: Path
    trials: int
    storage: Path
    study_url: str = ""
    driver: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(self) -> None:
        """The command; again to go on, when it has ended."""
        if self.driver:
            self.driver.communicate(timeout=60)
        words = f"{DRIVER} {self.folder} {self.trials} {self.storage} '{self.study_url}'"
        script = f"cd {ROOT} && PYTHONPATH={ROOT} exec ~/venv/bin/python {words}"
        head = self.cluster.lab.hosts[0]
        self.driver = subprocess.Popen(
            head.command("bash", "-c", script), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=head.environment(ENVIRONMENT),
        )  # fmt: skip

    def finish(self, seconds: float = 600) -> str:
        """Wait for the command's end; gives what it said."""
        assert self.driver
        said, errors = self.driver.communicate(timeout=seconds)
        assert self.driver.returncode == 0, f"{said}\n{errors}"
        return said

    def rows(self) -> pd.DataFrame:
        """The leaderboard's rows, by number."""
        return rows(self.storage, "faults")

    def steps(self) -> list[Step]:
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [read_step(line) for line in lines]

    def wait(self, holds: Callable[[], bool], what: str, seconds: float = 300) -> None:
        """Until something holds, while the driver runs."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not in {seconds:.0f} s: {what}"
            if self.driver and self.driver.poll() is not None:
                raise AssertionError(f"it ended before {what}: {self.driver.communicate()}")
            time.sleep(0.05)

    def wait_for_mid_trial(self) -> Step:
        """Until a trial is half done and well past a checkpoint; its last step."""
        found: list[Step] = []

        def there() -> bool:
            found[:] = [step for step in running(self.steps()) if is_worst(step)]
            return bool(found)

        self.wait(there, "a trial was half done")
        return found[0]

    def wait_for_recovery(self, met: Met, seconds: float = 400) -> None:
        """Until each of the runs that a fault met is further than it was."""
        self.wait(lambda: None not in met.progress(self.steps()), f"{met} was got over", seconds)


@dataclass(frozen=True, kw_only=True)
class Met:
    """What a fault met.

    Attributes:
        at: When it was.
        last: The last step before it, of each trial that it met.
        replaced: Whether another worker must take these trials over. What the old one still
            does on a host that nobody hears is no recovery.
    """

    at: float
    last: tuple[Step, ...]
    replaced: bool

    def progress(self, steps: list[Step]) -> list[float | None]:
        """For each trial when it got further than it was; None where it has not."""
        return [self._progress(steps, last) for last in self.last]

    def cost(self, steps: list[Step]) -> Cost:
        """What was paid, once all is over."""
        redone = [self._redone(steps, last) for last in self.last]
        times = [at - self.at for at in self.progress(steps) if at is not None]
        assert len(times) == len(redone), self
        return Cost(trials=len(redone), redone=sum(redone), most=max(redone), seconds=max(times))

    def _progress(self, steps: list[Step], last: Step) -> float | None:
        reached, then = self._reached(steps, last)
        return next((step.at for step in then if step.number > reached), None)

    def _redone(self, steps: list[Step], last: Step) -> int:
        reached, then = self._reached(steps, last)
        return max(0, reached - then[0].number + 1)

    def _reached(self, steps: list[Step], last: Step) -> tuple[int, list[Step]]:
        """How far the trial's worker got, and the steps of those that went on."""
        own = [step for step in steps if step.spec == last.spec]
        then = [step for step in own if step.at > self.at]
        if not self.replaced:
            return last.number, then
        reached = max(step.number for step in own if step.who == last.who)
        return reached, [step for step in then if step.who != last.who]


def read_step(line: str) -> Step:
    spec, number, who, at = line.split()
    return Step(spec, int(number), who, float(at))


def running(steps: Iterable[Step], host: str = "") -> list[Step]:
    """The last step of every run that is not through, of one host or of all."""
    last = {step.spec: step for step in steps}
    return [s for s in last.values() if s.number < STEPS and host in ("", s.host)]


def is_worst(step: Step) -> bool:
    """Whether it is the moment to lose most: in mid-trial, shortly before a checkpoint."""
    return 0.3 * STEPS < step.number < 0.8 * STEPS and 6 <= step.number % CHECKPOINT_STEPS <= 8


def twice(steps: Iterable[Step]) -> int:
    """How many steps were taken more than once."""
    counts = Counter((step.spec, step.number) for step in steps)
    return sum(counts.values()) - len(counts)
