"""Several workers of a trial that waits for a stage which another trial computes."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch.distributed as dist
from gloo import on_two_workers

from raysearch import distributed
from raysearch.methods.stage import Stage
from raysearch.training.stages.cache import ClaimAbandoned, HeartbeatInterval, StageCache
from raysearch.training.stages.sharing import SharedStages

STAGES = (Stage("first", (), 1, parents=()), Stage("last", (), 1, parents=("first",)))
LIMIT_SECONDS = 4
"""Of a collective in these tests, in place of torch's 30 minutes."""
WAIT_SECONDS = 10


def waited(*, abandoned: bool) -> str:
    """Wait on two workers, longer than a collective may last, for a claim that goes or stays."""
    dist.distributed_c10d._set_pg_timeout(timedelta(seconds=LIMIT_SECONDS))
    # Worker 0 alone touches the folder, as in training.
    with TemporaryDirectory() as folder:
        pace = HeartbeatInterval(look=0.1)
        cache = StageCache(Path(folder), pace=pace)
        until = time.monotonic() + WAIT_SECONDS
        other = StageCache(Path(folder), pace=pace)
        claim = other.claimed("k1")
        if distributed.rank() == 0:
            assert claim.__enter__() is None

        def idle() -> bool:
            over = time.monotonic() > until
            if over and not abandoned:
                other.put("k1", {"weight": 1})
            return over and abandoned

        stages = SharedStages(STAGES, ["k1", "k2"], cache)
        try:
            with stages.claimed(0, idle) as entry:
                return str(entry)
        except ClaimAbandoned:
            return "abandoned"


def taken_over() -> str:
    return waited(abandoned=False)


def given_up() -> str:
    return waited(abandoned=True)


@pytest.mark.slow
def test_workers_that_wait_for_another_trial_meet_no_time_limit() -> None:
    assert on_two_workers(taken_over) == ["{'weight': 1}"] * 2
    assert on_two_workers(given_up) == ["abandoned"] * 2
