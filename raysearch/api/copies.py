"""Folders of results that hold the copy of a sweep on a cluster, and say of which."""

from __future__ import annotations

import json
from pathlib import Path

from raysearch.errors import ConfigError, StoreError

__all__ = ["COPY", "refuse_copy", "refuse_others"]

COPY = "copy.json"
"""In a folder of results: that it is a copy, and of what."""


def refuse_copy(folder: Path) -> None:
    """A sweep of this machine must not go into the copy of a cluster's.

    Raises:
        ConfigError: It would.
    """
    if root := _copied(folder):
        raise ConfigError(
            f"a sweep must go on where it is, but {folder} is a copy of {root}, on a cluster; add "
            f"--cluster, or name another with --name"
        )


def refuse_others(folder: Path, root: str) -> None:
    """The copy of a cluster's sweep must not go into another sweep.

    Raises:
        ConfigError: It would.
    """
    if folder.is_dir() and any(folder.iterdir()) and _copied(folder) != root:
        other = _copied(folder) or "one of this machine"
        raise ConfigError(
            f"{folder} must hold the rows of {root}, but holds those of another sweep, {other}; "
            f"name another folder with --results, or this sweep with --name"
        )


def _copied(folder: Path) -> str:
    """What a folder is a copy of; empty when it is none."""
    try:
        return str(json.loads((folder / COPY).read_text())["root"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"`{folder / COPY}` must say what {folder} is a copy of, but: {error!r}; move the "
            "folder away: `raysearch attach` brings the rows again"
        ) from error
