"""The driver's code is what its nodes run, and a node on other packages takes no run."""

from __future__ import annotations

import platform
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from raysearch.cluster import driver_code
from raysearch.cluster.driver_code import DriverCode, shipped_code
from raysearch.training.origin import package_digest
from raysearch.version import PACKAGE


def test_the_archive_has_the_package_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    with shipped_code() as first, shipped_code() as second:
        one, two = (Path(made["working_dir"]) for made in (first, second))
        assert one.read_bytes() == two.read_bytes()
        with zipfile.ZipFile(one) as archive:
            archive.extractall(tmp_path)
    assert package_digest(tmp_path / PACKAGE.name) == package_digest(PACKAGE)
    assert not one.exists()
    answer = subprocess.run(
        [sys.executable, "-c", "import raysearch; print(raysearch.__file__)"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert answer.stdout.strip() == str(tmp_path / PACKAGE.name / "__init__.py")


def test_this_process_has_what_it_has() -> None:
    assert DriverCode.of("carl").problem() == ""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("python", "3.11.0", f"python {platform.python_version()} instead of 3.11.0"),
        ("torch", "1.0", " instead of 1.0"),
        ("raysearch", "ab" * 32, f"raysearch {package_digest(PACKAGE)[:12]} instead of abababab"),
        ("method carl", "cd" * 32, " instead of cdcdcdcdcdcd"),
        ("method other", "ef" * 32, "method other none instead of efefefefefef"),
    ],
)
def test_what_differs_is_said_with_its_place(name: str, value: str, said: str) -> None:
    code = DriverCode.of("carl")
    problem = replace(code, facts={**code.facts, name: value}).problem()
    assert f"but {platform.node()} has {name} " in problem and said in problem
    assert "requirements.lock" in problem and problem.count(" instead of ") == 1


@pytest.mark.parametrize("same", [True, False])
def test_a_head_with_other_code_ends_the_job(same: bool) -> None:
    here = package_digest(PACKAGE)
    done = subprocess.run(
        [sys.executable, "-m", "raysearch.cluster.driver_code", here if same else "0" * 64],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == (0 if same else 2)
    assert (f"has SHA-256 {here[:12]} instead of 000000000000" in done.stderr) is not same


def test_the_build_of_torch_may_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head without a GPU has torch for the CPU."""
    code = DriverCode.of("carl")
    made = driver_code.versions
    for build, same in (("+cu130", True), (".1", False)):
        other = {"torch": code.facts["torch"] + build}
        monkeypatch.setattr(driver_code, "versions", lambda m, other=other: {**made(m), **other})
        assert (code.problem() == "") is same
