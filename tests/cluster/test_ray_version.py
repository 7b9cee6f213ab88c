from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import raysearch
from raysearch.cli import main
from raysearch.cluster.ray_version import RAY, check_ray
from raysearch.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_it_is_the_version_that_is_installed_and_pinned() -> None:
    check_ray()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"ray[tune,train]=={RAY}" in project["dependencies"]


@pytest.mark.parametrize("found", ["2.53.0", "none"])
def test_another_one_is_one_sentence_before_it_is_imported(
    found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def version(name: str) -> str:
        if found == "none":
            raise importlib.metadata.PackageNotFoundError
        return found

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("raysearch.cluster.ray_version.version", version)
    for name in [name for name in sys.modules if name.split(".")[0] == "ray"]:
        monkeypatch.setitem(sys.modules, name, None)  # importing it is an error
    for words in (
        ["sweep", "carl"],
        ["attach", "http://127.0.0.1:1"],
        ["experiment", "carl-ablation"],
    ):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"raysearch: Ray must be {RAY}, but {found} is installed; pip ins")
        assert said.count("\n") == 1
    with pytest.raises(ConfigError, match=f"Ray must be {RAY}, but {found} is installed"):
        raysearch.sweep("carl")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", ["train carl", "plan carl", "check", "stop http://127.0.0.1:1", "recover carl"]
)
def test_another_one_is_one_sentence_wherever_it_is_imported(words: str, tmp_path: Path) -> None:
    """Its modules are others, so that an import fails."""
    found = tmp_path / "other"
    (found / "ray").mkdir(parents=True)
    (found / "ray" / "__init__.py").write_text("")
    (found / "ray-2.53.0.dist-info").mkdir()
    (found / "ray-2.53.0.dist-info" / "METADATA").write_text("Name: ray\nVersion: 2.53.0\n")
    path = os.pathsep.join([str(found), str(ROOT)])
    ran = subprocess.run(
        [sys.executable, "-m", "raysearch", *words.split()],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"raysearch: Ray must be {RAY}, but 2.53.0 is installed; pip ins")
    assert ran.stderr.count("\n") == 1
