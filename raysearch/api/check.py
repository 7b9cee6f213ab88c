"""Are search spaces and cluster files usable, before anything is paid for?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from raysearch.api.options import Folder
from raysearch.cluster.remote.manifest import check_manifest
from raysearch.errors import ConfigError
from raysearch.search.plan import reach_note
from raysearch.search.space.space import load_space

__all__ = ["CheckedFile", "check"]


@dataclass(frozen=True, kw_only=True)
class CheckedFile:
    """What one file is found to be.

    Attributes:
        path: The file.
        notes: What is right in it and not yet as it should be, in sentences.
        problems: What is wrong in it, with lines; empty for a file that can be used.
    """

    path: Path
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def check(paths: Sequence[Folder] = ()) -> list[CheckedFile]:
    """Check files, all problems of all of them at once.

    Args:
        paths: Files, or folders of YAML files; none for ``search_spaces/`` and ``cluster.yaml``
            here.

    Raises:
        ConfigError: There is no such file, or none at all.
    """
    found = [_checked(path) for path in list(_files([Path(path) for path in paths]))]
    if not found:
        raise ConfigError(
            "`check` must find files, but there is no search_spaces/ or cluster.yaml; name some"
        )
    return found


def _checked(path: Path) -> CheckedFile:
    try:
        if path.name.startswith("cluster"):
            open_points = check_manifest(path)
            return CheckedFile(path=path, notes=tuple(f"still to do: {t}" for t in open_points))
        note = reach_note(load_space(path))
        return CheckedFile(path=path, notes=(note,) if note else ())
    except ConfigError as error:
        return CheckedFile(path=path, problems=tuple(error.problems))


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths or [Path("search_spaces"), Path("cluster.yaml")]:
        if path.is_dir():
            yield from sorted(path.rglob("*.yaml"))
        elif path.is_file():
            yield path
        elif paths:
            raise ConfigError(f"`check` must be given files that exist, but got {path}")
