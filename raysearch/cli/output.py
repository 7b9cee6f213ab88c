"""What leaves the command line: text that is seen as it is, on terminals of any encoding.

Whoever writes to standard output or error need not know where a text came from: inside of
`safe_output` both show what is not printable as escapes, and what the terminal's encoding lacks
by something readable. Boards are drawn by `raysearch.render.terminal`, which does so itself
and writes its own colours past this.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any, TextIO, cast

from raysearch.printable import READABLE, printable

__all__ = ["as_it_is", "hushed", "safe_output", "write_json"]


class _Printable:
    """A stream that writes every text printable."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # where a rich console writes: it has its own colours

    def write(self, text: str) -> int:
        self.rich_proxied_file.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def safe_output() -> Iterator[None]:
    """Inside, standard output and error take any text and show it printable."""
    before = sys.stdout, sys.stderr
    with _readable(sys.stdout), _readable(sys.stderr):
        sys.stdout, sys.stderr = (cast("TextIO", _Printable(stream)) for stream in before)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


@contextmanager
def hushed(quiet: bool) -> Iterator[None]:
    """Keep progress, which goes to standard error, from being seen; errors are raised.

    Warnings go to `args.warn`.
    """
    if not quiet:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        yield


def write_json(value: Any) -> None:
    """Write a value to standard output, for a program."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def as_it_is() -> TextIO:
    """Standard output for text that must not be changed."""
    return cast("TextIO", getattr(sys.stdout, "rich_proxied_file", sys.stdout))


@contextmanager
def _readable(stream: TextIO) -> Iterator[None]:
    """Inside, what the stream's encoding lacks is written readable; then as it was before."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is None:
        yield
        return
    before = stream.errors
    reconfigure(errors=READABLE)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # it flushes: a full disk; closed
            reconfigure(errors=before)
