"""`raysearch check`: are all search spaces and cluster.yaml usable, before anything is paid for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from raysearch.cli.parsing import examples
from raysearch.errors import ConfigError

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``check``."""
    parser = commands.add_parser(
        "check",
        help="validate search spaces and cluster.yaml",
        epilog=examples(
            "raysearch check",
            "raysearch check search_spaces/carl.yaml my-spaces/",
        ),
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="FILE",
        help="files or folders (default: search_spaces/ and cluster.yaml)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Report every problem of every file at once."""
    problems: list[str] = []
    checked = 0
    for path in _files([Path(name) for name in args.paths]):
        checked += 1
        try:
            notes = _check(path)
            sys.stdout.write(f"ok    {path}\n")
            sys.stdout.writelines(f"      {sentence}\n" for sentence in notes)
        except ConfigError as error:
            sys.stdout.write(f"wrong {path}\n")
            problems.extend(error.problems)
    if not checked:
        raise ConfigError(
            "`check` must find files, but there is no search_spaces/ or cluster.yaml; name some"
        )
    if problems:
        raise ConfigError(problems)
    return 0


def _check(path: Path) -> tuple[str, ...]:
    """Check one file, and say what is right in it and not yet as it should be."""
    if path.name.startswith("cluster"):
        from raysearch.cluster.remote.manifest import check_manifest

        return tuple(f"still to do: {sentence}" for sentence in check_manifest(path))
    from raysearch.search.reach import reach_note
    from raysearch.search.space.space import load_space

    note = reach_note(load_space(path))
    return (note,) if note else ()


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths or [Path("search_spaces"), Path("cluster.yaml")]:
        if path.is_dir():
            yield from sorted(path.rglob("*.yaml"))
        elif path.is_file():
            yield path
        elif paths:
            raise ConfigError(f"`check` must be given files that exist, but got {path}")
