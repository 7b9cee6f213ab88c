"""The driver's code on the nodes of a cluster: shipped to them, and what it runs on compared.

A node's own tree is as old as the node: with Ray's second autoscaler files reach a node only when
it is installed. So the driver ships its package, and a sweep's workers import nothing else under
its name. Python and the packages around it cannot be shipped. A node that differs in these is
refused before it takes a run.

``python -m raysearch.cluster.driver_code DIGEST``, which a job runs before its sweep, ends with 2
where the head has other code than the machine that the job was submitted from.
"""

from __future__ import annotations

import platform
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysearch.cluster.session_folder import scratch_folder
from raysearch.sources import NUMERIC, short
from raysearch.training.origin import method_source, package_digest, package_files, versions
from raysearch.version import PACKAGE

__all__ = ["DriverCode", "other_code", "shipped_code"]

_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Time of every file in the archive: Ray names it by its bytes, which must be the code's alone."""
_COMPARED = ("python", *NUMERIC, "safetensors", "ray")


@contextmanager
def shipped_code() -> Iterator[dict[str, Any]]:
    """The runtime environment for `ray.init` that brings this package to every node.

    It is a working directory, not a module: Ray puts the driver's own working directory, which
    every node has in its own state, in front of shipped modules.
    """
    with scratch_folder("code") as folder:
        archive = folder / "raysearch.zip"
        _write_archive(archive)
        yield {"working_dir": str(archive)}


def _write_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in package_files(PACKAGE):
            name = f"{PACKAGE.name}/{file.relative_to(PACKAGE)}"
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, kw_only=True)
class DriverCode:
    """What a node must have in common with the driver.

    Attributes:
        method: The sweep's method.
        facts: Python, packages and code of the driver, by name.
    """

    method: str
    facts: Mapping[str, str]

    @classmethod
    def of(cls, method: str) -> DriverCode:
        """That of this process.

        Args:
            method: The sweep's method, whose own code counts.
        """
        return cls(method=method, facts=_facts(method))

    def problem(self) -> str:
        """Why this process must not run the driver's trials, in one sentence; empty if it may."""
        here = _facts(self.method)
        names = [name for name in {**self.facts, **here} if here.get(name) != self.facts.get(name)]
        if not names:
            return ""
        told = ", ".join(
            f"{name} {_shown(here.get(name))} instead of {_shown(self.facts.get(name))}"
            for name in names
        )
        return (
            f"every node must run the driver's code on the driver's packages, but "
            f"{platform.node()} has {told}; install docs/requirements.lock there as on the "
            "head, or end the node, then run the same command again"
        )


def _facts(method: str) -> dict[str, str]:
    """Names and versions; of torch without its build, since a head without a GPU has another."""
    found = versions(method)
    packages = {name: found[name].partition("+")[0] for name in _COMPARED}
    return {**packages, "raysearch": package_digest(PACKAGE), **method_source(method)}


def other_code(digest: str) -> str:
    """Why this head must not run a sweep submitted from elsewhere; empty if it may.

    Args:
        digest: Of the package there (`raysearch.training.origin.package_digest`).
    """
    here = package_digest(PACKAGE)
    if here == digest:
        return ""
    return (
        f"the head must run the code that the sweep was submitted with, but has SHA-256 "
        f"{short(here)} instead of {short(digest)}: where another sweep runs there, which keeps "
        "its working tree, wait for its end or `raysearch stop` it; where the code comes with an "
        "image, build and apply that again"
    )


def _shown(value: str | None) -> str:
    return short(value) if value else "none"


if __name__ == "__main__":
    if said := other_code(sys.argv[1]):
        sys.stderr.write(f"raysearch: {said}\n")
        sys.exit(2)
