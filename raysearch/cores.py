"""How many of the machine's cores this process may use.

One rule for everybody who counts, Ray included: the smallest of what the machine has, what the
process may run on (affinity), what its control group and those above it may use (the quota of
``docker --cpus``, Kubernetes and systemd, versions 1 and 2), and what Slurm has given a task.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

__all__ = ["usable_cores"]

GROUPS = "sys/fs/cgroup"
"""Where control groups are mounted."""
SLURM = "SLURM_CPUS_PER_TASK"


def usable_cores(root: Path = Path("/")) -> int:
    """Whole cores, at least 1: of a quota of 1.8 one, and of half a core one that is slow.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    limits = [affinity or os.cpu_count() or 1, *_quotas(root), *_slurm()]
    return max(1, int(min(limits)))


def _slurm() -> Iterator[float]:
    text = os.environ.get(SLURM, "")
    if text.isdecimal() and int(text) > 0:
        yield int(text)


def _quotas(root: Path) -> Iterator[float]:
    """Cores of every quota on this process; a file that is not there or cannot be read is none."""
    for folder in _groups(root):
        for quota_file, period_file in (("cpu.max", ""), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            with suppress(OSError, ValueError):  # version 2 writes "max" where there is none, 1 -1
                words = (folder / quota_file).read_text().split()
                if period_file:
                    words += (folder / period_file).read_text().split()
                quota, period = map(int, words)
                if quota > 0 and period > 0:
                    yield quota / period


def _groups(root: Path) -> Iterator[Path]:
    """Folders of the process's groups and of those above; in a container the mount may be one."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":
            mounts = [root / GROUPS, root / GROUPS / "unified"]
        elif "cpu" in controllers.split(","):
            mounts = [root / GROUPS / controllers, root / GROUPS / "cpu"]
        else:
            continue
        inside = PurePosixPath(group.strip("/"))
        here = () if ".." in inside.parts else (inside, *inside.parents)
        yield from (mount / part for mount in mounts for part in here or (PurePosixPath(),))
