"""Kill a driver with SIGKILL at each of its writes in turn, and let the next one go on.

Run by `test_kill_points`. The driver runs the sweep's own code from the study to the
leaderboard; the trial runs in its process, in place of Ray, so that a run takes a fraction of
a second and dies at the worker's writes too. Every run is a fork of this process, which opens
nothing itself. Prints one JSON object per line: the kill point, what was about to be written,
and what was left at the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Imported for the forks, which would each import them anew: alembic, pandas, distributed.
import alembic.command  # noqa: F401
import pandas  # noqa: F401
import sqlalchemy.event
from noop_sweep import NoopRunner, noop_plan, noop_space, outcome
from sqlalchemy.engine import Engine

from raysearch import distributed  # noqa: F401
from raysearch.events import Event, EventKind
from raysearch.leaderboard import Store
from raysearch.run import Cell, Report, Run, RunSpec
from raysearch.search.driver import RunQueue
from raysearch.search.plan import SweepPlan
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.study.lock import sweep_lock
from raysearch.search.sweep import _reconcile

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


@dataclass
class Trap:
    """Counts writes below a folder; at the given one the process dies before it."""

    folder: str
    at: int
    count: int = 0
    last: str = ""

    def spring(self, what: str) -> None:
        self.count += 1
        self.last = what
        if self.count == self.at:
            os.write(1, what.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
                self._file("open", arguments[0])
            elif event in CHANGES:
                self._file(event, arguments[0])

        sys.addaudithook(audit)
        sqlalchemy.event.listen(Engine, "commit", lambda connection: self.spring("commit"))

    def _file(self, event: str, path: Any) -> None:
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.folder):
            name = os.path.relpath(os.fspath(path), self.folder)
            if not name.endswith("log"):  # the test's own file
                self.spring(f"{event} {name}")


class Inline:
    """A listener that hands the news to the run book at once."""

    def __init__(self, queue: RunQueue, spec: RunSpec) -> None:
        self.queue, self.spec, self.sequence, self.stop = queue, spec, 0, False

    def tell(self, kind: EventKind, **fields: Any) -> None:
        self.sequence += 1
        event = Event(kind=kind, run_id=self.spec.id, sequence=self.sequence, **fields)
        self.stop = self.queue.handle_events(self.spec.id, [event])

    def started(self, device: str, provenance: Mapping[str, str]) -> None:
        self.tell(EventKind.STARTED, device=device, provenance=provenance)

    def progress(self, step: int, total: int) -> None:
        self.tell(EventKind.PROGRESS, step=step, total=total)

    def report(self, report: Report) -> None:
        self.tell(EventKind.REPORT, report=report)

    def stopped(self) -> bool:
        return self.stop

    def preempted(self) -> bool:
        return False

    def owns(self) -> bool:
        return True


def drive(plan: SweepPlan) -> None:
    """`run_sweep` without Ray: the same lock, study, reconciliation and run book."""
    store = Store(plan.folder)
    with (
        sweep_lock(plan.folder) as lock,
        StudyLedger.open(plan.url, plan.name, plan.space, cells=plan.cells) as ledger,
    ):
        incumbents = _reconcile(plan, ledger, store.append, lambda key: False, lock.check)
        queue = RunQueue(
            plan, ledger, incumbents, on_trial=store.append, on_event=lambda event: None
        )
        while queued := queue.next():
            listener = Inline(queue, queued.spec)
            trial = plan.runner(queued.spec, listener)  # type: ignore[operator, misc]
            if trial is not None:
                listener.tell(EventKind.FINISHED, record=trial)
            queue.release(queued.spec.id)
        store.compact()


def result(plan: SweepPlan) -> dict[str, Any]:
    """What is left: the study, the leaderboard, the files, and the steps that were done."""
    with StudyLedger.open(plan.url, plan.name, plan.space, cells=plan.cells) as ledger:
        trials: list[Run] = list(ledger.finished_trials())
    rows = Store(plan.folder).table().to_pylist()
    curves = Store(plan.folder).curves().to_pylist()
    steps = Counter((plan.folder / "log").read_text().splitlines())
    return {
        "trials": sorted(map(repr, outcome(trials).items())),
        "count": len(trials),
        "rows": sorted([row["trial"], row["task"], row["seed"], row["state"]] for row in rows),
        "points": len(curves),
        "files": sorted(path.relative_to(plan.folder).as_posix() for path in weights(plan)),
        "redone": sum(steps.values()) - len(steps),
        "steps": sorted(steps),
    }


def weights(plan: SweepPlan) -> list[Path]:
    return [path for path in Path(plan.runs).rglob("*") if path.is_file()]


def in_fork(body: Callable[[], Any]) -> tuple[int, str]:
    """Run in a process of its own: its exit status (negative: the signal) and what it said."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write, 1)
        try:
            said = body()
            os.write(1, (said if isinstance(said, str) else json.dumps(said)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def joint_plan(folder: Path) -> SweepPlan:
    """Three configurations of two cells, which early stopping judges."""
    space = noop_space(trials=3, reports=2, seeds=2, pruner="halving")
    runner = NoopRunner(log=str(folder / "log"), steps_per_report=2)
    return noop_plan(folder, space, runner)


def per_task_plan(folder: Path) -> SweepPlan:
    """Two configurations of each of two tasks, the second from the best of the first."""
    space = replace(noop_space(trials=2, reports=1), mode="per_task", warm_start=1)
    return noop_plan(
        folder,
        space,
        NoopRunner(log=str(folder / "log"), steps_per_report=2),
        cells=lambda config: [Cell("en-es", 0), Cell("en-fr", 0)],
    )


PLANS = {"joint": joint_plan, "per_task": per_task_plan}


def main(root: Path) -> None:
    # Imported and compiled for the forks too: what a first database takes half a second for.
    plan = joint_plan(root)
    StudyLedger.open("sqlite://", "warm", plan.space, cells=plan.cells).close()
    for kind, make in PLANS.items():
        folder = root / kind
        folder.mkdir()
        kill_everywhere(kind, folder, make)


def kill_everywhere(kind: str, root: Path, make: Callable[[Path], SweepPlan]) -> None:
    def plan_in(name: str) -> SweepPlan:
        return make(root / name)

    def count_writes() -> str:
        trap = Trap(str(root / "quiet"), at=0)
        trap.arm()
        drive(plan_in("quiet"))
        return str(trap.count)

    status, said = in_fork(count_writes)
    assert status == 0, said
    say({"kind": kind, "writes": int(said), **in_fork_result(plan_in("quiet"))})
    for at in range(1, int(said) + 1):
        plan = plan_in(str(at))

        def killed(plan: SweepPlan = plan, at: int = at) -> None:
            Trap(str(plan.folder), at).arm()
            drive(plan)

        status, what = in_fork(killed)
        assert status == -signal.SIGKILL, (at, status, what)
        say({"kind": kind, "at": at, "what": what, **in_fork_result(plan, go_on=True)})


def say(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def in_fork_result(plan: SweepPlan, *, go_on: bool = False) -> dict[str, Any]:
    """What is left, after the next driver has gone on if so told."""

    def body() -> dict[str, Any]:
        if go_on:
            drive(plan)
        return result(plan)

    status, said = in_fork(body)
    assert status == 0, said
    found: dict[str, Any] = json.loads(said)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
