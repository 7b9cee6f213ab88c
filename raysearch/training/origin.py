"""The sources of a trial: data, encoder, method, versions, and this checkout.

Does not need torch: a sweep calls it before it starts anything, a worker once its trial is built.

A package installed into somebody else's repository, or whose environment points git at another one
(``GIT_DIR``), has no commit: its version and the digest of its files identify it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

from raysearch.encoders.files import note_encoder
from raysearch.methods import get_method
from raysearch.sources import NUMERIC, SOURCES, digests, recorded, sources_of, to_text
from raysearch.training.stages.keys import code_version, method_code
from raysearch.version import __version__

__all__ = [
    "commit_of",
    "method_source",
    "package_digest",
    "package_files",
    "sources_now",
    "versions",
]

_PACKAGES = (*NUMERIC, "safetensors", "ray", "optuna")


def versions(method: str = "") -> dict[str, str]:
    """Versions of Python, this package and its dependencies, and the digest of the code.

    Args:
        method: A method whose code counts, too, if another package adds it.
    """
    found = {
        "python": platform.python_version(),
        "raysearch": __version__,
        "code": code_version(method),
    }
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def method_source(method: str) -> dict[str, str]:
    """The name and digest of a method's own code, as in a row; empty if unknown."""
    digest = method_code(method)
    return {f"method {method}": digest} if digest else {}


def sources_now(method: str, config: Any, data_dir: str, *encoders: str) -> dict[str, str]:
    """Name to SHA-256 of the files that a trial of a config reads, as they are now.

    Args:
        method: The method's name.
        config: An instance of its config class.
        data_dir: Folder of the corpora.
        encoders: Other encoders to include, beside the config's.

    Raises:
        RaysearchError: Data cannot be read, or an encoder's package is missing.
    """
    with recorded() as found:
        get_method(method).check(config, data_dir=data_dir)
        for name in dict.fromkeys((config.encoder, *encoders)):
            note_encoder(name)
    return sources_of({SOURCES: to_text({**digests(found), **method_source(method)})})


_SECONDS = 10.0


def commit_of(package: Path) -> dict[str, str]:
    """``commit`` and ``dirty`` of a package's own checkout; both empty if it has none.

    A package's own checkout is one whose top folder holds the package, tracks it, and is the
    project that builds it. Environment variables that redirect git are ignored; a checkout of
    another user, which git refuses to read, counts as none.

    Args:
        package: Folder of the package.
    """
    top = package.resolve().parent
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    environment["GIT_OPTIONAL_LOCKS"] = "0"  # keeps `git status` from writing the index

    def git(*arguments: str) -> str:
        answer = subprocess.run(
            ["git", "-C", str(top), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS,
            env=environment,
        )
        return answer.stdout.strip()

    try:
        if _project(top) == package.name and Path(git("rev-parse", "--show-toplevel")) == top:
            git("ls-files", "--error-unmatch", "--", f"{package.name}/__init__.py")
            dirty = bool(git("status", "--porcelain", "--", package.name))
            return {"commit": git("rev-parse", "HEAD"), "dirty": str(dirty).lower()}
    except (OSError, ValueError, subprocess.SubprocessError):
        pass  # no git, no repository, none that git may read, or nothing committed
    return {"commit": "", "dirty": ""}


def package_digest(package: Path) -> str:
    """SHA-256 (hex) over every file of a package, except compiled Python."""
    digest = hashlib.sha256()
    for file in package_files(package):
        name = str(file.relative_to(package)).encode()
        digest.update(name + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def package_files(package: Path) -> list[Path]:
    """Every file of a package except compiled Python, sorted.

    Links are followed (the search spaces are one).
    """
    return sorted(
        Path(root, name)
        for root, _, names in os.walk(package, followlinks=True)
        for name in names
        if not name.endswith(".pyc")
    )


def _project(top: Path) -> str:
    """Name of the project whose sources a folder holds; empty if it has none."""
    pyproject = top / "pyproject.toml"
    if not pyproject.is_file():
        return ""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project")
    return str(project.get("name", "")) if isinstance(project, dict) else ""
