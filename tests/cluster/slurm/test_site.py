"""Slurm files: ours passes, what is wrong is said at once with its line, what is unset, slots."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raysearch.cluster.slurm.site import (
    check_slurm_file,
    is_slurm_file,
    read_slurm_site,
)
from raysearch.errors import ConfigError

ROOT = Path(__file__).parents[3]
OURS = ROOT / "docs" / "slurm.yaml"
TWO = """\
partitions:
  - {name: gpu, nodes: 2, cpus: 8, gpus: 4, memory: 64G, time: 4h, price: 2.5}
  - {name: cpu, cpus: 16, time: 30m, price: 0.1}
jobs: 3
notice: 2m
currency: EUR
sbatch: [--account=mine]
setup: [module load cuda]
gpus_per_worker: 0.5
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "slurm.yaml"
    path.write_text(text)
    return path


def test_ours_says_what_only_the_user_can_set(tmp_path: Path) -> None:
    assert is_slurm_file(OURS)
    (unset,) = check_slurm_file(OURS)
    assert unset.startswith("`partitions.name` must be set to yours, but has SET-ME-partition")
    assert check_slurm_file(write(tmp_path, OURS.read_text().replace("SET-ME-", ""))) == ()


@pytest.mark.parametrize("name", ["cluster.yaml", "docs/cluster-local.yaml", "none.yaml"])
def test_others_are_none(name: str) -> None:
    assert not is_slurm_file(ROOT / name)


def test_all_of_it_is_read(tmp_path: Path) -> None:
    site = read_slurm_site(write(tmp_path, TWO))
    assert [item.name for item in site.partitions] == ["gpu", "cpu"]
    gpu = site.partition
    assert (gpu.nodes, gpu.cpus, gpu.gpus, gpu.memory, gpu.seconds) == (2, 8, 4, "64G", 14400)
    assert (site.jobs, site.notice, site.sbatch) == (3, 120, ("--account=mine",))
    assert site.options == {"gpus_per_worker": 0.5}
    assert site.setup == ("module load cuda",)


def test_slots_are_what_the_nodes_of_all_jobs_hold(tmp_path: Path) -> None:
    """By hand: a node of 8 CPUs and 4 GPUs, two a job, three jobs."""
    site = read_slurm_site(write(tmp_path, TWO))
    assert site.slots(cpus=1, gpus=0, workers=1) == 8 * 6
    assert site.slots(cpus=1, gpus=1, workers=1) == 4 * 6
    assert site.slots(cpus=3, gpus=1, workers=1) == 2 * 6
    assert site.slots(cpus=1, gpus=0.5, workers=1) == 8 * 6
    assert site.slots(cpus=1, gpus=1, workers=5) == 24 // 5
    assert site.slots(cpus=16, gpus=0, workers=1) == 1


def test_the_prices_are_of_partitions_and_of_no_head(tmp_path: Path) -> None:
    table = read_slurm_site(write(tmp_path, TWO)).price_table()
    assert {item.name: item.most for item in table.worker_types()} == {"gpu": 6, "cpu": 3}
    assert table.price("gpu") == 2.5 and table.head_price() == 0.0 and table.currency == "EUR"
    assert table.worker_types()[0].resources == {"CPU": 8, "GPU": 4}
    free = TWO.replace(", price: 2.5", "").replace(", price: 0.1", "")
    assert not read_slurm_site(write(tmp_path, free)).price_table().per_hour


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("jobs: 3", "jobs: 0", "`jobs` must be a whole number >= 1, but got 0 (FILE:4)"),
        ("jobs: 3", "job: 3", "unknown key"),
        ("notice: 2m", "notice: 30s", "`notice` must be at least 60 s"),
        ("notice: 2m", "notice: 30m", "`notice` must be shorter than a job, but cpu has only"),
        ("currency: EUR", "partition: fast", "`partition` must be one of `partitions`"),
        ("time: 4h", "time: soon", "`partitions.time` must be like 30m or 4h"),
        ("name: cpu, ", "", "a partition must have name (FILE:3)"),
        ("name: cpu", "name: --x", "`partitions.name` must be a partition's name"),
        ("nodes: 2", "nodes: 1.5", "`partitions.nodes` must be a whole number >= 1"),
        ("[--account=mine]", "[mine]", "`sbatch` must be a list of options"),
        ("price: 0.1", "price: -1", "`partitions.price` must be money"),
        ("gpus_per_worker: 0.5", "gpus_per_worker: one", "`gpus_per_worker` must be a number"),
        ("gpus_per_worker: 0.5", "storage: /scratch", "unknown key"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = write(tmp_path, TWO.replace(old, new))
    with pytest.raises(ConfigError, match=re.escape(said.replace("FILE", str(path)))):
        read_slurm_site(path)


def test_no_partition_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`partitions` must be a list of one or more"):
        read_slurm_site(write(tmp_path, "partitions: []\n"))
