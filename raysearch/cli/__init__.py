"""The command line: which sub-command, and how its errors reach the user.

One module a sub-command, each with `add_parser` and `run`; what is heavy (torch, Ray, Optuna)
is imported inside `run`, so that ``--help`` and the leaderboard open at once. A
`RaysearchError` is printed as it is and ends with exit code 2, and what a library or the system
says as one sentence (`raysearch.cli.failures`); anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TextIO

from raysearch.api.messages import PROGRESS, QUIET, Messages
from raysearch.cli import (
    check,
    compare,
    dashboard,
    data,
    evaluate,
    experiment,
    export,
    leaderboard,
    parsing,
    plan,
    recover,
    remote,
    report,
    sweep,
    train,
    verify,
)
from raysearch.cli.failures import said_of
from raysearch.cli.parsing import CommandParser, examples
from raysearch.errors import ConfigError, RaysearchError, quoted
from raysearch.names import is_text
from raysearch.render.output import hushed, lasting_output, leave, safe_output
from raysearch.storage.uri import shown_text
from raysearch.storage.whole import is_full
from raysearch.version import __version__

__all__ = ["main", "parser", "terminal_messages"]

_COMMANDS = (
    *(sweep, plan, recover, train, leaderboard, report, dashboard, evaluate, compare),
    *(experiment, verify, export, data, check, remote),
)

_FORMER = {"study": "experiment"}
"""Former words of commands, which mean the same and are shown nowhere."""


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
    parsing.add_parser(commands, parser)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when all went well, 2 on a user's mistake, 130 when interrupted.
    """
    _buffer_output()
    words = list(sys.argv[1:] if argv is None else argv)
    with lasting_output(), safe_output():
        return _run([*(_FORMER.get(word, word) for word in words[:1]), *words[1:]])


def terminal_messages(quiet: bool = False) -> Messages:
    """Progress where it is wanted, and warnings on what is standard error now: see `hushed`."""
    return replace(QUIET if quiet else PROGRESS, warn=partial(_warn, sys.stderr))


def _warn(stream: TextIO, text: str) -> None:
    stream.write(f"raysearch: {text}\n")


def _run(words: list[str]) -> int:
    """One command, its errors said."""
    try:
        _check_text(words)
        args = parser().parse_args(words)
        quiet = getattr(args, "quiet", False)
        args.words, args.messages = words, terminal_messages(quiet)
        with hushed(quiet), _ended_in_order():
            code: int = args.run(args)
        sys.stdout.flush()
        return code
    except RaysearchError as error:
        sys.stderr.write(f"raysearch: {shown_text(str(error))}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("raysearch: interrupted; the same command goes on from here\n")
        return 130
    except Exception as error:
        if (said := said_of(error)) is None:
            raise
        sys.stderr.write(f"raysearch: {shown_text(said)}\n")
        if isinstance(error, OSError) and is_full(error):
            leave(sys.stdout)
        return 2


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM, as a service's or a batch job's end sends it, acts as Ctrl-C does."""
    untouched = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not untouched or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _check_text(words: Sequence[str]) -> None:
    """See that every word is text: Arrow, the tokenizers and JSON take no other name of a file."""
    problems = [
        f"arguments must be UTF-8 text, but got {quoted(word)}; rename the file or folder"
        for word in words
        if not is_text(word)
    ]
    if problems:
        raise ConfigError(problems)


def _buffer_output() -> None:
    """Have standard output written whole; Python without buffers drops what a write did not take.

    That is so with ``PYTHONUNBUFFERED`` or ``-u``, as in containers and batch jobs.
    """
    out = sys.__stdout__
    raw = getattr(out, "buffer", None)
    if out is not None and sys.stdout is out and isinstance(raw, io.RawIOBase):
        buffer = io.BufferedWriter(raw)
        sys.stdout = io.TextIOWrapper(buffer, out.encoding, out.errors, line_buffering=True)
