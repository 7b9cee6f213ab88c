"""Counts the CPU cores that this process may use.

The same rule applies everywhere, also to Ray: the smallest of the machine's cores, the process's
affinity, the quotas of its control group and its parents (``docker --cpus``, Kubernetes and
systemd, versions 1 and 2), and the cores that Slurm assigned to the task.
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
    """Whole cores, at least 1: 1 for a quota of 1.8, and 1 slow one for half a core.

    Args:
        root: Folder with ``proc`` and ``sys``.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    limits = [affinity or os.cpu_count() or 1, *_quotas(root), *_slurm()]
    return max(1, int(min(limits)))


def _slurm() -> Iterator[float]:
    text = os.environ.get(SLURM, "")
    if text.isdecimal() and int(text) > 0:
        yield int(text)


def _quotas(root: Path) -> Iterator[float]:
    """Every quota of this process in cores; missing or unreadable files are skipped."""
    for folder in _groups(root):
        for quota_file, period_file in (("cpu.max", ""), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            with suppress(OSError, ValueError):  # no quota: "max" in version 2, -1 in version 1
                words = (folder / quota_file).read_text().split()
                if period_file:
                    words += (folder / period_file).read_text().split()
                quota, period = map(int, words)
                if quota > 0 and period > 0:
                    yield quota / period


def _groups(root: Path) -> Iterator[Path]:
    """Folders of the process's groups and their parents; in a container the mount may be one."""
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
