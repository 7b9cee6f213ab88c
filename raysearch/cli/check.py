"""`raysearch check`: are all search spaces and cluster.yaml usable, before anything is paid for."""

from __future__ import annotations

import argparse
import sys

from raysearch import api
from raysearch.cli.parsing import examples
from raysearch.errors import ConfigError

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``check``."""
    parser = commands.add_parser(
        "check",
        help="validate search spaces and cluster.yaml",
        epilog=examples("raysearch check", "raysearch check search_spaces/carl.yaml my-spaces/"),
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
    files = api.check(args.paths)
    for file in files:
        sys.stdout.write(f"{'wrong' if file.problems else 'ok   '} {file.path}\n")
        sys.stdout.writelines(f"      {sentence}\n" for sentence in file.notes)
    problems = [problem for file in files for problem in file.problems]
    if problems:
        raise ConfigError(problems)
    return 0
