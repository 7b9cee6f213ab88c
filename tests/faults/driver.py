"""A driver to be killed: one sweep of trials that train nothing, as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from noop_sweep import NoopRunner, noop_plan, noop_space

from raysearch.leaderboard import Store
from raysearch.search.plan import SweepPlan
from raysearch.search.sweep import run_sweep


def killable_plan(folder: Path) -> SweepPlan:
    """Five configurations of two cells, four reports of five steps, a fifth of a second each."""
    space = noop_space(trials=5, reports=4, seeds=2, pruner="halving")
    runner = NoopRunner(log=str(folder / "log"), steps_per_report=5, step_seconds=0.04)
    return noop_plan(folder, space, runner)


if __name__ == "__main__":
    plan = killable_plan(Path(sys.argv[1]))
    store = Store(plan.folder)
    summary = run_sweep(plan, on_trial=store.append)
    sys.stdout.write(f"{summary.ending} {summary.asked} {summary.unfinished}")
