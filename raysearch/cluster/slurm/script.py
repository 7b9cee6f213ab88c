"""Writes the script of a job: docs/slurm.sh, filled in from a Slurm file."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from raysearch.cluster.slurm.queue import MARK, NOTICE
from raysearch.cluster.slurm.session import FOLDER
from raysearch.cluster.slurm.site import SlurmSite

__all__ = ["job_script"]


def job_script(
    site: SlurmSite, folder: Path, tree: Path, command: str, words: Sequence[str]
) -> str:
    """The script of a sweep's jobs.

    Args:
        site: What a job asks for.
        folder: The sweep's folder, by its full path.
        tree: The working tree, which the job runs in.
        command: Digest of the command.
        words: Of `raysearch sweep`, from the method on.
    """
    node = site.partition
    # Slurm reads % in the name of a file as a pattern.
    log = str(folder / FOLDER / "job-").replace("%", "%%") + "%j.log"
    asked = {
        "job-name": f"{MARK}-{folder.name}",
        "comment": f"{MARK} {command} {folder}",
        "partition": node.name,
        "nodes": str(node.nodes),
        "ntasks-per-node": "1",
        "cpus-per-task": str(node.cpus),
        "time": str(math.ceil(node.seconds / 60)),
        "signal": f"B:{NOTICE}@{math.ceil(site.notice)}",
        "output": log,
        "open-mode": "append",
    }
    if node.gpus:
        asked["gpus-per-node"] = str(node.gpus)
    if node.memory:
        asked["mem"] = node.memory
    if site.jobs > 1:
        asked["array"] = f"1-{site.jobs}"
    options = [f"--{name}={value}" for name, value in asked.items()] + ["--requeue", *site.sbatch]
    run = [sys.executable, "-m", "raysearch.cluster.slurm.job", str(folder), *words]
    lines = [
        "#!/bin/bash -l",
        *(f"#SBATCH {shlex.quote(option)}" for option in options),
        *site.setup,
        f"cd {shlex.quote(str(tree))}",
        f"exec {shlex.join(run)}",
    ]
    return "\n".join(lines) + "\n"
