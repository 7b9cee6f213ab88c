"""Computes the keys of stages from their content.

Same key, same bytes: the key hashes the method, the stage, the settings it depends on, the
digests of data and encoder, the seed, the key of the stage before it and the code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from raysearch.methods import METHODS, package_sources
from raysearch.methods.stage import Stage, parents_of
from raysearch.version import PACKAGE

__all__ = ["code_version", "method_code", "stage_keys"]

_CODE = ("methods", "training", "encoders", "corpora", "metrics.py", "distributed.py")


@cache
def code_version(method: str = "") -> str:
    """SHA-256 over the sources that numbers depend on; uncommitted changes count.

    Args:
        method: The method; its sources count too if another package adds it. Empty for this
            package's own.
    """
    root = PACKAGE
    parts = [(root, root / part) for part in _CODE]
    if added := package_sources(method):
        parts.append((added.parent, added))
    return _digest(parts)


@cache
def method_code(method: str) -> str:
    """SHA-256 over the sources of a method alone; empty for one that is not installed."""
    own = PACKAGE / "methods" / method
    sources = own if method in METHODS else package_sources(method)
    return _digest([(sources.parent, sources)]) if sources else ""


def _digest(parts: Sequence[tuple[Path, Path]]) -> str:
    """Digest of the sources in files and folders, each named relative to its base."""
    digest = hashlib.sha256()
    for base, file in sorted((base, file) for base, part in parts for file in _sources(part)):
        digest.update(str(file.relative_to(base)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _sources(path: Path) -> list[Path]:
    return [path] if path.is_file() else list(path.rglob("*.py"))


def stage_keys(
    stages: Sequence[Stage],
    *,
    method: str,
    config: Mapping[str, Any],
    provenance: Mapping[str, str],
    seed: int,
    rungs: Sequence[Mapping[int, int]],
    workers: int = 1,
) -> list[str]:
    """The key of every stage, in order.

    Args:
        stages: A trial's stages, parents before children.
        method: Name of the method.
        config: All settings; each stage uses those that it names.
        provenance: Entries that identify data and encoder; each stage uses those that it names,
            by default those whose name contains ``digest``.
        seed: The cell's seed.
        rungs: For each stage, step within it to the rung of the report that is due after it.
        workers: Workers of the trial; each has its own dropout masks, so that several workers
            have other bytes than one.
    """
    digests = tuple(sorted(name for name in provenance if "digest" in name))
    keys: list[str] = []
    for index, stage in enumerate(stages):
        named = digests if stage.data is None else stage.data
        content = {
            "method": method,
            "stage": stage.name,
            "steps": stage.steps,
            "scheduled": stage.scheduled,
            "settings": {name: config[name] for name in stage.fields},
            "data": {name: provenance[name] for name in named},
            "seed": seed,
            "parents": [keys[parent] for parent in parents_of(stages, index)],
            "rungs": sorted(rungs[index].items()),
            "code": code_version(method),
        }
        if workers > 1:
            content["workers"] = workers
        text = json.dumps(content, sort_keys=True, default=list)
        keys.append(hashlib.sha256(text.encode()).hexdigest())
    return keys
