"""The cores that are counted are those that may be used: control groups, affinity, Slurm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raysearch.cores import usable_cores


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)


def machine(root: Path, groups: str, **files: str) -> Path:
    """A machine whose process is in these groups; files by path below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_no_groups_is_affinity(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == 8


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max", 8), ("200000", 2), ("180000", 1), ("50000", 1), ("1600000", 8), ("0", 8), ("?", 8)],
)
def test_quota_of_version_2(tmp_path: Path, quota: str, cores: int) -> None:
    root = machine(tmp_path, "0::/\n", **{"cpu.max": f"{quota} 100000\n"})
    assert usable_cores(root) == cores


def test_quota_of_a_group_above(tmp_path: Path) -> None:
    """A pod's limit stands above that of its container; a service's in its slice."""
    root = machine(
        tmp_path,
        "0::/slice/job/step\n",
        **{
            "slice/cpu.max": "300000 100000\n",
            "slice/job/cpu.max": "max 100000\n",
            "slice/job/step/cpu.max": "500000 100000\n",
        },
    )
    assert usable_cores(root) == 3


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("250000", 2), ("50000", 1)])
@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct", "cpu/docker/1f", "cpu,cpuacct/docker/1f"])
def test_quota_of_version_1(tmp_path: Path, folder: str, quota: str, cores: int) -> None:
    root = machine(
        tmp_path,
        "5:memory:/docker/1f\n4:cpu,cpuacct:/docker/1f\n0::/docker/1f\n",
        **{f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": "100000\n"},
    )
    assert usable_cores(root) == cores


def test_group_outside_of_the_namespace_is_that_of_the_mount(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/../../other\nnonsense\n", **{"cpu.max": "400000 100000"})
    assert usable_cores(root) == 4


@pytest.mark.parametrize(("text", "cores"), [("2", 2), ("64", 8), ("", 8), ("x", 8), ("0", 8)])
def test_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cores: int) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", text)
    assert usable_cores(tmp_path) == cores


def test_the_smallest_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "5")
    root = machine(tmp_path, "0::/\n", **{"cpu.max": "600000 100000"})
    assert usable_cores(root) == 5
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3})
    assert usable_cores(root) == 2
