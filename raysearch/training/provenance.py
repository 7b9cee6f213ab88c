"""What must a row hold so that its number can be made again."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

import torch

import raysearch
from raysearch.training.stages import code_version

__all__ = ["cpu_name", "device_name", "pick_device", "provenance"]

_PACKAGES = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy", "ray", "optuna")


def pick_device() -> torch.device:
    """This worker's device: the first CUDA device that it may see, else the CPU."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def device_name(device: torch.device) -> str:
    """``cpu (2 threads)`` or the name of the GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} threads)"


@cache
def cpu_name() -> str:
    """Model of the processor and the vector instructions that torch uses: what rounds alike."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model} ({torch.backends.cpu.get_cpu_capability()})"


@cache
def provenance() -> dict[str, str]:
    """Versions of packages, commit and state of the source tree, digest of the code, machine."""
    found = {
        "python": platform.python_version(),
        "raysearch": raysearch.__version__,
        "code": code_version(),
        "host": platform.node(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        **_commit(),
    }
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = ""
    return found


def _commit() -> dict[str, str]:
    root = Path(raysearch.__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        return answer.stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "dirty": str(bool(git("status", "--porcelain", "--", "."))).lower(),
        }
    except (OSError, subprocess.SubprocessError):
        return {"commit": "", "dirty": ""}  # an installed wheel: `code` identifies the sources
