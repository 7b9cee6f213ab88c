"""docs/requirements.lock: does it pin what the project needs, and does every node install it?"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PINS = {
    name: version
    for line in (ROOT / "docs" / "requirements.lock").read_text().splitlines()
    if not line.startswith("#")
    for name, version in [line.split("==")]
}
SETUPS = ("cluster.yaml", "docs/cluster-local.yaml")


def needed() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]
    lines = [*project["dependencies"], *extra["encoders"], *extra["cluster"], *extra["postgres"]]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("wanted", needed(), ids=str)
def test_a_pin_fits_what_the_project_needs(wanted: Requirement) -> None:
    assert wanted.specifier.contains(PINS[wanted.name.lower()], prereleases=True)


def test_torch_brings_its_own_cuda() -> None:
    assert not [name for name in PINS if name.startswith(("nvidia", "cuda", "triton"))]
    assert "+" not in PINS["torch"]


@pytest.mark.parametrize("file", SETUPS)
def test_the_set_up_installs_the_lock_on_one_patch_of_python(file: str) -> None:
    setup = "\n".join(yaml.safe_load((ROOT / file).read_text())["setup_commands"])
    assert setup.count("-r docs/requirements.lock") == 1
    assert re.findall(r"install .*-e \S+", setup)[0].count("--no-deps") == 1
    patches = set(re.findall(r"\b3\.\d+\.\d+\b", setup))
    (patch,) = patches
    assert f"Python {patch}" in (ROOT / "docs" / "requirements.lock").read_text()
    assert "--torch-backend=auto" in setup


def test_every_set_up_is_the_same() -> None:
    first, second = (yaml.safe_load((ROOT / file).read_text())["setup_commands"] for file in SETUPS)
    assert first == second


def test_the_image_installs_the_lock_before_the_code() -> None:
    docker = (ROOT / "docs" / "Dockerfile").read_text()
    lock, code = docker.index("-r /tmp/requirements.lock"), docker.index("COPY --chown=ray:users .")
    assert lock < code < docker.index("--no-deps -e /home/ray/raysearch")
