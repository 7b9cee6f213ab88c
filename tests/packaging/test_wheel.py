"""The wheel, and a method from another package, as somebody has them who never saw this tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
TOY = ROOT / "examples" / "raysearch-toy"


def built(source: Path, folder: Path) -> Path:
    """The wheel of a project; built in `folder`, so that the tree stays as it is."""
    command = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    run = subprocess.run([sys.executable, "-m", "pip", *command], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("raysearch", "search_spaces"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=ignored)
    return built(tree, tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_the_wheel_has_all_that_the_package_reads(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "raysearch"
    wanted = {
        path.relative_to(ROOT).as_posix()
        for folder in (package, package / "search_spaces")
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= inside
    assert {"raysearch/search_spaces/carl.yaml", "raysearch/py.typed"} <= inside
    outside = {name for name in inside if name.split("/")[0] not in ("raysearch",)}
    assert all(".dist-info/" in name for name in outside), outside


@pytest.mark.slow
def test_an_installed_wheel_sweeps_a_method_of_another_package(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for words in (["init", "-q"], ["-c", "user.name=t", "-c", "user.email=t@example.org"]):
        commit = ["commit", "-q", "--allow-empty", "-m", "a thesis"] if words[0] == "-c" else []
        subprocess.run(["git", "-C", str(tmp_path), *words, *commit], check=True)
    shutil.copytree(TOY, tmp_path / "toy")
    toy = built(tmp_path / "toy", tmp_path / "wheels")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site)]
        + [str(wheel), str(toy)],
        check=True,
    )
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    environment["GIT_DIR"] = str(tmp_path / ".git")

    def raysearch(*words: str) -> str:
        run = subprocess.run(
            [sys.executable, "-m", "raysearch", *words],
            cwd=elsewhere, env=environment, text=True, capture_output=True, timeout=400,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    out = raysearch("sweep", "toy", "--trials", "2", "--slots", "1", "--set", "steps=20")
    assert "best: dev/pearson" in out and "the paper's own setting, trial 0" in out
    rows = pd.read_parquet(elsewhere / "results" / "toy" / "trials")
    assert set(rows["method"]) == {"toy"} and set(rows["trial"]) == {0, 1}
    # The repository around the wheel is not the wheel's: its version and its files say what ran.
    assert set(rows["provenance/commit"]) == {""} == set(rows["provenance/dirty"])
    assert set(rows["provenance/raysearch"]) == {"0.1.0"}
    assert set(rows["provenance/package"].str.len()) == {64}
    assert rows["config/loss"].isin(["squared", "absolute"]).all()

    plan = raysearch("plan", "carl", "--space", "carl-emobank")
    assert f"carl, {site}/raysearch/search_spaces/carl-emobank.yaml" in plan
