"""Kill a driver at some of its writes, lose its study, recover it, and let the next one go on.

Run by `test_lost_study`, on `kill_points`: the sweep's own code without Ray, every run a fork.
With a URL the study is on that server, in a schema of its own for each run. Prints one JSON
object per line: whether the study was lost, the kill point, and what was left at the end.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from kill_points import PLANS, Trap, drive, in_fork, joint_plan, result, say

from raysearch.leaderboard import Store
from raysearch.search.plan import SweepPlan
from raysearch.search.study.ledger import StudyLedger
from raysearch.search.study.recovery import recover_study


def main(root: Path, server: str, stride: int) -> None:
    plan = joint_plan(root)  # imported and compiled for the forks too
    StudyLedger.open("sqlite://", "warm", plan.space, cells=plan.cells).close()
    for number, (kind, make) in enumerate(PLANS.items()):
        folder = root / kind
        folder.mkdir()
        lose_everywhere(kind, folder, on_server(make, server), stride, first=number)


def on_server(make: Callable[[Path], SweepPlan], server: str) -> Callable[[Path], SweepPlan]:
    if not server:
        return make

    def made(folder: Path) -> SweepPlan:
        schema = f"{folder.parent.name}_{folder.name}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")  # type: ignore[arg-type]
        return replace(make(folder), study_url=f"{server}?options=-csearch_path%3D{schema}")

    return made


def lose_everywhere(
    kind: str, root: Path, make: Callable[[Path], SweepPlan], stride: int, first: int
) -> None:
    quiet = make(root / "quiet")

    def count_writes() -> str:
        trap = Trap(str(quiet.folder), at=0)
        trap.arm()
        drive(quiet)
        return str(trap.count)

    writes = int(asked(count_writes))
    say({"kind": kind, "writes": writes, **json.loads(asked(lambda: result(quiet)))})
    for turn, at in enumerate(range(1 + first, writes + 1, stride)):
        plan = make(root / f"at{at}")

        def killed(plan: SweepPlan = plan, at: int = at) -> None:
            Trap(str(plan.folder), at).arm()
            drive(plan)

        status, what = in_fork(killed)
        assert status == -signal.SIGKILL, (at, status, what)
        lost = not plan.study_url or turn % 2 == 0
        body = recovered if lost else gone_on
        found = asked(lambda plan=plan, body=body: body(plan))
        say({"kind": kind, "at": at, "what": what, "lost": lost, **json.loads(found)})


def recovered(plan: SweepPlan) -> dict[str, Any]:
    lose(plan)
    rows = Store(plan.root).trials()
    before = Store(plan.root).table().to_pylist()
    begun = len(list((plan.folder / "intents").glob("*.json")))
    if rows or begun:
        recover_study(plan, rows)
    drive(plan)
    after = Store(plan.root).table().to_pylist()
    kept = [{name: row.get(name) for name in before[0]} for row in after] if before else []
    return {**result(plan), "kept": all(row in kept for row in before), "begun": begun}


def gone_on(plan: SweepPlan) -> dict[str, Any]:
    drive(plan)
    return {**result(plan), "kept": True, "begun": 0}


def lose(plan: SweepPlan) -> None:
    """As if somebody had dropped the database."""
    if not plan.study_url:
        for path in plan.folder.glob("study.db*"):
            path.unlink()
        return
    server, _, schema = plan.study_url.partition("?options=-csearch_path%3D")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]
        connection.execute(f"CREATE SCHEMA {schema}")  # type: ignore[arg-type]


def asked(body: Callable[[], Any]) -> str:
    status, said = in_fork(body)
    assert status == 0, said
    return said


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
