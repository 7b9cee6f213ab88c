"""Standard output and error: any text is seen as it is, and a reader that is gone ends nothing.

Whoever writes to standard output or error need not know where a text came from: inside of
`safe_output` both show what is not printable as escapes, and what the terminal's encoding lacks
by something readable. Boards are drawn by `raysearch.render.terminal`, which does so itself
and writes its own colours past this.

A command whose output nobody takes any more, as after `| head`, goes on inside of
`lasting_output`, and its exit code is its own: a sweep of hours does not end for a reader's sake,
and rich would end it in silence. Of a terminal that is gone the same is true.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any, TextIO, cast

from raysearch.printable import READABLE, printable

__all__ = ["as_it_is", "hushed", "lasting_output", "leave", "safe_output", "write_json"]

_GONE = (errno.EPIPE, errno.EIO)


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

    Warnings go to `Messages.warn`.
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


class _Lasting:
    """A stream of text that forgets what cannot be delivered; otherwise as the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.note = ""
        """Said on standard error when nobody takes the output any more; empty for nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As of any stream; nothing is raised where the reader is gone."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._let_go(error)
            return len(text)

    def flush(self) -> None:
        """Likewise."""
        try:
            self._stream.flush()
        except OSError as error:
            self._let_go(error)

    def _let_go(self, error: OSError) -> None:
        """Have what is still buffered, and what is to come, go nowhere; say so once."""
        if error.errno not in _GONE:
            raise error
        leave(self._stream)
        if self.note:
            sys.stderr.write(f"raysearch: {self.note}\n")


@contextmanager
def lasting_output(note: str = "") -> Iterator[None]:
    """Inside the block neither output raises because its reader is gone.

    Args:
        note: Said on standard error when that happens to standard output; empty for nothing.
    """
    within = as_it_is()
    if isinstance(within, _Lasting):
        before, within.note = within.note, note
        try:
            yield
        finally:
            within.note = before
        return
    streams = sys.stdout, sys.stderr
    out, err = (_Lasting(stream or open(os.devnull, "w")) for stream in streams)  # noqa: SIM115
    out.note = note
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for stream in (out, err):
            with suppress(OSError):  # a full disk has been said, or the exit says so
                stream.flush()


def leave(stream: TextIO) -> None:
    """Have a stream that can take no more lead nowhere, so that the exit's flush is quiet."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
