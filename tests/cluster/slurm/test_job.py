"""The leader of a sweep on Slurm: what it does when its driver or its Ray ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from raysearch.cluster.slurm.job import Job, Notice, _driven
from raysearch.cluster.slurm.node import RayNode

JOB = Job(id="7", base="7", nodes=1, cpus="")


def running(seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])


@pytest.fixture
def notice() -> Iterator[Notice]:
    noted = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in noted}
    yield Notice()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_driver_whose_ray_has_ended_is_ended(
    notice: Notice, capfd: pytest.CaptureFixture[str]
) -> None:
    """It would wait for that for ever."""
    with running(60) as driver, running(0) as ray:
        assert _driven(driver, RayNode("10.0.0.1:6379", ray), JOB, notice) == -signal.SIGKILL
    assert "Ray must run as long as its sweep, but has ended by itself" in capfd.readouterr().err


def test_a_driver_that_ends_is_all_that_ends(
    notice: Notice, capfd: pytest.CaptureFixture[str]
) -> None:
    with running(0) as driver, running(60) as ray:
        assert _driven(driver, RayNode("10.0.0.1:6379", ray), JOB, notice) == 0
        assert ray.poll() is None
        ray.kill()
    assert capfd.readouterr().err == ""
