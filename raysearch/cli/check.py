"""`raysearch check`: validates search spaces and cluster.yaml."""

from __future__ import annotations

import argparse
import sys

from raysearch import api
from raysearch.cli.arguments import add_shared, given
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
            "raysearch check search_spaces/carl.yaml --train --set epochs=0.5",
        ),
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="FILE",
        help="files or folders (default: search_spaces/ and cluster.yaml)",
    )
    parser.add_argument(
        "--train",
        action="store_true",
        help="also train short trials, up to their first report, at both ends and the middle of "
        "every searched setting, and tell the values that change no number",
    )
    add_shared(parser, "--set", "--data-dir", "--quiet")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Report every problem of every file at once."""
    files = api.check(**given(args))
    for file in files:
        sys.stdout.write(f"{'wrong' if file.problems else 'ok   '} {file.path}\n")
        sys.stdout.writelines(f"      {sentence}\n" for sentence in file.notes)
    problems = [problem for file in files for problem in file.problems]
    if problems:
        raise ConfigError(problems)
    return 0
