"""Runs a script of the tests on a machine with fake GPUs (`fake_gpu/fake_cuda.py`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS / "fake_gpu"))

from fake_cuda import FILE, written  # noqa: E402

__all__ = ["FILE", "fake_environment", "run_on_fake_gpus", "written"]


def fake_environment(machine: Path, **more: str) -> dict[str, str]:
    """The environment of a process, and of those that it starts, on a machine of `written`."""
    keep = {name: text for name, text in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    paths = (TESTS / "fake_gpu", TESTS.parent, TESTS)
    return {**keep, "PYTHONPATH": os.pathsep.join(map(str, paths)), FILE: str(machine), **more}


def run_on_fake_gpus(
    words: list[str], machine: Path, *, code: int = 0, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with these words there; its exit status must be `code`."""
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 500}
    environment = fake_environment(machine, **more)
    done = subprocess.run([sys.executable, *words], env=environment, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done
