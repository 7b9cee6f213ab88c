"""How the cost of a fault is read from the log of steps: by hand, on a dozen steps."""

from __future__ import annotations

from hosts.faults import Cost, Met, read_step, running, twice

LOG = """\
a 1 h1:7 1.0
b 1 h2:7 1.1
a 2 h1:7 2.0
a 3 h1:7 3.0
b 2 h2:7 3.1
a 4 h1:7 4.0
a 3 h2:9 8.0
a 4 h2:9 9.0
a 5 h2:9 10.5
b 3 h2:7 11.0
"""
STEPS = [read_step(line) for line in LOG.splitlines()]


def test_what_runs_is_the_last_step_of_each_run() -> None:
    assert [(step.spec, step.number) for step in running(STEPS[:5])] == [("a", 3), ("b", 2)]
    assert [step.spec for step in running(STEPS[:5], "h1")] == ["a"]


def test_steps_of_a_worker_that_nobody_hears_are_redone_and_no_recovery() -> None:
    # The link of h1 is cut at 3.5; its worker takes one more step. h2 goes on after step 2.
    met = Met(at=3.5, last=(STEPS[3],), replaced=True)
    assert met.progress(STEPS[:8]) == [None]
    assert met.cost(STEPS) == Cost(trials=1, redone=2, most=2, seconds=7.0)
    assert twice(STEPS) == 2


def test_a_worker_that_goes_on_loses_nothing() -> None:
    met = Met(at=3.5, last=(STEPS[4],), replaced=False)
    assert met.cost(STEPS) == Cost(trials=1, redone=0, most=0, seconds=7.5)
