"""The command line: which sub-command, and how its errors reach the user.

One module a sub-command, each with `add_parser` and `run`; what is heavy (torch, Ray, Optuna)
is imported inside `run`, so that ``--help`` and the leaderboard open at once. A
`RaysearchError` is printed as it is and ends with exit code 2; anything else is a bug and
keeps its traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr

from raysearch import __version__
from raysearch.cli import (
    check,
    cluster,
    compare,
    completion,
    dashboard,
    data,
    evaluate,
    export,
    leaderboard,
    plan,
    recover,
    replay,
    report,
    study,
    sweep,
    train,
    verify,
)
from raysearch.cli.parsing import CommandParser, examples
from raysearch.errors import RaysearchError

__all__ = ["main", "parser"]

_COMMANDS = (
    *(sweep, plan, recover, train, leaderboard, report, dashboard, evaluate, compare),
    *(study, replay, verify, export, data, check, cluster),
)


def parser() -> argparse.ArgumentParser:
    """The parser of all sub-commands."""
    root: argparse.ArgumentParser = CommandParser(
        prog="raysearch",
        description="Hyper-parameter search for CARL and MSMO whose numbers can be believed.",
        epilog=examples("raysearch sweep carl", "raysearch leaderboard results/carl"),
    )
    root.add_argument("--version", action="version", version=f"raysearch {__version__}")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    completion.add_parser(commands, parser)
    return root


@contextmanager
def _hushed(quiet: bool) -> Iterator[None]:
    """Keep progress, which goes to standard error, from being seen; errors are raised."""
    if not quiet:
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when all went well, 2 on a user's mistake, 130 when interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = parser().parse_args(words)
        args.words = words
        with _hushed(getattr(args, "quiet", False)):
            code: int = args.run(args)
        return code
    except RaysearchError as error:
        sys.stderr.write(f"raysearch: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("raysearch: interrupted; the same command goes on from here\n")
        return 130
    except BrokenPipeError:
        # The reader (head, less) has closed; nothing is left to say, and exit must not flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
