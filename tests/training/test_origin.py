"""Whose commit a row names: the package's own checkout, never the repository around it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from raysearch.leaderboard.keys import made_by
from raysearch.training.origin import commit_of, package_digest

ABSENT = {"commit": "", "dirty": ""}


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", "-C", str(folder), *who, *arguments]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=bare
    ).stdout.strip()


def package_in(folder: Path) -> Path:
    package = folder / "raysearch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    return package


def repository(top: Path, project: str) -> str:
    (top / "pyproject.toml").write_text(f'[project]\nname = "{project}"\n')
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "one")
    return git(top, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path) -> tuple[Path, str]:
    """The package in its own checkout, and its commit."""
    package = package_in(tmp_path / "own")
    return package, repository(package.parent, "raysearch")


def test_the_own_checkout_names_its_commit_and_whether_files_changed(
    checkout: tuple[Path, str],
) -> None:
    package, commit = checkout
    assert commit_of(package) == {"commit": commit, "dirty": "false"}
    (package / "new.py").write_text("")
    assert commit_of(package) == {"commit": commit, "dirty": "true"}


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_CEILING_DIRECTORIES"])
def test_what_redirects_git_does_not_count(
    checkout: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    package, commit = checkout
    other = tmp_path / "other"
    other.mkdir()
    assert repository(other, "thesis") != commit
    monkeypatch.setenv(name, str(other / ".git" if name == "GIT_DIR" else other))
    assert commit_of(package) == {"commit": commit, "dirty": "false"}


def test_a_package_inside_of_anothers_repository_has_no_commit(tmp_path: Path) -> None:
    top = tmp_path / "thesis"
    site = package_in(top / "venv" / "site-packages")
    vendored = package_in(top)
    repository(top, "thesis")
    assert commit_of(site) == ABSENT
    assert commit_of(vendored) == ABSENT


def test_a_copy_that_the_checkout_does_not_track_has_no_commit(checkout: tuple[Path, str]) -> None:
    package, _ = checkout
    git(package.parent, "rm", "-q", "-r", "--cached", "raysearch")
    git(package.parent, "commit", "-q", "-m", "two")
    assert commit_of(package) == ABSENT


def test_without_git_or_a_repository_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = package_in(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "raysearch"\n')
    assert commit_of(package) == ABSENT
    monkeypatch.setenv("PATH", "")
    assert commit_of(package) == ABSENT


def test_a_packages_digest_follows_its_bytes_and_names_only(tmp_path: Path) -> None:
    package = package_in(tmp_path)
    (package / "page.css").write_text("a")
    before = package_digest(package)
    shutil.copytree(package, tmp_path / "moved")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").write_bytes(b"1")
    assert package_digest(package) == before == package_digest(tmp_path / "moved")
    (package / "page.css").write_text("b")
    assert package_digest(package) != before


def test_who_made_a_row_in_words() -> None:
    assert made_by({"commit": "0123456789abcdef", "dirty": "true"}) == "commit 0123456789-dirty"
    wheel = {"read_commit": "", "read_raysearch": "0.1.0", "read_package": "fedcba9876543210"}
    assert made_by(wheel, "read_") == "raysearch 0.1.0 (files fedcba9876)"
    assert made_by({}) == "a version that is not recorded"
