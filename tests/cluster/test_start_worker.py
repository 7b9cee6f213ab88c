"""The script that starts workers: the same process as Ray's own starts, of which it is a part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ray._private import ray_constants

from raysearch.cluster import start_worker
from raysearch.cluster.ray_session import START_WORKER

RAYS = Path(ray_constants.__file__).parent / "workers"
OTHERS = {"_", "PWD", "SHLVL", "RAY_CLIENT_MODE"}
"""Variables of the shell in between, and one that each process sets as it imports Ray."""
SHOW = "import json, os, sys; print(json.dumps([sys.executable, sys.argv[1:], dict(os.environ)]))"


def started(script: str | Path, *words: str) -> Any:
    """What a worker that is started so has: its Python, its arguments, its environment."""
    clean = {"PATH": os.environ["PATH"], "WHO": "me"}
    run = subprocess.run(
        [sys.executable, str(script), *words], env=clean, text=True, capture_output=True, check=True
    )
    python, arguments, found = json.loads(run.stdout)
    return python, arguments, {name: found[name] for name in found.keys() - OTHERS}


@pytest.mark.parametrize(
    "context",
    [
        "{}",
        json.dumps({"env_vars": {"A": "1 2", "B": "x=y"}}),
        json.dumps({"env_vars": {"A": "${WHO}:${NOBODY}"}}),
        json.dumps({"command_prefix": ["export C=3;"], "env_vars": {}, "java_jars": []}),
        json.dumps({"py_executable": sys.executable, "command_prefix": []}),
    ],
)
def test_it_starts_what_rays_own_starts(context: str, tmp_path: Path) -> None:
    (tmp_path / "setup_worker.py").symlink_to(RAYS / "setup_worker.py")  # beside Ray's worker
    worker = tmp_path / "default_worker.py"
    worker.write_text(SHOW)
    words = [str(worker), "--node-ip-address=127.0.0.1", "--name=with 'quotes' and spaces"]
    words += ["--language=PYTHON", f"--serialized-runtime-env-context={context}"]
    assert started(START_WORKER, *words) == started(RAYS / "setup_worker.py", *words)


def test_only_what_it_does_not_know_goes_to_rays_own() -> None:
    words = ["-s", "/ray/workers/default_worker.py", "--a=b"]
    plain = [*words, "--language=PYTHON", "--serialized-runtime-env-context={}"]
    assert start_worker.command(plain) == ([sys.executable, *words], {})
    for strange in (
        [*words, "--language=JAVA"],
        [*words, "--language=PYTHON", '--serialized-runtime-env-context={"something": "new"}'],
    ):
        rays = [sys.executable, "/ray/workers/setup_worker.py", *strange]
        assert start_worker.command(strange) == (rays, {})
