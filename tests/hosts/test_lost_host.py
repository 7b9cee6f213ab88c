"""A host's cable is pulled in mid-trial: the sweep goes on, and no trial is lost or differs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hosts.lab import lab, missing
from hosts.ray_cluster import ray_up
from hosts.sweeps import assert_same_trials, on_one_machine, on_the_cluster, rows, write_space

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # a minute to start, another to end; more on a busy machine
    pytest.mark.skipif(bool(missing()), reason=f"test hosts need {', '.join(missing())}"),
]


def test_a_sweep_goes_on_without_the_host_whose_link_is_cut(tmp_path: Path) -> None:
    alone, together, fetched = tmp_path / "alone", tmp_path / "together", tmp_path / "fetched"
    space = write_space(tmp_path, trials=4, epochs=2)
    with lab(tmp_path, ["head", "worker1", "worker2"]) as made:
        with ray_up(made, tmp_path) as cluster, ThreadPoolExecutor(1) as pool:
            sweep = pool.submit(on_the_cluster, cluster, space, together, fetched)
            wait_for_a_row(together)
            made.hosts[1].link("down")
            said = sweep.result()
            assert "4/4 trials" in said
        on_one_machine(made, space, alone)
    found = rows(together)
    assert_same_trials(found, rows(alone))
    assert set(found["reason"]) == {""}
    assert found["provenance/host"].value_counts()["worker2"] >= 3


def wait_for_a_row(results: Path) -> None:
    """Until a trial is done; with two slots another is then under way on each worker."""
    deadline = time.monotonic() + 240
    while not list((results / "hosts" / "trials").glob("part-*")):
        assert time.monotonic() < deadline, "no trial was done"
        time.sleep(0.2)
