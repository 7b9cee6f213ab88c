"""The command line: dispatches to sub-commands and prints their errors.

One module a sub-command, each with `add_parser` and `run`; what is heavy (torch, Ray, Optuna)
is imported inside `run`, so that ``--help`` and the leaderboard open at once. A
`RaysearchError` is printed as it is and ends with exit code 2, and what a library or the system
says as one sentence (`raysearch.cli.failures`); anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import TextIO

from raysearch.api.messages import PROGRESS, QUIET, Messages
from raysearch.cli import (
    check,
    compare,
    data,
    evaluate,
    experiment,
    export,
    leaderboard,
    parsing,
    plan,
    remote,
    report,
    study,
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
    *(sweep, plan, train, leaderboard, report, study, evaluate, compare),
    *(experiment, verify, export, data, check, remote),
)

_FORMER = {"study": "experiment"}
"""Former words of commands, which mean the same and are shown nowhere."""
_IMPORT = "<frozen importlib._bootstrap>"
"""File name of the code of Python's import."""
AGAIN_SECONDS = 0.05
"""Until a signal that came inside of it comes again."""


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
    """Progress unless quiet, and warnings on the current standard error (see `hushed`)."""
    return replace(QUIET if quiet else PROGRESS, warn=partial(_warn, sys.stderr))


def _warn(stream: TextIO, text: str) -> None:
    stream.write(f"raysearch: {text}\n")


def _run(words: list[str]) -> int:
    """Run one command and print its errors."""
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
        sys.stderr.write("raysearch: interrupted; the same command continues from here\n")
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
    """Inside, handle SIGTERM, which ends services and batch jobs, like Ctrl-C."""
    usual = (signal.SIG_DFL, signal.default_int_handler)
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    if threading.current_thread() is not threading.main_thread():
        before = {}
    untouched = {name: handler for name, handler in before.items() if handler in usual}
    for name in untouched:
        signal.signal(name, _interrupt)
    try:
        yield
    finally:
        for name, handler in untouched.items():
            signal.signal(name, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but not inside of Python's import.

    While two threads import, as at a sweep's start, its callbacks would swallow the error and keep
    the import lock: the signal would be lost, and the other thread would wait for ever.
    """
    if frame is None or frame.f_code.co_filename != _IMPORT:
        raise KeyboardInterrupt
    again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _check_text(words: Sequence[str]) -> None:
    """Check that every word is valid text: Arrow, tokenizers and JSON accept no other names."""
    problems = [
        f"arguments must be UTF-8 text, but got {quoted(word)}; rename the file or folder"
        for word in words
        if not is_text(word)
    ]
    if problems:
        raise ConfigError(problems)


def _buffer_output() -> None:
    """Buffer standard output: unbuffered, Python drops what a partial write did not take.

    That is so with ``PYTHONUNBUFFERED`` or ``-u``, as in containers and batch jobs.
    """
    out = sys.__stdout__
    raw = getattr(out, "buffer", None)
    if out is not None and sys.stdout is out and isinstance(raw, io.RawIOBase):
        buffer = io.BufferedWriter(raw)
        sys.stdout = io.TextIOWrapper(buffer, out.encoding, out.errors, line_buffering=True)
