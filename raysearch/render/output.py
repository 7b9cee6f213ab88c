"""Safe standard output and error: text is printable, and a closed pipe does not end a command.

Code that writes to standard output or error need not know where a text came from: inside of
`safe_output` both escape unprintable characters, and replace what the terminal's encoding lacks by
something readable. `raysearch.render.terminal` does so itself for boards, and writes its colours
around this.

Inside of `lasting_output` a command whose reader has gone, as after `| head`, continues with its
own exit code: a sweep of hours must not end because of a reader, and rich would end it silently.
The same holds for a terminal that is gone.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any, TextIO, cast

from raysearch.json_text import plain_json
from raysearch.printable import READABLE, printable

__all__ = ["as_it_is", "hushed", "lasting_output", "leave", "safe_output", "write_json"]

_GONE = (errno.EPIPE, errno.EIO)


class _Printable:
    """A stream that makes every text printable."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # for rich consoles, which write their own colours

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
    """Make standard output and error accept any text and show it printable inside."""
    before = sys.stdout, sys.stderr
    with _readable(sys.stdout), _readable(sys.stderr):
        sys.stdout, sys.stderr = (cast("TextIO", _Printable(stream)) for stream in before)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


@contextmanager
def hushed(quiet: bool) -> Iterator[None]:
    """Hide progress, which goes to standard error; errors are still raised.

    Warnings go through `Messages.warn`.
    """
    if not quiet:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        yield


def write_json(value: Any) -> None:
    """Write a value to standard output as JSON; a number that is not finite is ``null``."""
    sys.stdout.write(plain_json(value, indent=1) + "\n")


def as_it_is() -> TextIO:
    """Standard output for text that must not be changed."""
    return cast("TextIO", getattr(sys.stdout, "rich_proxied_file", sys.stdout))


@contextmanager
def _readable(stream: TextIO) -> Iterator[None]:
    """Replace what the stream's encoding lacks by something readable inside, then restore it."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is None:
        yield
        return
    before = stream.errors
    reconfigure(errors=READABLE)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # flushing fails on a full disk or a closed stream
            reconfigure(errors=before)


class _Lasting:
    """A text stream that drops what cannot be delivered; otherwise like the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.note = ""
        """Message on standard error when the reader is gone; empty for none."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write; does not raise if the reader is gone."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._let_go(error)
            return len(text)

    def flush(self) -> None:
        """Flush; does not raise if the reader is gone."""
        try:
            self._stream.flush()
        except OSError as error:
            self._let_go(error)

    def _let_go(self, error: OSError) -> None:
        """Discard buffered and future output; prints the note once."""
        if error.errno not in _GONE:
            raise error
        leave(self._stream)
        if self.note:
            sys.stderr.write(f"raysearch: {self.note}\n")


@contextmanager
def lasting_output(note: str = "") -> Iterator[None]:
    """Ignore closed pipes on both outputs inside the block.

    Args:
        note: Printed on standard error when that happens to standard output; empty for none.
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
            with suppress(OSError):  # a full disk was reported, or will be at exit
                stream.flush()


def leave(stream: TextIO) -> None:
    """Redirect a stream that is closed to nowhere, so that the flush at exit does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
